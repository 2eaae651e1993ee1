// Where a server's endpoints are, by what it says itself: RFC 8414, OpenID Connect Discovery, RFC
// 9728. Whoever answers could be anybody: the name that was asked for must be the name in the
// answer.

#include <algorithm>

#include "core/ascii.h"
#include "oauth/answer.h"
#include "oauth/challenge.h"
#include "oauth/mix_up.h"
#include "oauth/provider.h"

namespace av::oauth {
namespace {

constexpr std::size_t kMostListed = 200;

struct Place {
  std::string origin;  // "https://host:port"
  std::string path;    // "" or "/..." without "/" at its end
  std::string query;   // "" or "?..."
};

Place place_of(std::string_view url) {
  const std::size_t authority = url.find("://") + 3;
  const std::size_t end = std::min(url.find_first_of("/?", authority), url.size());
  const std::size_t mark = std::min(url.find('?'), url.size());
  Place out;
  out.origin = ascii::lower(url.substr(0, end));
  out.path = url.substr(end, mark - end);
  out.query = url.substr(mark);
  while (out.path.ends_with('/')) {
    out.path.pop_back();
  }
  return out;
}

bool same_place(std::string_view a, std::string_view b) {
  const Place one = place_of(a);
  const Place other = place_of(b);
  return one.origin == other.origin && one.path == other.path && one.query == other.query;
}

// RFC 8414 section 3.1, RFC 9728 section 3.1: between host and path.
std::string inserted(const Place& place, std::string_view name) {
  return place.origin + "/.well-known/" + std::string(name) + place.path + place.query;
}

Error not_ours(std::string message, std::string hint = {}) {
  return make_error(ErrorCode::kNotPermitted, std::move(message), std::move(hint));
}

Expected<HttpAnswer> get(HttpPort& http, std::string url) {
  HttpRequest request;
  request.method = "GET";
  request.url = std::move(url);
  return http.send(request);
}

std::vector<std::string> list_of(const JsonView& object, std::string_view name) {
  std::vector<std::string> out;
  const auto found = object.find(name);
  for (const JsonView& one : found ? found->children() : std::vector<JsonView>()) {
    std::string text = one.text();
    const bool good =
        !text.empty() && text.size() <= 512 && std::all_of(text.begin(), text.end(), [](char c) {
          return c > ' ' && c < '\x7f' && c != '"' && c != '\\';
        });
    if (good && out.size() < kMostListed) {
      out.push_back(std::move(text));
    }
  }
  return out;
}

bool lists(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

class Discovery {
 public:
  Discovery(HttpPort& http, std::string_view url)
      : http_(http), url_(url), local_(url.starts_with("http://")) {}

  Expected<Discovered> run() {
    AV_CHECK(vault::check_endpoint(url_, "the address"));
    const auto first = get(http_, url_);
    // An issuer's own page may be too long to be read, which says nothing of its metadata.
    if (!first && first.error().code != ErrorCode::kInvalid) {
      return first.error();
    }
    const bool is_protected = first && first->status == 401;
    const BearerChallenge challenge =
        is_protected ? bearer_challenge(first->www_authenticate) : BearerChallenge();
    AV_TRY(const bool is_resource, find_resource(challenge, is_protected));
    if (is_resource) {
      AV_TRY(const bool found, read_issuer(issuer_));
      return found ? finish(challenge) : Expected<Discovered>(nothing_at(issuer_));
    }
    AV_TRY(bool found, read_issuer(url_));
    const Place place = place_of(url_);
    if (!found && is_protected && !(place.path + place.query).empty()) {
      // MCP servers before RFC 9728: the server that guards a resource is its own origin.
      AV_TRY(found, read_issuer(place.origin));
    }
    return found ? finish(challenge) : Expected<Discovered>(nothing_at(url_));
  }

  Expected<Discovered> run_issuer() {
    AV_CHECK(vault::check_endpoint(url_, "the issuer"));
    AV_TRY(const bool found, read_issuer(url_));
    return found ? finish(BearerChallenge()) : Expected<Discovered>(nothing_at(url_));
  }

 private:
  static Error nothing_at(std::string_view url) {
    return make_error(ErrorCode::kNotFound,
                      std::string(url) + " says nothing about its OAuth endpoints",
                      "give them by their URLs");
  }

  // kNotPermitted for what leads away from https.
  Status check(std::string_view url, std::string_view name) const {
    const auto good = vault::check_endpoint(url, name);
    if (!good || (!local_ && !url.starts_with("https://"))) {
      return not_ours("the metadata's " + std::string(name) + " is no usable https:// URL");
    }
    return {};
  }

  Expected<bool> find_resource(const BearerChallenge& challenge, bool is_protected) {
    if (!challenge.resource_metadata.empty()) {
      AV_CHECK(check(challenge.resource_metadata, "resource_metadata"));
      AV_TRY(const bool found, read_resource(challenge.resource_metadata, url_));
      return found ? Expected<bool>(true) : nothing_at(challenge.resource_metadata);
    }
    const Place place = place_of(url_);
    AV_TRY(bool found, read_resource(inserted(place, "oauth-protected-resource"), url_));
    if (!found && is_protected && !(place.path + place.query).empty()) {
      const Place root{place.origin, "", ""};
      AV_TRY(found, read_resource(inserted(root, "oauth-protected-resource"), place.origin));
    }
    return found;
  }

  // RFC 9728 section 3.3: the `resource` must be the one asked for. Some name the part of their own
  // origin that it belongs to.
  static bool covers(std::string_view resource, std::string_view asked) {
    const Place whole = place_of(resource);
    const Place part = place_of(asked);
    return same_place(resource, asked) ||
           (whole.origin == part.origin && whole.query.empty() &&
            (whole.path.empty() || part.path.starts_with(whole.path + "/")));
  }

  Expected<bool> read_resource(std::string from, std::string_view asked) {
    AV_TRY(const HttpAnswer answer, get(http_, std::move(from)));
    Expected<bool> out = false;
    if (answer.status != 200 || !says_json(answer)) {
      return out;
    }
    read_answer(answer, [&](const std::optional<JsonView>& object) {
      if (object && object->find("resource")) {
        out = take_resource(*object, asked);
      }
    });
    return out;
  }

  Expected<bool> take_resource(const JsonView& object, std::string_view asked) {
    const std::string resource = text_of(object, "resource");
    AV_CHECK(check(resource, "resource"));
    if (!covers(resource, asked)) {
      return not_ours("the metadata is about another resource than the one that was asked for");
    }
    const std::vector<std::string> servers = list_of(object, "authorization_servers");
    issuer_ = servers.empty() ? place_of(asked).origin : servers.front();
    AV_CHECK(check(issuer_, "authorization_servers"));
    out_.resource = resource;
    resource_scopes_ = list_of(object, "scopes_supported");
    return true;
  }

  Expected<bool> read_issuer(const std::string& issuer) {
    const Place place = place_of(issuer);
    if (!place.query.empty()) {
      return false;  // RFC 8414 section 2: an issuer has no query
    }
    std::vector<std::string> from = {inserted(place, "oauth-authorization-server"),
                                     inserted(place, "openid-configuration")};
    if (!place.path.empty()) {
      // OpenID Connect Discovery section 4: behind the path.
      from.push_back(place.origin + place.path + "/.well-known/openid-configuration");
    }
    for (const std::string& url : from) {
      AV_TRY(const HttpAnswer answer, get(http_, url));
      Expected<bool> found = false;
      if (answer.status == 200 && says_json(answer)) {
        read_answer(answer, [&](const std::optional<JsonView>& object) {
          if (object && object->find("issuer")) {
            found = take_issuer(*object, issuer);
          }
        });
      }
      if (!found || *found) {
        return found;
      }
    }
    return false;
  }

  Expected<bool> take_issuer(const JsonView& object, std::string_view asked) {
    vault::OauthClient& client = out_.client;
    client.issuer = text_of(object, "issuer");
    AV_CHECK(check(client.issuer, "issuer"));
    if (!same_place(client.issuer, asked)) {
      return not_ours("the metadata is of another issuer than the one that was asked for",
                      "ask for that one if you trust it: " + client.issuer);
    }
    AV_CHECK(endpoint(object, "authorization_endpoint", client.authorization_url));
    AV_CHECK(endpoint(object, "token_endpoint", client.token_url));
    AV_CHECK(endpoint(object, "device_authorization_endpoint", client.device_url));
    AV_CHECK(endpoint(object, "revocation_endpoint", client.revocation_url));
    AV_CHECK(endpoint(object, "registration_endpoint", out_.registration_url));
    AV_CHECK(endpoint(object, "jwks_uri", out_.jwks_url));
    if (client.token_url.empty()) {
      return not_ours("the metadata has no token_endpoint");
    }
    AV_CHECK(check_not_mixed_up(client.authorization_url, client.token_url));
    const auto iss = object.find("authorization_response_iss_parameter_supported");
    client.requires_iss = iss && iss->boolean() == true;
    const auto methods = object.find("code_challenge_methods_supported");
    out_.pkce_advertised = lists(list_of(object, "code_challenge_methods_supported"), "S256");
    client.pkce = out_.pkce_advertised || !methods;
    out_.scopes_supported = list_of(object, "scopes_supported");
    out_.auth_methods = list_of(object, "token_endpoint_auth_methods_supported");
    out_.grant_types = list_of(object, "grant_types_supported");
    AV_CHECK(choose_auth());
    return true;
  }

  Status endpoint(const JsonView& object, std::string_view name, std::string& out) const {
    const auto found = object.find(name);
    if (!found || found->is(JsonView::Kind::kNull)) {
      return {};
    }
    out = found->text();
    return check(out, name);
  }

  // RFC 8414 section 2: "If omitted, the default is client_secret_basic".
  Status choose_auth() {
    const std::vector<std::string>& all = out_.auth_methods;
    using vault::ClientAuth;
    if (all.empty() || lists(all, "client_secret_basic")) {
      out_.client.auth = ClientAuth::kBasic;
    } else if (lists(all, "client_secret_post")) {
      out_.client.auth = ClientAuth::kPost;
    } else if (lists(all, "none")) {
      out_.client.auth = ClientAuth::kNone;
    } else {
      return make_error(ErrorCode::kUnsupported,
                        "the server knows clients neither by a secret nor as public");
    }
    return {};
  }

  Expected<Discovered> finish(const BearerChallenge& challenge) {
    vault::OauthClient& client = out_.client;
    using vault::OauthFlow;
    client.flow = !client.authorization_url.empty() ? OauthFlow::kCode
                  : !client.device_url.empty()      ? OauthFlow::kDevice
                                                    : OauthFlow::kClientCredentials;
    if (!out_.resource.empty()) {
      // RFC 8707, at both endpoints: the token is for nobody else.
      client.authorize_params.emplace_back("resource", out_.resource);
      client.token_params.emplace_back("resource", out_.resource);
      client.scopes = resource_scopes_;
    }
    const std::vector<std::string_view> asked = ascii::words(challenge.scope, " ");
    if (!asked.empty()) {
      client.scopes.assign(asked.begin(), asked.end());
    }
    vault::OauthClient whole = client;
    whole.client_id = "checked";
    if (const auto good = vault::check_oauth_client(whole); !good) {
      return not_ours("the metadata is unusable: " + good.error().message);
    }
    return std::move(out_);
  }

  HttpPort& http_;
  const std::string url_;
  const bool local_;  // tried out on this machine: so may its endpoints be
  std::string issuer_;
  std::vector<std::string> resource_scopes_;
  Discovered out_;
};

}  // namespace

Expected<Discovered> discover(HttpPort& http, std::string_view url) {
  return Discovery(http, url).run();
}

Expected<Discovered> discover_issuer(HttpPort& http, std::string_view issuer) {
  return Discovery(http, issuer).run_issuer();
}

}  // namespace av::oauth
