#include "api/store_rights.h"

#include <algorithm>
#include <array>

#include "core/ascii.h"

namespace av::api {
namespace {

struct Allowed {
  std::string_view kind;
  std::string_view settings;  // words; "name=value": these values of it alone
};
// Kinds that reach nothing but a server, by a token of their own, through the network guard. The
// secrets are the admin's; the certificates to trust ("ca") count for this store alone.
constexpr std::array kAllowed = {
    Allowed{"1password-connect", "url token ca plain_http"},
    Allowed{"bitwarden", "url token ca plain_http"},
    Allowed{"bitwarden-sm", "url token ca plain_http"},
    Allowed{"vault",
            "url namespace auth=token auth=approle auth=jwt auth_mount token wrapped_token role_id "
            "secret_id wrapped_secret_id role jwt plain_http ca"},
    Allowed{"infisical",
            "url auth=universal client_id client_secret project project_slug environment path "
            "lease_ttl plain_http ca"},
};
// A service account sees what it was given, whoever asks: its program is fixed by the owner.
constexpr std::array<std::string_view, 1> kScopedPrograms = {"1password"};

const Allowed* find(const source::Kind& kind) {
  const auto* const found = std::find_if(kAllowed.begin(), kAllowed.end(),
                                         [&](const Allowed& one) { return one.kind == kind.id; });
  return found == kAllowed.end() ? nullptr : found;
}

std::string_view name_of(std::string_view word) {
  return word.substr(0, word.find('='));
}

}  // namespace

bool is_owners_kind(const source::Kind& kind) {
  return find(kind) == nullptr;
}

bool is_owners_setting(const source::Kind& kind, std::string_view name) {
  const Allowed* const allowed = find(kind);
  if (allowed == nullptr) {
    return true;
  }
  const auto words = ascii::words(allowed->settings, " ");
  return std::none_of(words.begin(), words.end(),
                      [&](std::string_view word) { return name_of(word) == name; });
}

std::vector<std::string_view> admins_values(const source::Kind& kind, std::string_view name) {
  std::vector<std::string_view> out;
  const Allowed* const allowed = find(kind);
  if (allowed != nullptr) {
    for (const std::string_view word : ascii::words(allowed->settings, " ")) {
      if (name_of(word) == name && word.size() > name.size()) {
        out.push_back(word.substr(name.size() + 1));
      }
    }
  }
  return out;
}

std::optional<std::string> owners_alone(const source::Kind& kind,
                                        const vault::StoreSettings& settings) {
  if (is_owners_kind(kind)) {
    return "the kind " + std::string(kind.id) +
           " runs programs or reads files or variables of the server's machine";
  }
  for (const auto& [name, value] : settings) {
    if (is_owners_setting(kind, name)) {
      return "\"" + name + "\" is about the server's machine or its networks";
    }
    const auto values = admins_values(kind, name);
    if (!values.empty() && std::find(values.begin(), values.end(), value) == values.end()) {
      return "\"" + name + "\" with this value is about the server's machine";
    }
  }
  return std::nullopt;
}

bool are_owners_references(std::string_view kind) {
  const bool scoped =
      std::find(kScopedPrograms.begin(), kScopedPrograms.end(), kind) != kScopedPrograms.end();
  return !scoped && std::none_of(kAllowed.begin(), kAllowed.end(),
                                 [&](const Allowed& one) { return one.kind == kind; });
}

}  // namespace av::api
