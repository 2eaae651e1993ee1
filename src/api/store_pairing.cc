#include "api/store_pairing.h"

#include <algorithm>

#include "core/crypto.h"
#include "source/program_file.h"
#include "vault/store_settings.h"

namespace av::api {
namespace {

constexpr std::size_t kUidBytes = 12;

}  // namespace

Expected<const source::Kind*> kind_named(std::string_view id) {
  if (const source::Kind* const kind = source::find_kind(id)) {
    return kind;
  }
  std::string ids;
  for (const source::Kind* const kind : source::kinds()) {
    ids += (ids.empty() ? "" : ", ") + std::string(kind->id);
  }
  return make_error(ErrorCode::kNotFound,
                    "no kind of external store is called '" + source::excerpt(id) + "'",
                    "there are: " + ids + "; see: agent-vault vault store kinds");
}

const source::Setting* find_setting(const source::Kind& kind, std::string_view name) {
  const auto found = std::find_if(kind.settings.begin(), kind.settings.end(),
                                  [&](const source::Setting& s) { return s.name == name; });
  return found == kind.settings.end() ? nullptr : &*found;
}

bool is_common_setting(std::string_view name) {
  return name == vault::kCaSetting || name == vault::kAllowNetSetting ||
         name == vault::kPlainHttpSetting;
}

Error no_such_setting(const source::Kind& kind, std::string_view name) {
  std::string names;
  for (const source::Setting& setting : source::settings_of(kind)) {
    names += (names.empty() ? "" : ", ") + std::string(setting.name);
  }
  return make_error(
      ErrorCode::kUsage,
      "the kind " + std::string(kind.id) + " has no setting \"" + source::excerpt(name) + "\"",
      "it has: " + names);
}

vault::ExternalStore new_store(const source::Kind& kind, std::string_view name) {
  vault::ExternalStore store;
  store.kind = kind.id;
  store.name = name.empty() ? kind.id : name;
  store.uid = "xst_" + crypto::random_hex(kUidBytes);
  return store;
}

source::Result<void> pin_programs(const source::Kind& kind, vault::StoreSettings& settings) {
  for (const source::Setting& setting : kind.settings) {
    const auto given = settings.find(setting.name);
    if (!setting.program || given == settings.end()) {
      continue;
    }
    auto found = source::find_program(given->second);
    if (!found) {
      source::Failure why = found.error();
      why.message = std::string(setting.name) + ": " + why.message;
      return why;
    }
    given->second = found->path;
    if (!found->digest.empty()) {
      settings[std::string(setting.name) + ".sha256"] = found->digest;
    }
  }
  return {};
}

Expected<vault::StoreSecrets> copy_of(const vault::StoreSecrets& secrets) {
  vault::StoreSecrets out;
  for (const auto& [name, value] : secrets) {
    AV_TRY(out[name], value.clone());
  }
  return out;
}

}  // namespace av::api
