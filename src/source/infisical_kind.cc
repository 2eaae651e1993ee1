// The row of Infisical in the table of kinds.

#include <algorithm>
#include <array>
#include <utility>

#include "core/ascii.h"
#include "source/infisical_provider.h"
#include "source/jwt_file.h"
#include "source/reference_path.h"
#include "source/store_url.h"

namespace av::source {
namespace {

using Why = Failure::Why;

constexpr std::string_view kCloud = "https://us.infisical.com";

constexpr std::array kSettings = {
    Setting{.name = "url",
            .help = "address; the cloud in Europe is https://eu.infisical.com",
            .variable = "INFISICAL_URL",
            .fallback = kCloud},
    Setting{
        .name = "auth", .help = "how to log in: universal or kubernetes", .fallback = "universal"},
    Setting{.name = "client_id",
            .help = "auth=universal: client id of the machine identity",
            .variable = "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID"},
    Setting{.name = "client_secret",
            .help = "auth=universal: its client secret",
            .secret = true,
            .variable = "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET"},
    Setting{.name = "identity_id",
            .help = "auth=kubernetes: id of the machine identity",
            .variable = "INFISICAL_KUBERNETES_IDENTITY_ID"},
    Setting{.name = "token_file",
            .help = "auth=kubernetes: file of this machine with the service account's token, when "
                    "it is not "
                    "in its usual place",
            .variable = "INFISICAL_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH"},
    Setting{.name = "project",
            .help = "id of the project",
            .required = true,
            .variable = "INFISICAL_PROJECT_ID"},
    Setting{.name = "project_slug",
            .help = "slug of the project, if the identity may not look it up (dynamic "
                    "secrets need it)"},
    Setting{.name = "environment",
            .help = "slug of the environment: dev, staging, prod",
            .required = true},
    Setting{.name = "path", .help = "folder that references are below", .fallback = "/"},
    Setting{.name = "lease_ttl", .help = "how long dynamic secrets are asked for: 15m, 1h"},
};

Failure invalid(std::string message, std::string hint = {}) {
  return failure(Why::kInvalid, std::move(message), std::move(hint));
}

std::string setting(const vault::ExternalStore& store, std::string_view name) {
  const auto found = store.settings.find(name);
  if (found != store.settings.end() && !found->second.empty()) {
    return found->second;
  }
  const auto* const row = std::find_if(kSettings.begin(), kSettings.end(),
                                       [&](const Setting& one) { return one.name == name; });
  return std::string(row->fallback);
}

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), [](char c) { return ascii::is_unreserved(c); });
}

// "90s" is less than the minute that the API wants at least; "15m", "1h", "7d".
bool is_duration(std::string_view text) {
  return text.size() >= 2 && text.size() <= 8 && text.front() != '0' &&
         std::all_of(text.begin(), text.end() - 1, [](char c) { return ascii::is_digit(c); }) &&
         (text.back() == 's' || text.back() == 'm' || text.back() == 'h' || text.back() == 'd');
}

Result<void> read_identity(const vault::ExternalStore& store, const vault::StoreSecrets& secrets,
                           InfisicalSettings& out) {
  const std::string auth = setting(store, "auth");
  if (auth != "universal" && auth != "kubernetes") {
    return invalid("auth is neither universal nor kubernetes");
  }
  out.kubernetes = auth == "kubernetes";
  out.client_id = setting(store, "client_id");
  out.identity_id = setting(store, "identity_id");
  out.token_file = setting(store, "token_file");
  if (out.token_file.empty()) {
    out.token_file = kServiceAccountFile;
  }
  if (out.kubernetes) {
    if (!is_id(out.identity_id)) {
      return invalid("identity_id is missing, or is none");
    }
    if (!out.token_file.starts_with('/')) {
      return invalid("token_file is not an absolute path");
    }
    return {};
  }
  if (!is_id(out.client_id)) {
    return invalid("client_id is missing, or is none");
  }
  const auto secret = secrets.find("client_secret");
  if (secret == secrets.end() || !fits_field(secret->second)) {
    return invalid("client_secret is missing, too long, or has blanks or control characters");
  }
  return {};
}

Result<std::unique_ptr<Provider>> make_infisical(const vault::ExternalStore& store,
                                                 vault::StoreSecrets secrets, const Ports& ports) {
  AV_TRY(const bool plain, plain_http(store));
  InfisicalSettings out;
  AV_TRY(out.url, api_url(setting(store, "url"), plain));
  AV_CHECK(read_identity(store, secrets, out));
  out.project = setting(store, "project");
  if (!is_id(out.project)) {
    return invalid("project is missing, or is no project's id",
                   "it stands in the project's settings, and is not its name");
  }
  out.slug = setting(store, "project_slug");
  if (!out.slug.empty() && !is_slug(out.slug)) {
    return invalid("project_slug is none");
  }
  out.environment = setting(store, "environment");
  if (!is_slug(out.environment)) {
    return invalid("environment is missing, or is no environment's slug", "for example prod");
  }
  std::string folder = setting(store, "path");
  while (folder.starts_with('/')) {
    folder.erase(0, 1);
  }
  while (folder.ends_with('/')) {
    folder.pop_back();
  }
  if (!folder.empty()) {
    AV_TRY(out.folder, read_path(percent_path(folder)));
  }
  out.lease_ttl = setting(store, "lease_ttl");
  if (!out.lease_ttl.empty() && !is_duration(out.lease_ttl)) {
    return invalid("lease_ttl is no duration", "for example 15m or 1h");
  }
  return std::unique_ptr<Provider>(
      std::make_unique<InfisicalProvider>(std::move(out), std::move(secrets), ports));
}

}  // namespace

const Kind kInfisical = {
    "infisical", "Infisical",      "infisical",     "infisical://OPENAI_API_KEY",
    kSettings,   &parse_infisical, &make_infisical, false,
};

}  // namespace av::source
