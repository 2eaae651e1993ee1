#include "oauth/login.h"

#include <algorithm>
#include <array>
#include <map>

#include "core/ascii.h"
#include "core/crypto.h"
#include "core/encoding.h"
#include "oauth/answer.h"
#include "oauth/form.h"
#include "oauth/import.h"
#include "oauth/stand_in.h"
#include "vault/path_readings.h"

namespace av::oauth {
namespace {

using vault::JsonDocument;

constexpr std::string_view kHttps = "https://";
constexpr std::size_t kMostShownId = 500;

LoginEndpoint endpoint_at(std::string_view url) {
  LoginEndpoint out;
  url.remove_prefix(kHttps.size());
  const std::size_t slash = std::min(url.find('/'), url.size());
  out.host = ascii::lower(url.substr(0, slash));
  out.path = ascii::lower(url.substr(slash));
  return out;
}

std::vector<LoginEndpoint> make_endpoints() {
  std::vector<LoginEndpoint> out;
  const auto add_program = [&](std::string_view url, std::string_view title,
                               std::string_view program) {
    LoginEndpoint& one = out.emplace_back(endpoint_at(url));
    one.url = url;
    one.title = title;
    one.program = program;
  };
  add_program("https://auth.openai.com/oauth/token", "ChatGPT (Codex)", "codex");
  add_program("https://platform.claude.com/v1/oauth/token", "Claude", "claude");
  add_program("https://console.anthropic.com/v1/oauth/token", "Claude", "claude");
  for (const Provider& provider : providers()) {
    std::vector<std::string> urls = provider.token_aliases;
    urls.insert(urls.begin(), provider.client.token_url);
    for (const std::string& url : urls) {
      LoginEndpoint& one = out.emplace_back(endpoint_at(url));
      one.url = url.find('*') == std::string::npos ? url : std::string();
      one.title = provider.title;
      one.provider = &provider;
    }
  }
  return out;
}

// By host: a request to any other costs one look-up.
const std::multimap<std::string_view, const LoginEndpoint*>& endpoints_by_host() {
  static const std::multimap<std::string_view, const LoginEndpoint*> kTable = [] {
    std::multimap<std::string_view, const LoginEndpoint*> table;
    for (const LoginEndpoint& one : login_endpoints()) {
      table.emplace(one.host, &one);
    }
    return table;
  }();
  return kTable;
}

bool fits(std::string_view pattern, std::string_view path) {
  while (!pattern.empty() || !path.empty()) {
    const std::string_view wanted =
        pattern.substr(0, std::min(pattern.find('/', 1), pattern.size()));
    const std::string_view found = path.substr(0, std::min(path.find('/', 1), path.size()));
    if (wanted != found && !(wanted == "/*" && found.size() > 1)) {
      return false;
    }
    pattern.remove_prefix(wanted.size());
    path.remove_prefix(found.size());
  }
  return true;
}

// -- the request

Error unreadable(std::string_view why) {
  return make_error(ErrorCode::kInvalid, std::string(why));
}

class Parameters {
 public:
  Status add_form(std::string_view text) {
    AV_TRY(std::vector<FormField> fields, read_form(text));
    for (FormField& field : fields) {
      AV_CHECK(add(std::move(field.name), std::move(field.value)));
    }
    return {};
  }

  Status add_json(std::string_view text) {
    const auto document = JsonDocument::parse(text);
    if (!document || !document->root().is(JsonView::Kind::kObject)) {
      return unreadable("the body is no JSON object");
    }
    for (const JsonView& member : document->root().children()) {
      if (!member.is(JsonView::Kind::kString)) {
        continue;  // nothing that a token endpoint wants is anything else
      }
      AV_TRY(const Secret value, member.secret());
      SecretBuffer copy;
      copy.append(value);
      AV_CHECK(add(member.name(), std::move(copy)));
    }
    return {};
  }

  [[nodiscard]] std::string_view get(std::string_view name) const {
    const auto found = fields_.find(name);
    return found == fields_.end() ? std::string_view() : found->second.view();
  }
  [[nodiscard]] bool has(std::string_view name) const { return fields_.contains(name); }

 private:
  // RFC 6749 section 3.2: "parameters MUST NOT be included more than once". One reader would take
  // the first, another the last.
  Status add(std::string name, SecretBuffer value) {
    if (!fields_.emplace(std::move(name), std::move(value)).second) {
      return unreadable("a parameter is there twice");
    }
    return {};
  }

