#include "oauth/provider.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "oauth/providers_toml.h"
#include "vault/field_reader.h"
#include "vault/names.h"
#include "vault/text_tree.h"

namespace av::oauth {
namespace {

using vault::Fields;
using vault::TextTree;
using Json = TextTree::Json;

constexpr std::array<std::string_view, 23> kMembers = {"id",
                                                       "title",
                                                       "register_url",
                                                       "authorization_url",
                                                       "token_url",
                                                       "device_url",
                                                       "revocation_url",
                                                       "issuer",
                                                       "auth",
                                                       "scopes",
                                                       "scope_separator",
                                                       "pkce",
                                                       "json_body",
                                                       "authorize_params",
                                                       "token_params",
                                                       "suggested_scopes",
                                                       "hosts",
                                                       "note",
                                                       "device_needs_secret",
                                                       "revoke",
                                                       "requires_iss",
                                                       "token_aliases",
                                                       "aliases"};

// { access_type = "offline", prompt = "consent" }
Status read_params(const Fields& fields, std::string_view key, vault::OauthParams& out) {
  const Json* table = fields.find(key);
  if (table == nullptr) {
    return {};
  }
  if (!table->is_object()) {
    return fields.wrong(key, "must be a table of strings");
  }
  for (const auto& [name, value] : table->items()) {
    if (!value.is_string()) {
      return fields.wrong(key, "must be a table of strings");
    }
    out.emplace_back(name, value.get<std::string>());
  }
  return {};
}

// { "repo" = "what it allows" }
Status read_hints(const Fields& fields, std::vector<ScopeHint>& out) {
  vault::OauthParams pairs;
  AV_CHECK(read_params(fields, "suggested_scopes", pairs));
  for (auto& [scope, meaning] : pairs) {
    out.push_back({std::move(scope), std::move(meaning)});
  }
  return {};
}

Status read_words(const Fields& fields, Provider& out) {
  std::string word = std::string(vault::to_string(out.client.auth));
  AV_CHECK(fields.text("auth", word));
  const auto auth = vault::client_auth_from_string(word);
  if (!auth) {
    return fields.wrong("auth", "must be post, basic or none");
  }
  out.client.auth = *auth;
  word = "token";
  AV_CHECK(fields.text("revoke", word));
  constexpr std::array<std::pair<std::string_view, RevokeStyle>, 4> kStyles = {
      {{"token", RevokeStyle::kToken},
       {"access_token", RevokeStyle::kAccessToken},
       {"bearer", RevokeStyle::kBearer},
       {"github", RevokeStyle::kGithub}}};
  const auto* const style = std::find_if(kStyles.begin(), kStyles.end(),
                                         [&](const auto& one) { return one.first == word; });
  if (style == kStyles.end()) {
    return fields.wrong("revoke", "must be token, access_token, bearer or github");
  }
  out.revoke = style->second;
  return {};
}

Expected<Provider> read_provider(const TextTree& tree, const Json& node, const std::string& path) {
  const Fields fields(tree, node, path);
  AV_CHECK(fields.only(kMembers));
  Provider out;
  vault::OauthClient& client = out.client;
  AV_CHECK(fields.required_text("id", out.id));
  AV_CHECK(fields.required_text("title", out.title));
  AV_CHECK(fields.required_text("register_url", out.register_url));
  AV_CHECK(fields.required_text("authorization_url", client.authorization_url));
  AV_CHECK(fields.required_text("token_url", client.token_url));
  AV_CHECK(fields.text("device_url", client.device_url));
  AV_CHECK(fields.text("revocation_url", client.revocation_url));
  AV_CHECK(fields.text("issuer", client.issuer));
  AV_CHECK(fields.texts("scopes", client.scopes));
  AV_CHECK(fields.text("scope_separator", client.scope_separator));
  AV_CHECK(fields.flag("pkce", client.pkce));
  AV_CHECK(fields.flag("json_body", client.json_body));
  AV_CHECK(fields.flag("requires_iss", client.requires_iss));
  AV_CHECK(read_params(fields, "authorize_params", client.authorize_params));
  AV_CHECK(read_params(fields, "token_params", client.token_params));
  AV_CHECK(read_hints(fields, out.suggested_scopes));
  AV_CHECK(fields.texts("hosts", out.hosts));
  AV_CHECK(fields.texts("token_aliases", out.token_aliases));
  AV_CHECK(fields.texts("aliases", out.aliases));
  AV_CHECK(fields.text("note", out.note));
  AV_CHECK(fields.flag("device_needs_secret", out.device_needs_secret));
  AV_CHECK(read_words(fields, out));
  client.provider = out.id;
  return out;
}

Expected<std::vector<Provider>> read_providers() {
  AV_TRY(const TextTree tree, vault::parse_toml_text(providers_toml()));
  std::vector<Provider> out;
  const Json& list = tree.root.at("provider");
  const std::string path = TextTree::member({}, "provider");
  for (std::size_t i = 0; i < list.size(); ++i) {
    AV_TRY(Provider provider, read_provider(tree, list[i], TextTree::element(path, i)));
    out.push_back(std::move(provider));
  }
  return out;
}

}  // namespace

const std::vector<Provider>& providers() {
  static const std::vector<Provider> table = [] {
    auto read = read_providers();
    if (!read) {
      // The table is part of the program; a test reads all of it.
      std::fprintf(stderr, "agent-vault: providers.toml: %s\n", read.error().message.c_str());
      std::abort();
    }
    return std::move(*read);
  }();
  return table;
}

std::string nearest_provider(std::string_view id) {
  std::vector<std::string> known;
  for (const Provider& candidate : providers()) {
    known.push_back(candidate.id);
  }
  return vault::did_you_mean(id, known);
}

const Provider* find_provider(std::string_view id) {
  const auto& table = providers();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Provider& one) { return one.id == id; });
  return found == table.end() ? nullptr : &*found;
}

const Provider* provider_of_token_url(std::string_view token_url) {
  const auto& table = providers();
  const auto found = std::find_if(table.begin(), table.end(), [&](const Provider& one) {
    return one.client.token_url == token_url;
  });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace av::oauth
