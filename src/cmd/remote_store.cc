#include "cmd/remote_store.h"

#include <algorithm>

#include "api/json_view.h"
#include "cmd/remote_json.h"
#include "vault/names.h"
#include "vault/rule_codec.h"
#include "vault/service_codec.h"

namespace av::cmd {
namespace {

using remote_json::ask;
using remote_json::done;
using remote_json::Json;
using remote_json::not_here;
using remote_json::path;
using remote_json::tell;
using remote_json::text;
using store::Store;

std::string in_vault(std::string_view target, std::string_view vault) {
  return std::string(target) + "?vault=" + encoding::percent(vault);
}

// {"services":[...]} of what `to_json` makes of each.
template <typename T>
std::string body_of(const char* name, const std::vector<T>& items,
                    std::string (*to_json)(const T&, bool)) {
  std::string out = std::string("{\"") + name + "\":[";
  for (const T& item : items) {
    out += (out.ends_with('[') ? "" : ",") + to_json(item, false);
  }
  return out + "]}";
}

store::CredentialInfo credential_of(const Json& json) {
  store::CredentialInfo info;
  info.key = text(json, "key");
  info.type = text(json, "type");
  info.store = text(json, "store");
  info.reference = text(json, "reference");
  info.version = static_cast<std::uint64_t>(remote_json::number(json, "version"));
  info.created_ms = remote_json::time(json, "created_at");
  info.updated_ms = remote_json::time(json, "updated_at");
  return info;
}

Error no_credential(std::string_view key, std::span<const std::string> known) {
  const std::string near = vault::did_you_mean(key, known);
  return make_error(
      ErrorCode::kNotFound, "no credential named '" + std::string(key) + "'",
      near.empty() ? "see: agent-vault vault credential list" : "did you mean '" + near + "'?");
}

}  // namespace

RemoteStore::RemoteStore(ApiClient api)
    : api_(std::make_shared<ApiClient>(std::move(api))), people_(api_) {}

Expected<bool> RemoteStore::is_person() {
  const auto json = ask(*api_, "GET", "/v1/auth/me");
  if (!json && json.error().code == ErrorCode::kNetwork) {
    return json.error();
  }
  return json && text(*json, "type") == "user";
}

Expected<std::unique_ptr<Store>> RemoteStore::another() {
  return not_here("a second connection to the store");
}

// -- vaults

Expected<std::vector<store::VaultInfo>> RemoteStore::list_vaults() {
  AV_TRY(const Json json, ask(*api_, "GET", "/v1/vaults"));
  std::vector<store::VaultInfo> vaults;
  for (const Json& item : remote_json::list(json, "vaults")) {
    store::VaultInfo info;
    info.name = text(item, "name");
    info.uid = text(item, "id");
    info.unmatched = vault::unmatched_from_string(text(item, "unmatched_host_policy"))
                         .value_or(vault::UnmatchedPolicy::kPassthrough);
    info.created_ms = remote_json::time(item, "created_at");
    info.credentials = static_cast<std::uint64_t>(remote_json::number(item, "credentials"));
    info.services = static_cast<std::uint64_t>(remote_json::number(item, "services"));
    vaults.push_back(std::move(info));
  }
  return vaults;
}

Expected<store::VaultInfo> RemoteStore::get_vault(std::string_view name) {
  AV_CHECK(vault::check_slug("vault", name));
  AV_TRY(const auto vaults, list_vaults());
  std::vector<std::string> names;
  for (const store::VaultInfo& info : vaults) {
    if (info.name == name) {
      return info;
    }
    names.push_back(info.name);
  }
  const std::string near = vault::did_you_mean(name, names);
  return make_error(ErrorCode::kNotFound, "no vault named '" + std::string(name) + "'",
                    near.empty() ? "see: agent-vault vault list" : "did you mean '" + near + "'?");
}

Status RemoteStore::create_vault(std::string_view name) {
  return done(tell(*api_, "POST", "/v1/vaults", Json{{"name", name}}));
}

Status RemoteStore::rename_vault(std::string_view from, std::string_view to) {
  return done(tell(*api_, "POST", path({"vaults", from, "rename"}), Json{{"name", to}}));
}

Status RemoteStore::delete_vault(std::string_view name) {
  return done(ask(*api_, "DELETE", path({"vaults", name})));
}

Status RemoteStore::set_unmatched(std::string_view vault, vault::UnmatchedPolicy policy) {
  return done(tell(*api_, "PATCH", path({"vaults", vault, "settings"}),
                   Json{{"unmatched_host_policy", vault::to_string(policy)}}));
}

Expected<std::string> RemoteStore::current_vault() {
  AV_TRY(const auto vaults, list_vaults());
  return vaults.size() == 1 ? vaults.front().name : std::string();
}

Status RemoteStore::use_vault(std::string_view name) {
  return not_here("the saved choice of a vault", "export AGENT_VAULT_VAULT=" + std::string(name) +
                                                     ", or put it into the project: "
                                                     "agent-vault.json");
}

Expected<std::vector<std::string>> RemoteStore::vaults_meant(std::string_view vault) {
  std::vector<std::string> names;
  if (!vault.empty()) {
    names.emplace_back(vault);
    return names;
  }
  AV_TRY(const auto vaults, list_vaults());
  for (const store::VaultInfo& info : vaults) {
    names.push_back(info.name);
  }
  return names;
}

// -- credentials

Expected<std::vector<bool>> RemoteStore::set_credentials(std::string_view vault,
                                                         const std::vector<NewValue>& values,
                                                         std::string_view /*origin*/) {
  AV_TRY(const auto before, list_credentials(vault));
  SecretBuffer body;
  body.append("{\"credentials\":{");
  std::vector<bool> fresh;
  for (const NewValue& value : values) {
    const bool is_text =
        value.value.reveal([](std::string_view bytes) { return encoding::is_utf8(bytes); });
    if (!is_text) {
      return not_here("storing a value that is no text, like that of " + value.key + ",");
    }
    body.append((fresh.empty() ? "\"" : ",\"") + encoding::json_escaped(value.key) + "\":\"");
    value.value.reveal([&](std::string_view bytes) { encoding::append_json_escaped(body, bytes); });
    body.push_back('"');
    fresh.push_back(std::none_of(before.begin(), before.end(),
                                 [&](const auto& info) { return info.key == value.key; }));
  }
  body.append("}}");
  AV_CHECK(done(ask(*api_, "POST", in_vault("/v1/credentials", vault), body.view())));
  return fresh;
}

Expected<std::vector<store::CredentialInfo>> RemoteStore::list_credentials(std::string_view vault) {
  AV_TRY(const Json json, ask(*api_, "GET", in_vault("/v1/credentials", vault)));
  std::vector<store::CredentialInfo> out;
  for (const Json& item : remote_json::list(json, "credentials")) {
    out.push_back(credential_of(item));
  }
  return out;
}

Expected<Secret> RemoteStore::get_credential(std::string_view vault, std::string_view key) {
  AV_CHECK(vault::check_credential_key(key));
  AV_TRY(const HttpReply reply,
         api_->exchange("GET", in_vault("/v1/credentials", vault) +
                                   "&reveal=true&key=" + encoding::percent(key)));
  AV_TRY(const api::JsonDocument document, api::JsonDocument::parse(reply.body.view()));
  const auto list = document.root().find("credentials");
  for (const api::JsonView& item : list ? list->children() : std::vector<api::JsonView>()) {
    auto value = value_in(item);
    if (value || value.error().code != ErrorCode::kNotFound) {
      return value;
    }
  }
  AV_TRY(const auto known, list_credentials(vault));
  std::vector<std::string> names;
  for (const store::CredentialInfo& info : known) {
    if (info.key == key && info.type == "external") {
      return make_error(ErrorCode::kInvalid,
                        "the value of " + info.key + " is kept in the external store '" +
                            info.store + "', not here",
                        "agent-vault vault store read " + info.key);
    }
    names.push_back(info.key);
  }
  return no_credential(key, names);
}

Expected<Secret> RemoteStore::value_in(const vault::JsonView& item) {
  if (const auto value = item.find("value")) {
    return value->secret();
  }
  const auto encoded = item.find("value_base64");
  if (!encoded) {
    return make_error(ErrorCode::kNotFound, "the answer of agent-vault has no value");
  }
  AV_TRY(const Secret letters, encoded->secret());
  AV_TRY(Secret value, Secret::with_size(encoding::base64_decoded_bound(letters.size())));
  const auto size = letters.reveal(
      [&](std::string_view bytes) { return encoding::from_base64(bytes, value.writable()); });
  if (!size) {
    return make_error(ErrorCode::kNetwork, "the answer of agent-vault is damaged");
  }
  value.truncate(*size);
  return value;
}

Status RemoteStore::delete_credentials(std::string_view vault,
                                       const std::vector<std::string>& keys) {
  return done(tell(*api_, "DELETE", in_vault("/v1/credentials", vault), Json{{"keys", keys}}));
}

Expected<std::vector<store::CredentialVersion>> RemoteStore::credential_history(
    std::string_view /*vault*/, std::string_view /*key*/) {
  return not_here("the history of a credential");
}

Expected<std::uint64_t> RemoteStore::rollback_credential(std::string_view /*vault*/,
                                                         std::string_view /*key*/,
                                                         std::uint64_t /*to*/) {
  return not_here("going back to an older value");
}

// -- services

Expected<std::vector<vault::Service>> RemoteStore::list_services(std::string_view vault) {
  AV_TRY(const Json json, ask(*api_, "GET", path({"vaults", vault, "services"})));
  std::vector<vault::Service> services;
  for (const Json& item : remote_json::list(json, "services")) {
    AV_TRY(vault::Service service, vault::service_from_json(item.dump()));
    services.push_back(std::move(service));
  }
  return services;
}

Status RemoteStore::put_services(std::string_view vault,
                                 const std::vector<vault::Service>& services) {
  const std::string body = body_of("services", services, vault::service_to_json);
  return done(ask(*api_, "POST", path({"vaults", vault, "services"}), body));
}

Status RemoteStore::replace_services(std::string_view vault,
                                     const std::vector<vault::Service>& services) {
  const std::string body = body_of("services", services, vault::service_to_json);
  return done(ask(*api_, "PUT", path({"vaults", vault, "services"}), body));
}

Status RemoteStore::remove_service(std::string_view vault, std::string_view name) {
  return done(ask(*api_, "DELETE", path({"vaults", vault, "services", name})));
}

Status RemoteStore::enable_service(std::string_view vault, std::string_view name, bool enabled) {
  return done(
      tell(*api_, "PATCH", path({"vaults", vault, "services", name}), Json{{"enabled", enabled}}));
}

// -- rules

Expected<std::vector<vault::Rule>> RemoteStore::list_rules(std::string_view vault) {
  AV_TRY(const Json json, ask(*api_, "GET", path({"vaults", vault, "rules"})));
  std::vector<vault::Rule> rules;
  for (const Json& item : remote_json::list(json, "rules")) {
    AV_TRY(vault::Rule rule, vault::rule_from_json(item.dump()));
    rules.push_back(std::move(rule));
  }
  return rules;
}

Status RemoteStore::put_rules(std::string_view vault, const std::vector<vault::Rule>& rules) {
  const std::string body = body_of("rules", rules, vault::rule_to_json);
  return done(ask(*api_, "POST", path({"vaults", vault, "rules"}), body));
}

Status RemoteStore::replace_rules(std::string_view vault, const std::vector<vault::Rule>& rules) {
  const std::string body = body_of("rules", rules, vault::rule_to_json);
  return done(ask(*api_, "PUT", path({"vaults", vault, "rules"}), body));
}

Status RemoteStore::remove_rules(std::string_view vault, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    AV_CHECK(done(ask(*api_, "DELETE", path({"vaults", vault, "rules", name}))));
  }
  return {};
}

