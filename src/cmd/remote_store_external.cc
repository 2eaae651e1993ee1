// The external part of RemoteStore: stores are paired and asked where they are used, at the server.

#include "cmd/remote_json.h"
#include "cmd/remote_store.h"
#include "core/encoding.h"
#include "vault/service_codec.h"

namespace av::cmd {
namespace {

using remote_json::ask;
using remote_json::done;
using remote_json::Json;
using remote_json::not_here;
using remote_json::number;
using remote_json::path;
using remote_json::tell;
using remote_json::text;
using store::Store;

constexpr std::string_view kInside = "what an external store is paired with";

Store::ExternalStoreInfo info_of(const Json& json) {
  Store::ExternalStoreInfo info;
  info.store.uid = text(json, "id");
  info.store.name = text(json, "name");
  info.store.kind = text(json, "kind");
  info.store.account = text(json, "account");
  info.store.paired_ms = remote_json::time(json, "paired");
  if (const auto settings = json.find("settings");
      settings != json.end() && settings->is_object()) {
    for (const auto& [name, value] : settings->items()) {
      info.store.settings[name] = value.is_string() ? value.get<std::string>() : "";
    }
  }
  info.vault = text(json, "vault");
  info.revision = static_cast<std::uint64_t>(number(json, "revision"));
  info.ok_ms = remote_json::time(json, "ok");
  info.error_ms = remote_json::time(json, "failed");
  info.error = text(json, "error");
  info.credentials = static_cast<std::uint64_t>(number(json, "credentials"));
  info.mappings = static_cast<std::uint64_t>(number(json, "mappings"));
  info.leases = static_cast<std::uint64_t>(number(json, "leases"));
  return info;
}

// As the server calls it; what a newer one calls otherwise counts as no answer.
source::Failure::Why why_of(std::string_view code) {
  using Why = source::Failure::Why;
  for (const Why why : {Why::kNotFound, Why::kDenied, Why::kLocked, Why::kTimeout, Why::kBusy,
                        Why::kMalformed, Why::kRefused, Why::kInvalid}) {
    if (vault::to_string(why) == code) {
      return why;
    }
  }
  return Why::kUnreachable;
}

}  // namespace

Expected<std::vector<Store::ExternalStoreInfo>> RemoteStore::list_stores(std::string_view vault) {
  AV_TRY(const auto vaults, vaults_meant(vault));
  std::vector<ExternalStoreInfo> out;
  for (const std::string& one : vaults) {
    AV_TRY(const Json json, ask(*api_, "GET", path({"vaults", one, "stores"})));
    for (const Json& item : remote_json::list(json, "stores")) {
      out.push_back(info_of(item));
    }
  }
  return out;
}

Expected<Store::ExternalStoreInfo> RemoteStore::get_store(std::string_view vault,
                                                          std::string_view name) {
  AV_TRY(const Json json, ask(*api_, "GET", path({"vaults", vault, "stores", name})));
  return info_of(json);
}

Expected<Store::OpenedStore> RemoteStore::open_store(std::string_view /*uid*/) {
  return not_here(kInside);
}

Expected<std::string> RemoteStore::pair_store(std::string_view /*vault*/,
                                              const vault::ExternalStore& /*store*/,
                                              const vault::StoreSecrets& /*secrets*/) {
  return not_here(kInside);
}

Expected<source::About> RemoteStore::pair_there(std::string_view vault,
                                                const vault::ExternalStore& store,
                                                const vault::StoreSecrets& secrets) {
  const std::string head =
      Json{{"kind", store.kind}, {"name", store.name}, {"settings", store.settings}}.dump();
  SecretBuffer body;
  body.append(std::string_view(head).substr(0, head.size() - 1));
  body.append(",\"secrets\":{");
  bool first = true;
  for (const auto& [name, value] : secrets) {
    if (!value.reveal([](std::string_view bytes) { return encoding::is_utf8(bytes); })) {
      return not_here("pairing with a secret that is no text, like " + name + ",");
    }
    body.append((first ? "\"" : ",\"") + encoding::json_escaped(name) + "\":\"");
    value.reveal([&](std::string_view bytes) { encoding::append_json_escaped(body, bytes); });
    body.push_back('"');
    first = false;
  }
  body.append("}}");
  AV_TRY(const Json json, ask(*api_, "POST", path({"vaults", vault, "stores"}), body.view()));
  const auto paired = json.find("store");
  source::About about;
  about.account = paired == json.end() ? "" : text(*paired, "account");
  about.detail = text(json, "detail");
  return about;
}

Expected<std::vector<api::StoreCheck>> RemoteStore::test_store(std::string_view vault,
                                                               std::string_view name,
                                                               std::string_view reference) {
  AV_TRY(const Json json,
         tell(*api_, "POST", path({"vaults", vault, "stores", name, "test"}),
              reference.empty() ? Json::object() : Json{{"reference", reference}}));
  std::vector<api::StoreCheck> out;
  for (const Json& item : remote_json::list(json, "checks")) {
    api::StoreCheck check{text(item, "what"), std::nullopt, text(item, "result"), std::nullopt};
    if (!remote_json::flag(item, "ok")) {
      check.failure =
          source::failure(why_of(text(item, "code")), text(item, "result"), text(item, "hint"));
    }
    out.push_back(std::move(check));
  }
  return out;
}

Expected<std::vector<source::Listed>> RemoteStore::browse_store(std::string_view vault,
                                                                std::string_view name,
                                                                std::string_view reference) {
  AV_TRY(const Json json, tell(*api_, "POST", path({"vaults", vault, "stores", name, "browse"}),
                               Json{{"reference", reference}}));
  std::vector<source::Listed> out;
  for (const Json& item : remote_json::list(json, "items")) {
    out.push_back({text(item, "reference"), text(item, "title"), remote_json::texts(item, "hosts"),
                   remote_json::flag(item, "folder")});
  }
  return out;
}

Expected<Secret> RemoteStore::read_credential(std::string_view vault, std::string_view store,
                                              std::string_view key) {
  return read_from(vault, store, Json{{"key", key}}.dump());
}

Expected<Secret> RemoteStore::read_reference(std::string_view vault, std::string_view store,
                                             std::string_view reference) {
  return read_from(vault, store, Json{{"reference", reference}}.dump());
}

Expected<Secret> RemoteStore::read_from(std::string_view vault, std::string_view store,
                                        const std::string& body) {
  AV_TRY(const HttpReply reply,
         api_->exchange("POST", path({"vaults", vault, "stores", store, "read"}), body));
  AV_TRY(const vault::JsonDocument document, vault::JsonDocument::parse(reply.body.view()));
  return value_in(document.root());
}

Status RemoteStore::keep_store(std::string_view /*uid*/, const vault::StoreSecrets& /*secrets*/) {
  return not_here(kInside);
}

Status RemoteStore::note_store(std::string_view /*uid*/, std::string_view /*error*/) {
  return not_here(kInside);
}

Status RemoteStore::note_missing(const vault::SourceRef& /*ref*/, std::string_view /*host*/,
                                 bool /*missing*/) {
  return not_here(kInside);
}

Expected<std::string> RemoteStore::add_lease(std::string_view /*store_uid*/,
                                             std::string_view /*id*/, std::int64_t /*owner*/,
                                             std::int64_t /*ends_ms*/) {
  return not_here(kInside);
}

Status RemoteStore::extend_lease(std::string_view /*uid*/, std::int64_t /*ends_ms*/) {
  return not_here(kInside);
}

Status RemoteStore::remove_lease(std::string_view /*uid*/) {
  return not_here(kInside);
}

Expected<bool> RemoteStore::adopt_lease(std::string_view /*uid*/, std::int64_t /*from*/,
                                        std::int64_t /*to*/, std::int64_t /*retry_ms*/) {
  return not_here(kInside);
}

Expected<std::vector<RemoteStore::LeaseInfo>> RemoteStore::list_leases(
    std::string_view /*store_uid*/) {
  return not_here(kInside);
}

Expected<std::string> RemoteStore::open_lease(std::string_view /*uid*/) {
  return not_here(kInside);
}

Expected<std::string> RemoteStore::unpair_store(std::string_view vault, std::string_view name) {
  AV_TRY(const Json json, ask(*api_, "DELETE", path({"vaults", vault, "stores", name})));
  const std::string told = text(json, "told");
  return told == "yes" ? std::string() : told.substr(told.starts_with("no: ") ? 4 : 0);
}

Status RemoteStore::remove_store(std::string_view vault, std::string_view name) {
  AV_TRY(const std::string told, unpair_store(vault, name));
  return {};
}

Expected<bool> RemoteStore::set_source(std::string_view vault, std::string_view key,
                                       const Source& source) {
  AV_TRY(const Json json, tell(*api_, "POST", "/v1/credentials/source",
                               Json{{"vault", vault},
                                    {"key", key},
                                    {"reference", source.reference},
                                    {"store", source.store}}));
  return remote_json::flag(json, "created");
}

// Where each is kept; which part of what, the server knows.
Expected<std::vector<Store::SourceInfo>> RemoteStore::list_sources(std::string_view vault) {
  AV_TRY(const Json json, ask(*api_, "GET", "/v1/credentials?vault=" + encoding::percent(vault)));
  std::vector<SourceInfo> out;
  for (const Json& item : remote_json::list(json, "credentials")) {
    if (text(item, "type") == "external") {
      out.push_back({text(item, "key"),
                     text(item, "store"),
                     text(item, "reference"),
                     {},
                     remote_json::time(item, "missing_since")});
    }
  }
  return out;
}

Status RemoteStore::put_mapping(std::string_view vault, const vault::HostMapping& mapping) {
  const Json service = Json::parse(vault::mapping_to_json(mapping.service), nullptr,
                                   /*allow_exceptions=*/false);
  return done(tell(*api_, "POST", path({"vaults", vault, "mappings"}),
                   Json{{"host", mapping.service.host},
                        {"reference", mapping.reference},
                        {"store", mapping.store},
                        {"auth", service.value("auth", Json())}}));
}

Status RemoteStore::remove_mapping(std::string_view vault, std::string_view host,
                                   std::string_view store) {
  return done(ask(*api_, "DELETE",
                  path({"vaults", vault, "mappings", host}) +
                      (store.empty() ? "" : "?store=" + encoding::percent(store))));
}

Expected<std::vector<vault::HostMapping>> RemoteStore::list_mappings(std::string_view vault) {
  AV_TRY(const Json json, ask(*api_, "GET", path({"vaults", vault, "mappings"})));
  std::vector<vault::HostMapping> out;
  for (const Json& item : remote_json::list(json, "mappings")) {
    vault::HostMapping mapping;
    mapping.store = text(item, "store");
    mapping.reference = text(item, "reference");
    mapping.missing_ms = remote_json::time(item, "missing_since");
    AV_TRY(mapping.service, vault::mapping_from_json(item.value("service", Json()).dump()));
    out.push_back(std::move(mapping));
  }
  return out;
}

}  // namespace av::cmd