  std::map<std::string, SecretBuffer, std::less<>> fields_;
};

Status read_body(const LoginText& text, Parameters& out) {
  AV_CHECK(out.add_form(text.query));
  const std::string type =
      ascii::lower(ascii::trim(text.content_type.substr(0, text.content_type.find(';'))));
  if (text.body.empty()) {
    return {};
  }
  if (type == "application/x-www-form-urlencoded") {
    return out.add_form(text.body);
  }
  if (type == "application/json") {
    return out.add_json(text.body);
  }
  return unreadable("the body is neither a form nor JSON");
}

struct GrantName {
  std::string_view grant;
  LoginGrant means;
  std::string_view parameter;
};
constexpr std::array<GrantName, 3> kGrants = {
    {{"authorization_code", LoginGrant::kCode, "code"},
     {"urn:ietf:params:oauth:grant-type:device_code", LoginGrant::kDevice, "device_code"},
     {"refresh_token", LoginGrant::kRefresh, "refresh_token"}}};

Expected<const GrantName*> grant_of(const Parameters& parameters) {
  const std::string_view said = parameters.get("grant_type");
  for (const GrantName& one : kGrants) {
    // GitHub's and Slack's clients need not say which grant a code is.
    const bool meant =
        parameters.has("grant_type") ? said == one.grant : one.means == LoginGrant::kCode;
    if (meant && !parameters.get(one.parameter).empty()) {
      return &one;
    }
  }
  return make_error(ErrorCode::kUnsupported,
                    "it redeems neither a code nor a device code nor a refresh token");
}

// A raw one where the program has not encoded it (RFC 6749 section 2.3.1 says that it must).
SecretBuffer basic_part(std::string_view text) {
  SecretBuffer out;
  if (text.find('%') != std::string_view::npos && text.find('&') == std::string_view::npos) {
    SecretBuffer pair;
    pair.append("v=");
    pair.append(text);
    auto fields = read_form(pair.view());
    if (fields && fields->size() == 1) {
      return std::move(fields->front().value);
    }
  }
  out.append(text);
  return out;
}

Status read_basic(std::string_view authorization, LoginRequest& out) {
  const std::size_t blank = authorization.find(' ');
  const std::string scheme = ascii::lower(authorization.substr(0, blank));
  if (scheme != "basic" || blank == std::string_view::npos) {
    return {};  // some programs send an empty Bearer; it says nothing about the client
  }
  const std::string_view encoded = ascii::trim(authorization.substr(blank));
  AV_TRY(Secret decoded, Secret::with_size(encoding::base64_decoded_bound(encoded.size())));
  const auto size = encoding::from_base64(encoded, decoded.writable());
  if (!size) {
    return unreadable("the client's Basic authentication is not base64");
  }
  decoded.truncate(*size);
  SecretBuffer pair;
  pair.append(decoded);
  const std::size_t colon = pair.view().find(':');
  if (colon == std::string_view::npos) {
    return unreadable("the client's Basic authentication has no colon");
  }
  out.client.client_id = std::string(basic_part(pair.view().substr(0, colon)).view());
  AV_TRY(out.client_secret, basic_part(pair.view().substr(colon + 1)).to_secret());
  out.client.auth = vault::ClientAuth::kBasic;
  return {};
}

Status read_client(const LoginText& text, const Parameters& parameters, LoginRequest& out) {
  out.client.flow = vault::OauthFlow::kPasted;
  out.client.auth = vault::ClientAuth::kNone;
  AV_CHECK(read_basic(text.authorization, out));
  if (out.client.client_id.empty()) {
    out.client.client_id = std::string(parameters.get("client_id"));
  }
  if (out.client_secret.empty() && !parameters.get("client_secret").empty()) {
    AV_TRY(out.client_secret, Secret::copy_of(parameters.get("client_secret")));
    out.client.auth = vault::ClientAuth::kPost;
  }
  const std::string type = ascii::lower(text.content_type);
  out.client.json_body = type.starts_with("application/json");
  for (const std::string_view name : {"resource", "audience"}) {
    const std::string value(parameters.get(name));
    if (!value.empty()) {
      out.client.token_params.emplace_back(name, value);
    }
  }
  return vault::check_oauth_client(out.client);
}

// Written by the program: nothing in it is to be believed.
std::string shown_of(const Parameters& parameters) {
  std::string out;
  for (const std::string_view name : {"grant_type", "client_id", "redirect_uri", "scope"}) {
    const std::string_view value = parameters.get(name).substr(0, kMostShownId);
    if (!value.empty()) {
      out += std::string(name) + "=" + bounded(value) + "\n";
    }
  }
  return out;
}

}  // namespace

const std::vector<LoginEndpoint>& login_endpoints() {
  static const std::vector<LoginEndpoint> kTable = make_endpoints();
  return kTable;
}

const LoginEndpoint* find_login_endpoint(const vault::RequestIdentity& identity) {
  const auto& table = endpoints_by_host();
  const auto [first, last] = table.equal_range(identity.authority.host);
  if (first == last || identity.scheme != vault::Scheme::kHttps || identity.authority.port != 443) {
    return nullptr;
  }
  const std::vector<std::string> readings = vault::path_readings(identity.target.path);
  for (auto one = first; one != last; ++one) {
    const LoginEndpoint* const endpoint = one->second;
    if (std::any_of(readings.begin(), readings.end(),
                    [&](const std::string& path) { return fits(endpoint->path, path); })) {
      return endpoint;
    }
  }
  return nullptr;
}

const LoginEndpoint* find_login_endpoint(std::string_view token_url) {
  if (!token_url.starts_with(kHttps)) {
    return nullptr;
  }
  vault::RequestIdentity identity;
  const LoginEndpoint at = endpoint_at(token_url);
  identity.authority = {at.host, 443};
  identity.target.path = at.path;
  return find_login_endpoint(identity);
}

Expected<LoginRequest> read_login(const LoginText& text) {
  Parameters parameters;
  AV_CHECK(read_body(text, parameters));
  AV_TRY(const GrantName* const grant, grant_of(parameters));
  LoginRequest out;
  out.grant = grant->means;
  const std::string_view redeemed = parameters.get(grant->parameter);
  out.mark = encoding::hex(crypto::sha256(grant->parameter, redeemed));
  const bool refresh = out.grant == LoginGrant::kRefresh;
  if (refresh && is_stand_in(redeemed)) {
    out.stand_in = redeemed;
    return out;
  }
  if (refresh) {
    AV_TRY(out.refresh_token, Secret::copy_of(redeemed));
  }
  AV_CHECK(read_client(text, parameters, out));
  out.shown = shown_of(parameters);
  return out;
}

}  // namespace av::oauth
