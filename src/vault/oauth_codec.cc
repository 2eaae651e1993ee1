// An OauthClient as JSON: only what differs from the default is written, nothing unknown is read.

#include <array>

#include "vault/field_reader.h"
#include "vault/oauth.h"
#include "vault/text_tree.h"
#include "vault/tree_writer.h"

namespace av::vault {
namespace {

using Json = TextTree::Json;

struct TextMember {
  const char* name;
  std::string OauthClient::*member;
};
constexpr std::array<TextMember, 11> kTexts = {
    {{"provider", &OauthClient::provider},
     {"issuer", &OauthClient::issuer},
     {"authorization_url", &OauthClient::authorization_url},
     {"token_url", &OauthClient::token_url},
     {"device_url", &OauthClient::device_url},
     {"revocation_url", &OauthClient::revocation_url},
     {"client_id", &OauthClient::client_id},
     {"scope_separator", &OauthClient::scope_separator},
     {"subject", &OauthClient::subject},
     {"audience", &OauthClient::audience},
     {"key_id", &OauthClient::key_id}}};

struct FlagMember {
  const char* name;
  bool OauthClient::*member;
};
constexpr std::array<FlagMember, 3> kFlags = {{{"requires_iss", &OauthClient::requires_iss},
                                               {"pkce", &OauthClient::pkce},
                                               {"json_body", &OauthClient::json_body}}};

constexpr std::array<std::string_view, 20> kMembers = {
    "flow",      "provider",   "issuer",           "authorization_url",
    "token_url", "device_url", "revocation_url",   "client_id",
    "auth",      "scopes",     "scope_separator",  "requires_iss",
    "pkce",      "json_body",  "authorize_params", "token_params",
    "subject",   "audience",   "key_id",           "labels"};

// A list of pairs: the order matters to nobody, but a parameter may stand there twice.
Json params_to_tree(const OauthParams& params) {
  Json out = Json::array();
  for (const auto& [name, value] : params) {
    out.push_back(Json::array({name, value}));
  }
  return out;
}

Status read_params(const Fields& fields, std::string_view key, OauthParams& out) {
  const Json* list = fields.find(key);
  if (list == nullptr) {
    return {};
  }
  if (!list->is_array()) {
    return fields.wrong(key, "must be a list of [name, value]");
  }
  for (const Json& pair : *list) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      return fields.wrong(key, "must be a list of [name, value]");
    }
    out.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
  }
  return {};
}

}  // namespace

std::string oauth_client_to_json(const OauthClient& client) {
  const OauthClient plain;
  Json out = {{"flow", to_string(client.flow)}};
  for (const TextMember& text : kTexts) {
    if (client.*text.member != plain.*text.member) {
      out[text.name] = client.*text.member;
    }
  }
  for (const FlagMember& flag : kFlags) {
    if (client.*flag.member != plain.*flag.member) {
      out[flag.name] = client.*flag.member;
    }
  }
  out["auth"] = to_string(client.auth);
  if (!client.scopes.empty()) {
    out["scopes"] = client.scopes;
  }
  if (!client.authorize_params.empty()) {
    out["authorize_params"] = params_to_tree(client.authorize_params);
  }
  if (!client.token_params.empty()) {
    out["token_params"] = params_to_tree(client.token_params);
  }
  if (!client.labels.empty()) {
    out["labels"] = params_to_tree(client.labels);
  }
  return dump_json(out, /*pretty=*/false);
}

Expected<OauthClient> oauth_client_from_json(std::string_view json) {
  AV_TRY(const TextTree tree, parse_json_text(json));
  const Fields fields(tree, tree.root, {});
  AV_CHECK(fields.only(kMembers));
  OauthClient client;
  for (const TextMember& text : kTexts) {
    AV_CHECK(fields.text(text.name, client.*text.member));
  }
  for (const FlagMember& flag : kFlags) {
    AV_CHECK(fields.flag(flag.name, client.*flag.member));
  }
  std::string word;
  AV_CHECK(fields.required_text("flow", word));
  const auto flow = oauth_flow_from_string(word);
  if (!flow) {
    return fields.wrong("flow", "is no flow that is known");
  }
  client.flow = *flow;
  word = std::string(to_string(client.auth));
  AV_CHECK(fields.text("auth", word));
  const auto auth = client_auth_from_string(word);
  if (!auth) {
    return fields.wrong("auth", "must be post, basic or none");
  }
  client.auth = *auth;
  AV_CHECK(fields.texts("scopes", client.scopes));
  AV_CHECK(read_params(fields, "authorize_params", client.authorize_params));
  AV_CHECK(read_params(fields, "token_params", client.token_params));
  AV_CHECK(read_params(fields, "labels", client.labels));
  AV_CHECK(check_oauth_client(client));
  return client;
}

}  // namespace av::vault
