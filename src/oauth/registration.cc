// Dynamic client registration (RFC 7591).

#include <algorithm>
#include <nlohmann/json.hpp>

#include "oauth/answer.h"
#include "oauth/provider.h"
#include "oauth/token_request.h"

namespace av::oauth {
namespace {

using vault::ClientAuth;
using vault::OauthFlow;

std::string_view registered_name(ClientAuth auth) {
  switch (auth) {
    case ClientAuth::kPost:
      return "client_secret_post";
    case ClientAuth::kBasic:
      return "client_secret_basic";
    case ClientAuth::kNone:
      return "none";
  }
  return {};
}

bool lists(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// Without a secret that leaks nothing is lost: but then only PKCE binds a code to whoever asked.
ClientAuth wanted_auth(const Discovered& server) {
  const bool may_be_public = lists(server.auth_methods, "none") &&
                             (server.pkce_advertised || server.client.flow == OauthFlow::kDevice) &&
                             server.client.flow != OauthFlow::kClientCredentials;
  return may_be_public ? ClientAuth::kNone : server.client.auth;
}

std::string request_body(const Discovered& server, std::string_view redirect_uri) {
  nlohmann::ordered_json out = {{"client_name", "agent-vault"}};
  const OauthFlow flow = server.client.flow;
  std::vector<std::string> grants;
  if (flow == OauthFlow::kClientCredentials) {
    grants = {"client_credentials"};
  } else {
    grants = {flow == OauthFlow::kDevice ? "urn:ietf:params:oauth:grant-type:device_code"
                                         : "authorization_code"};
    if (server.grant_types.empty() || lists(server.grant_types, "refresh_token")) {
      grants.emplace_back("refresh_token");
    }
  }
  out["grant_types"] = grants;
  out["redirect_uris"] = nlohmann::ordered_json::array();
  out["response_types"] = nlohmann::ordered_json::array();
  if (flow == OauthFlow::kCode) {
    out["redirect_uris"].push_back(redirect_uri);
    out["response_types"].push_back("code");
    out["application_type"] = redirect_uri.starts_with("http://") ? "native" : "web";
  }
  out["token_endpoint_auth_method"] = registered_name(wanted_auth(server));
  if (!server.client.scopes.empty()) {
    out["scope"] = joined_scopes(server.client);
  }
  return out.dump();
}

Expected<Registration> read_registration(const JsonView& object, ClientAuth asked) {
  const auto bad = [](std::string_view what) {
    return make_error(ErrorCode::kConflict,
                      "the server registered the client without a usable " + std::string(what));
  };
  const auto printable = [](std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
  };
  Registration out;
  out.client_id = text_of(object, "client_id");
  if (out.client_id.empty() || out.client_id.size() > 512 || !printable(out.client_id)) {
    return bad("client_id");
  }
  const auto secret = object.find("client_secret");
  if (secret && !secret->is(JsonView::Kind::kNull)) {
    auto value = secret->secret();
    if (!value || value->size() > (std::size_t{4} << 10) || !value->reveal(printable)) {
      return bad("client_secret");
    }
    out.client_secret = std::move(*value);
  }
  // RFC 7591 section 3.2.1: the server may have changed what was asked for, and says so.
  const auto method = object.find("token_endpoint_auth_method");
  const auto auth = method ? vault::client_auth_from_string(method->text()) : asked;
  if (!auth) {
    return make_error(ErrorCode::kUnsupported,
                      "the server registered the client with a method of authentication that is "
                      "not known here");
  }
  out.auth = *auth;
  if (out.auth != ClientAuth::kNone && out.client_secret.empty()) {
    if (method) {
      return bad("client_secret");
    }
    out.auth = ClientAuth::kNone;
  }
  if (out.auth == ClientAuth::kNone) {
    out.client_secret = Secret();
  }
  return out;
}

}  // namespace

Expected<Registration> register_client(HttpPort& http, const Discovered& server,
                                       std::string_view redirect_uri) {
  if (server.registration_url.empty()) {
    return make_error(ErrorCode::kUnsupported, "the server registers no clients by itself",
                      "register an application there and give its client id");
  }
  AV_CHECK(vault::check_endpoint(server.registration_url, "registration_endpoint"));
  if (server.client.flow == OauthFlow::kCode) {
    AV_CHECK(vault::check_endpoint(redirect_uri, "redirect_uri"));
  }
  HttpRequest request;
  request.url = server.registration_url;
  request.content_type = "application/json";
  request.body.append(request_body(server, redirect_uri));
  AV_TRY(const HttpAnswer answer, http.send(request));
  const bool good = answer.status == 200 || answer.status == 201;
  Expected<Registration> out =
      make_error(ErrorCode::kConflict, "the server did not register the client (status " +
                                           std::to_string(answer.status) + ")");
  read_answer(answer, [&](const std::optional<JsonView>& object) {
    if (!object) {
      return;
    }
    const ErrorWords words = error_words(*object, !good);
    if (good && words.code.empty()) {
      out = read_registration(*object, wanted_auth(server));
    } else if (!words.code.empty()) {
      out = make_error(ErrorCode::kConflict,
                       "the server did not register the client: " + words.code +
                           (words.message.empty() ? "" : " (" + words.message + ")"));
    }
  });
  return out;
}

}  // namespace av::oauth