Status RemoteStore::enable_rule(std::string_view vault, std::string_view name, bool enabled) {
  return done(
      tell(*api_, "PATCH", path({"vaults", vault, "rules", name}), Json{{"enabled", enabled}}));
}

// -- what policy is made of

Expected<vault::SnapshotPtr> RemoteStore::load_snapshot(std::string_view vault) {
  auto snapshot = std::make_shared<vault::PolicySnapshot>();
  snapshot->vault_name = vault;
  AV_TRY(const Json settings, ask(*api_, "GET", path({"vaults", vault, "settings"})));
  snapshot->unmatched = vault::unmatched_from_string(text(settings, "unmatched_host_policy"))
                            .value_or(vault::UnmatchedPolicy::kDeny);
  AV_TRY(auto services, list_services(vault));
  snapshot->set_services(std::move(services));
  AV_TRY(const auto credentials, list_credentials(vault));
  for (const store::CredentialInfo& info : credentials) {
    vault::SealedCredential sealed;
    sealed.key = info.key;
    sealed.version = info.version;
    snapshot->credentials.emplace(info.key, std::move(sealed));
  }
  // Not for agents.
  if (auto rules = list_rules(vault)) {
    snapshot->set_rules(std::move(*rules));
  }
  if (auto agents = list_agents()) {
    for (vault::Agent& agent : *agents) {
      if (agent.revoked_ms == 0 && agent.may_use_vault(vault)) {
        std::string name = agent.name;
        snapshot->agents.emplace(std::move(name), std::move(agent));
      }
    }
  }
  return vault::SnapshotPtr(std::move(snapshot));
}

Expected<std::uint64_t> RemoteStore::change_counter() {
  return not_here("whether something has changed");
}

// -- what belongs to the machine of the store

Expected<std::optional<Store::Item>> RemoteStore::get_item(std::string_view /*name*/) {
  return not_here("the key of the authority");
}

Status RemoteStore::put_item(std::string_view /*name*/, const Item& /*item*/) {
  return not_here("the key of the authority");
}

Expected<store::KeyStatus> RemoteStore::key_status() {
  return not_here("the key of the store");
}

Status RemoteStore::set_passphrase(const Secret& /*passphrase*/) {
  return not_here("the key of the store");
}

Status RemoteStore::protect_key(const vault::KekSource& /*source*/,
                                const vault::Keyholder& /*holder*/) {
  return not_here("the key of the store");
}

Expected<store::OpenKek> RemoteStore::open_kek() {
  return not_here("the key of the store");
}

Status RemoteStore::remove_passphrase() {
  return not_here("the key of the store");
}

Status RemoteStore::rotate_key(
    const std::function<void(std::uint64_t, std::uint64_t)>& /*progress*/) {
  return not_here("the key of the store");
}

}  // namespace av::cmd
