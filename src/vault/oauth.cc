#include "vault/oauth.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <span>

#include "core/ascii.h"
#include "vault/canonical.h"

namespace av::vault {
namespace {

constexpr std::size_t kMostUrl = 2048;
constexpr std::size_t kMostText = 512;
constexpr std::size_t kMostScopes = 200;
constexpr std::size_t kMostParams = 32;
constexpr std::size_t kMostParamValue = 2048;

struct FlowName {
  OauthFlow flow;
  std::string_view name;
};
constexpr std::array<FlowName, 6> kFlows = {{{OauthFlow::kCode, "code"},
                                             {OauthFlow::kDevice, "device"},
                                             {OauthFlow::kClientCredentials, "client_credentials"},
                                             {OauthFlow::kJwtBearer, "jwt_bearer"},
                                             {OauthFlow::kGithubApp, "github_app"},
                                             {OauthFlow::kPasted, "pasted"}}};

// What the flows set themselves, and what would take their place: a request object (RFC 9101), an
// answer by another way than the query.
constexpr std::array<std::string_view, 13> kReservedAuthorize = {"response_type",
                                                                 "response_mode",
                                                                 "client_id",
                                                                 "redirect_uri",
                                                                 "scope",
                                                                 "state",
                                                                 "nonce",
                                                                 "request",
                                                                 "request_uri",
                                                                 "code_challenge",
                                                                 "code_challenge_method",
                                                                 "client_secret",
                                                                 "code"};
constexpr std::array<std::string_view, 15> kReservedToken = {"grant_type",
                                                             "code",
                                                             "redirect_uri",
                                                             "client_id",
                                                             "client_secret",
                                                             "code_verifier",
                                                             "refresh_token",
                                                             "device_code",
                                                             "assertion",
                                                             "scope",
                                                             "token",
                                                             "token_type_hint",
                                                             "client_assertion",
                                                             "password",
                                                             "client_assertion_type"};

Error invalid(std::string_view name, std::string_view why, std::string hint = {}) {
  return make_error(ErrorCode::kInvalid, std::string(name) + " " + std::string(why),
                    std::move(hint));
}

bool is_url_char(char c) {
  return c > ' ' && c < '\x7f' &&
         std::string_view("\"<>\\^`{|}#").find(c) == std::string_view::npos;
}

bool is_loopback_name(std::string_view host) {
  // Canonical: what has digits and dots only is an address in its one spelling.
  return host == "localhost" || host == "[::1]" || host == "::1" ||
         (host.starts_with("127.") &&
          host.find_first_not_of("0123456789.") == std::string_view::npos);
}

// RFC 6749 appendix A.1: VSCHAR.
bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
}

Status check_text(std::string_view value, std::string_view name) {
  if (value.size() > kMostText || !is_visible(value)) {
    return invalid(name, "is too long or has a character that is not printable ASCII");
  }
  return {};
}

// RFC 6749 section 3.3.
bool is_scope(std::string_view scope) {
  return !scope.empty() && scope.size() <= kMostText &&
         std::all_of(scope.begin(), scope.end(),
                     [](char c) { return c > ' ' && c < '\x7f' && c != '"' && c != '\\'; });
}

Status check_params(const OauthParams& params, std::string_view member,
                    std::span<const std::string_view> reserved) {
  if (params.size() > kMostParams) {
    return invalid(member, "has more than 32 parameters");
  }
  std::set<std::string_view> seen;
  for (const auto& [name, value] : params) {
    if (name.empty() || name.size() > kMostText ||
        !std::all_of(name.begin(), name.end(), [](char c) { return ascii::is_token_char(c); })) {
      return invalid(member, "has a parameter without a usable name");
    }
    if (std::find(reserved.begin(), reserved.end(), name) != reserved.end()) {
      return invalid(member, "sets \"" + name + "\", which the flow sets itself");
    }
    if (value.size() > kMostParamValue || !is_visible(value)) {
      return invalid(member, "has a value of \"" + name + "\" that is too long or not plain ASCII");
    }
    // RFC 6749 section 3.1: "Request and response parameters MUST NOT be included more than once";
    // RFC 8707 section 2 excepts `resource`.
    if (!seen.insert(name).second && name != "resource") {
      return invalid(member, "sets \"" + name + "\" twice");
    }
  }
  return {};
}

// The names of a query that has been checked to have whole escapes.
std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      out += static_cast<char>(ascii::hex_value(text[i + 1]) * 16 + ascii::hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// What stands in the URL already comes before the flow's own, and many a server takes the first.
Status check_own_query(std::string_view url) {
  std::string_view query = url.substr(std::min(url.find('?'), url.size()));
  while (!query.empty()) {
    query.remove_prefix(1);
    const std::string_view pair = query.substr(0, query.find('&'));
    const std::string name = decoded(pair.substr(0, pair.find('=')));
    if (std::find(kReservedAuthorize.begin(), kReservedAuthorize.end(), name) !=
        kReservedAuthorize.end()) {
      return invalid("authorization_url", "sets \"" + name + "\", which the flow sets itself");
    }
    query.remove_prefix(pair.size());
  }
  return {};
}

Status check_urls(const OauthClient& client) {
  const std::array<std::pair<std::string_view, const std::string*>, 5> urls = {
      {{"authorization_url", &client.authorization_url},
       {"token_url", &client.token_url},
       {"device_url", &client.device_url},
       {"revocation_url", &client.revocation_url},
       {"issuer", &client.issuer}}};
  for (const auto& [name, url] : urls) {
    if (!url->empty()) {
      AV_CHECK(check_endpoint(*url, name));
    }
  }
  return check_own_query(client.authorization_url);
}

Status check_needed(const OauthClient& client) {
  if (client.flow == OauthFlow::kPasted) {
    return {};  // an access token alone: nothing renews it
  }
  const std::array<std::pair<std::string_view, bool>, 4> needed = {
      {{"authorization_url", client.flow == OauthFlow::kCode && client.authorization_url.empty()},
       {"device_url", client.flow == OauthFlow::kDevice && client.device_url.empty()},
       {"token_url", client.token_url.empty()},
       {"client_id", client.client_id.empty()}}};
  for (const auto& [name, missing] : needed) {
    if (missing) {
      return invalid(name, "is missing");
    }
  }
  if (client.flow == OauthFlow::kGithubApp && !client.token_url.ends_with("/access_tokens")) {
    return invalid("token_url", "of a GitHub App ends in /access_tokens",
                   "https://api.github.com/app/installations/ID/access_tokens");
  }
  return {};
}

}  // namespace

std::string_view to_string(OauthFlow flow) {
  return std::find_if(kFlows.begin(), kFlows.end(),
                      [&](const FlowName& one) { return one.flow == flow; })
      ->name;
}

std::optional<OauthFlow> oauth_flow_from_string(std::string_view text) {
  const auto* const found = std::find_if(kFlows.begin(), kFlows.end(),
                                         [&](const FlowName& one) { return one.name == text; });
  return found == kFlows.end() ? std::nullopt : std::optional(found->flow);
}

bool mints(OauthFlow flow) {
  return flow == OauthFlow::kClientCredentials || flow == OauthFlow::kJwtBearer ||
         flow == OauthFlow::kGithubApp;
}

std::string_view to_string(ClientAuth auth) {
  switch (auth) {
    case ClientAuth::kPost:
      return "post";
    case ClientAuth::kBasic:
      return "basic";
    case ClientAuth::kNone:
      return "none";
  }
  return {};
}

std::optional<ClientAuth> client_auth_from_string(std::string_view text) {
  if (text == "post" || text == "client_secret_post") {
    return ClientAuth::kPost;
  }
  if (text == "basic" || text == "client_secret_basic") {
    return ClientAuth::kBasic;
  }
  return text == "none" ? std::optional(ClientAuth::kNone) : std::nullopt;
}

std::string_view to_string(OauthState state) {
  switch (state) {
    case OauthState::kConnected:
      return "connected";
    case OauthState::kReconnect:
      return "reconnect";
  }
  return {};
}

Status check_endpoint(std::string_view url, std::string_view name) {
  constexpr std::string_view kHttps = "https://";
  constexpr std::string_view kHttp = "http://";
  const bool secure = url.starts_with(kHttps);
  if (!secure && !url.starts_with(kHttp)) {
    return invalid(name, "must be an https:// URL");
  }
  if (url.size() > kMostUrl || !std::all_of(url.begin(), url.end(), is_url_char)) {
    return invalid(name, "is too long, has a fragment, or a character that is none of a URL");
  }
  const std::string_view rest = url.substr(secure ? kHttps.size() : kHttp.size());
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  const auto parsed = parse_authority(authority, secure ? 443 : 80);
  if (!parsed || parsed->port == 0) {
    return invalid(name, "has no usable host");
  }
  if (!secure && !is_loopback_name(parsed->host)) {
    return invalid(name, "must be an https:// URL", "http:// is for this machine itself only");
  }
  for (std::size_t at = rest.find('%'); at != std::string_view::npos; at = rest.find('%', at + 1)) {
    if (at + 2 >= rest.size() || ascii::hex_value(rest[at + 1]) < 0 ||
        ascii::hex_value(rest[at + 2]) < 0) {
      return invalid(name, "has a broken escape");
    }
  }
  return {};
}

Status check_oauth_client(const OauthClient& client) {
  AV_CHECK(check_urls(client));
  AV_CHECK(check_needed(client));
  AV_CHECK(check_text(client.provider, "provider"));
  AV_CHECK(check_text(client.client_id, "client_id"));
  AV_CHECK(check_text(client.subject, "subject"));
  AV_CHECK(check_text(client.audience, "audience"));
  AV_CHECK(check_text(client.key_id, "key_id"));
  if (client.scope_separator != " " && client.scope_separator != ",") {
    return invalid("scope_separator", "must be a blank or a comma");
  }
  if (client.scopes.size() > kMostScopes) {
    return invalid("scopes", "are more than 200");
  }
  for (const std::string& scope : client.scopes) {
    if (!is_scope(scope) || scope.find(client.scope_separator) != std::string::npos) {
      return invalid("scopes", "have one that is empty, too long or has a character of none");
    }
  }
  AV_CHECK(check_params(client.authorize_params, "authorize_params", kReservedAuthorize));
  AV_CHECK(check_params(client.token_params, "token_params", kReservedToken));
  const auto resources = std::count_if(client.token_params.begin(), client.token_params.end(),
                                       [](const auto& param) { return param.first == "resource"; });
  if (client.json_body && resources > 1) {
    return invalid("token_params", "sets \"resource\" twice, which a JSON body cannot say");
  }
  return {};
}

std::string_view state_word(const OauthStatus& status, std::int64_t now_ms) {
  if (status.state == OauthState::kReconnect) {
    return "reconnect";
  }
  const bool ended = status.expires_ms != 0 && now_ms >= status.expires_ms;
  if (ended && !status.has_refresh_token && !mints(status.client.flow)) {
    return "reconnect";
  }
  return status.failures > 0 ? "failing" : "connected";
}

std::string host_of_url(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) {
    return {};
  }
  url = url.substr(scheme + 3);
  const auto host = parse_authority(url.substr(0, url.find_first_of("/?")), 443);
  return host ? host->host : std::string();
}

}  // namespace av::vault
