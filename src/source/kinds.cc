#include "source/kinds.h"

#include <algorithm>
#include <array>

#include "source/bitwarden_access.h"
#include "source/bitwarden_cli.h"
#include "source/bitwarden_sm.h"
#include "source/hashi_provider.h"
#include "source/infisical_provider.h"
#include "source/local_kinds.h"
#include "source/onepassword.h"
#include "source/op_connect.h"
#include "vault/store_settings.h"

namespace av::source {

// One line for each kind; the rows themselves stand beside their providers.

std::span<const Kind* const> kinds() {
  static constexpr std::array kAll = {
      &kOnePassword,
      &kOnePasswordConnect,
      &kBitwardenAccess,
      &kBitwardenCli,
      &kBitwardenSm,
      &kHashi,
      &kInfisical,
      &kPass,
      &kKeyring,
      &kEnv,
      &kFile,
      &kCmd,
  };
  return kAll;
}

std::vector<Setting> settings_of(const Kind& kind) {
  static constexpr std::array kCommon = {
      Setting{.name = vault::kCaSetting,
              .help = "certificates to trust besides the system's, in PEM; with --set-file"},
      Setting{.name = vault::kAllowNetSetting,
              .help = "private networks that its address may be in (CIDR)"},
      Setting{.name = vault::kPlainHttpSetting,
              .help = "yes: http:// (ws://) also to other machines, where tokens can be read on "
                      "the way"},
  };
  std::vector<Setting> out(kind.settings.begin(), kind.settings.end());
  if (std::any_of(out.begin(), out.end(), [](const Setting& one) { return one.name == "url"; })) {
    out.insert(out.end(), kCommon.begin(), kCommon.end());
  }
  return out;
}

const Kind* find_kind(std::string_view id) {
  const auto all = kinds();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Kind* k) { return k->id == id; });
  return found == all.end() ? nullptr : *found;
}

std::string_view scheme_of(std::string_view text) {
  const std::size_t end = text.find("://");
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end);
}

}  // namespace av::source
