// The row of HashiCorp Vault and OpenBao in the table of kinds: its settings, and what of them
// belongs together.

#include <algorithm>
#include <array>
#include <utility>

#include "core/ascii.h"
#include "source/hashi_provider.h"
#include "source/jwt_file.h"
#include "source/program_setting.h"
#include "source/reference_path.h"
#include "source/store_url.h"

namespace av::source {
namespace {

using Why = Failure::Why;

constexpr std::array kSettings = {
    Setting{.name = "url",
            .help = "address: https://vault.example.com:8200",
            .required = true,
            .variable = "VAULT_ADDR"},
    Setting{.name = "namespace",
            .help = "namespace of Vault Enterprise, HCP or OpenBao",
            .variable = "VAULT_NAMESPACE"},
    Setting{.name = "auth",
            .help = "how to log in: token, approle, kubernetes or jwt",
            .fallback = "token"},
    Setting{.name = "auth_mount",
            .help = "where the auth method is mounted, when not under its own name"},
    Setting{.name = "token",
            .help = "auth=token: the token",
            .secret = true,
            .variable = "VAULT_TOKEN"},
    Setting{.name = "wrapped_token",
            .help = "auth=token: a response-wrapping token that holds it",
            .secret = true},
    Setting{.name = "role_id", .help = "auth=approle: the role's id", .variable = "VAULT_ROLE_ID"},
    Setting{.name = "secret_id",
            .help = "auth=approle: the secret id",
            .secret = true,
            .variable = "VAULT_SECRET_ID"},
    Setting{.name = "wrapped_secret_id",
            .help = "auth=approle: a response-wrapping token that holds it",
            .secret = true},
    Setting{.name = "role", .help = "auth=kubernetes or jwt: the role"},
    Setting{.name = "jwt", .help = "auth=jwt: the token, when no file has it", .secret = true},
    Setting{
        .name = "token_file",
        .help =
            "auth=kubernetes or jwt: file of this machine with the token, read at each login (for "
            "kubernetes: the service account's)"},
};

// What each method needs and takes, of those that not all of them know.
struct Method {
  HashiAuth auth;
  std::string_view name;
  std::string_view takes;  // words
};
constexpr std::array kMethods = {
    Method{HashiAuth::kToken, "token", "token wrapped_token"},
    Method{HashiAuth::kAppRole, "approle", "auth_mount role_id secret_id wrapped_secret_id"},
    Method{HashiAuth::kKubernetes, "kubernetes", "auth_mount role token_file"},
    Method{HashiAuth::kJwt, "jwt", "auth_mount role jwt token_file"},
};

bool has(const vault::StoreSecrets& secrets, std::string_view name) {
  const auto found = secrets.find(name);
  return found != secrets.end() && !found->second.empty();
}

Failure invalid(std::string message, std::string hint = {}) {
  return failure(Why::kInvalid, std::move(message), std::move(hint));
}

bool from_environment(std::string_view name) {
  return std::any_of(kSettings.begin(), kSettings.end(),
                     [&](const Setting& one) { return one.name == name && !one.variable.empty(); });
}

// A slip that would otherwise show as a login that fails. What may have come out of the environment
// is left aside, for nobody may have meant it.
Result<void> check_taken(const Method& method, const vault::ExternalStore& store,
                         vault::StoreSecrets& secrets) {
  const auto words = ascii::words(method.takes, " ");
  for (const Method& other : kMethods) {
    for (const std::string_view name : ascii::words(other.takes, " ")) {
      const auto secret = secrets.find(name);
      if ((secret == secrets.end() && setting(store, name).empty()) ||
          std::find(words.begin(), words.end(), name) != words.end()) {
        continue;
      }
      if (!from_environment(name)) {
        return invalid("auth=" + std::string(method.name) + " does not take " + std::string(name),
                       "auth=" + std::string(other.name) + " does");
      }
      if (secret != secrets.end()) {
        secrets.erase(secret);
      }
    }
  }
  return {};
}

Result<void> check_needed(const HashiLoginSettings& login, const vault::StoreSecrets& secrets) {
  for (const auto& [name, value] : secrets) {
    if (!value.empty() && !fits_field(value)) {
      return invalid(name + " is longer than 16 KiB, or has blanks or control characters");
    }
  }
  switch (login.auth) {
    case HashiAuth::kToken:
      if (!has(secrets, "token") && !has(secrets, "wrapped_token")) {
        return invalid("auth=token needs a token or a wrapped_token");
      }
      break;
    case HashiAuth::kAppRole:
      if (login.role_id.empty()) {
        return invalid("auth=approle needs role_id");
      }
      break;
    case HashiAuth::kKubernetes:
      if (login.role.empty()) {
        return invalid("auth=kubernetes needs a role");
      }
      break;
    case HashiAuth::kJwt:
      if (login.role.empty()) {
        return invalid("auth=jwt needs a role");
      }
      if (has(secrets, "jwt") == !login.token_file.empty()) {
        return invalid("auth=jwt needs jwt or token_file, and not both");
      }
      break;
  }
  return {};
}

Result<HashiLoginSettings> read_login(const vault::ExternalStore& store,
                                      vault::StoreSecrets& secrets) {
  std::string name = setting(store, "auth");
  if (name.empty()) {
    name = "token";
  }
  const auto* const method = std::find_if(kMethods.begin(), kMethods.end(),
                                          [&](const Method& one) { return one.name == name; });
  if (method == kMethods.end()) {
    return invalid("auth is none of token, approle, kubernetes and jwt");
  }
  HashiLoginSettings out;
  out.auth = method->auth;
  out.role = setting(store, "role");
  out.role_id = setting(store, "role_id");
  out.mount = setting(store, "auth_mount");
  out.token_file = setting(store, "token_file");
  AV_CHECK(check_taken(*method, store, secrets));
  if (out.mount.empty()) {
    out.mount = method->name;
  }
  AV_TRY(out.mount, read_path(percent_path(out.mount)));
  if (out.auth == HashiAuth::kKubernetes && out.token_file.empty()) {
    out.token_file = kServiceAccountFile;
  }
  if (!out.token_file.empty() && !out.token_file.starts_with('/')) {
    return invalid("token_file is not an absolute path");
  }
  AV_CHECK(check_needed(out, secrets));
  return out;
}

// It stands in a field of every request, and in no URL.
Result<std::string> read_namespace(std::string text) {
  while (text.ends_with('/')) {
    text.pop_back();
  }
  const auto plain = [](char c) { return ascii::is_unreserved(c) || c == '/'; };
  if (text.size() > 256 || !std::all_of(text.begin(), text.end(), plain)) {
    return invalid("namespace is too long or has a character of none", "for example admin/team-a");
  }
  return text;
}

Result<std::unique_ptr<Provider>> make_hashi(const vault::ExternalStore& store,
                                             vault::StoreSecrets secrets, const Ports& ports) {
  AV_TRY(const bool plain, plain_http(store));
  AV_TRY(std::string url, api_url(setting(store, "url"), plain));
  AV_TRY(std::string name_space, read_namespace(setting(store, "namespace")));
  AV_TRY(HashiLoginSettings login, read_login(store, secrets));
  return std::unique_ptr<Provider>(std::make_unique<HashiProvider>(
      std::move(url), std::move(name_space), std::move(login), std::move(secrets), ports));
}

}  // namespace

const Kind kHashi = {
    "vault",     "HashiCorp Vault or OpenBao",
    "vault",     "vault://secret/openai#api_key",
    kSettings,   &parse_hashi,
    &make_hashi, false,
};

}  // namespace av::source
