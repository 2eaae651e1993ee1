// External stores of a vault: which kinds there are, which are paired and how they do, pairing and
// its end. What is asked of them is in store_ask_routes.cc, what refers to them in
// reference_routes.cc.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "api/route.h"
#include "api/store_ask.h"
#include "api/store_pairing.h"
#include "api/store_rights.h"
#include "vault/names.h"

namespace av::api {
namespace {

constexpr std::size_t kMostMember = std::size_t{64} << 10;

// -- what there is

Json kind_with_rights(const source::Kind& kind) {
  Json out = kind_json(kind);
  out["owner_only"] = is_owners_kind(kind);
  for (Json& setting : out["settings"]) {
    const auto name = setting["name"].get<std::string>();
    setting["owner_only"] = is_owners_setting(kind, name);
    setting["admins_values"] = admins_values(kind, name);
  }
  return out;
}

Reply kinds(Call& /*call*/) {
  Json list = Json::array();
  for (const source::Kind* const kind : source::kinds()) {
    list.push_back(kind_with_rights(*kind));
  }
  return json_reply({{"kinds", list}});
}

Json health_json(const StoreHealth& health) {
  return {
      {"asked", health.asked},
      {"missing", health.missing},
      {"failed", health.failed},
      {"average_ms",
       health.asked == 0 ? 0 : health.answer_us / 1000 / static_cast<std::int64_t>(health.asked)},
      {"last_failure", health.last_failure},
      {"leases", health.leases},
      {"rests_seconds", (health.rests_ms + 999) / 1000}};
}

Json info_json(Call& call, const StoreInfo& info) {
  Json out = store_json(info);
  out["id"] = info.store.uid;
  out["revision"] = info.revision;
  const source::Kind* const kind = source::find_kind(info.store.kind);
  out["title"] = kind == nullptr ? info.store.kind : std::string(kind->title);
  out["owner_only"] = kind == nullptr || owners_alone(*kind, info.store.settings).has_value();
  out["owner_references"] = are_owners_references(info.store.kind);
  if (call.options().stores != nullptr) {
    out["health"] = health_json(call.options().stores->health(info.store.uid));
  }
  return out;
}

// How many of what refers to a store is not there any more, by the store's name.
std::uint64_t stale_in(const Json& references) {
  return static_cast<std::uint64_t>(
      std::count_if(references.begin(), references.end(),
                    [](const Json& one) { return !one["missing_since"].is_null(); }));
}

Reply list(Call& call) {
  AV_TRY(const StoreInfos infos, call.store().list_stores(call.vault()));
  AV_TRY(const SourceInfos sources, call.store().list_sources(call.vault()));
  AV_TRY(const Mappings mappings, call.store().list_mappings(call.vault()));
  Json stores = Json::array();
  for (const StoreInfo& info : infos) {
    Json item = info_json(call, info);
    item["stale"] = stale_in(references_json(info.store.name, sources, mappings));
    stores.push_back(std::move(item));
  }
  return json_reply({{"vault", call.vault()}, {"stores", stores}});
}

Reply show(Call& call) {
  AV_TRY(const StoreInfo info, store_of(call));
  AV_TRY(const SourceInfos sources, call.store().list_sources(call.vault()));
  AV_TRY(const Mappings mappings, call.store().list_mappings(call.vault()));
  Json out = info_json(call, info);
  out["references"] = references_json(info.store.name, sources, mappings);
  out["stale"] = stale_in(out["references"]);
  return json_reply(out);
}

// -- pairing

// What was given, and who gave it.
struct Pairing {
  const source::Kind* kind = nullptr;
  vault::ExternalStore store;
  vault::StoreSecrets secrets;
  bool owners = false;
  vault::AuditRecord record;  // announced
};
// What the store said.
struct Paired {
  vault::ExternalStore store;
  vault::StoreSecrets kept;
  source::Result<source::About> about = source::About();
};

proxy::Outcome<void> each_text(const JsonView& body, const char* name,
                               const std::function<proxy::Outcome<void>(const JsonView&)>& take) {
  const auto object = body.find(name);
  if (!object || object->is(JsonView::Kind::kNull)) {
    return {};
  }
  if (!object->is(JsonView::Kind::kObject)) {
    return bad_request("\"" + std::string(name) + "\" must be an object: {\"NAME\": \"value\"}");
  }
  for (const JsonView& member : object->children()) {
    if (!member.is(JsonView::Kind::kString) || member.source().size() > kMostMember) {
      return bad_request("a member of \"" + std::string(name) +
                         "\" is no string, or longer than 64 KiB");
    }
    AV_CHECK(take(member));
  }
  return {};
}

proxy::Outcome<void> read_settings(const JsonView& body, Pairing& pairing) {
  const source::Kind& kind = *pairing.kind;
  const auto setting = [&](const JsonView& member) -> proxy::Outcome<void> {
    const std::string name = member.name();
    const source::Setting* const known = find_setting(kind, name);
    if (known == nullptr && !is_common_setting(name)) {
      return fault_of(no_such_setting(kind, name));
    }
    if (known != nullptr && known->secret) {
      return bad_request("\"" + name + "\" is a secret", "it belongs in \"secrets\"");
    }
    if (std::string text = member.text(); !text.empty()) {
      pairing.store.settings[name] = std::move(text);
    }
    return {};
  };
  const auto secret = [&](const JsonView& member) -> proxy::Outcome<void> {
    const std::string name = member.name();
    const source::Setting* const known = find_setting(kind, name);
    if (known == nullptr) {
      return fault_of(no_such_setting(kind, name));
    }
    if (!known->secret) {
      return bad_request("\"" + name + "\" is no secret", "it belongs in \"settings\"");
    }
    auto value = member.secret();
    if (!value) {
      return fault_of(value.error());
    }
    if (!value->empty()) {
      pairing.secrets[name] = std::move(*value);
    }
    return {};
  };
  AV_CHECK(each_text(body, "settings", setting));
  return each_text(body, "secrets", secret);
}

// Nothing comes out of the server's environment: its variables are not the admin's.
proxy::Outcome<void> fill_in(Pairing& pairing) {
  for (const source::Setting& setting : pairing.kind->settings) {
    const std::string name(setting.name);
    if (pairing.store.settings.contains(name) || pairing.secrets.contains(name)) {
      continue;
    }
    if (setting.required) {
      return bad_request(
          "\"" + name + "\" is missing: " + std::string(setting.help),
          "it belongs in \"" + std::string(setting.secret ? "secrets" : "settings") + "\"");
    }
    if (!setting.fallback.empty()) {
      pairing.store.settings[name] = std::string(setting.fallback);
    }
  }
  return {};
}

// On a thread of the pool's.
Paired ask_to_pair(StorePort& port, Pairing& pairing) {
  Paired out;
  out.store = pairing.store;
  if (const auto pinned = pin_programs(*pairing.kind, out.store.settings); !pinned) {
    out.about = pinned.error();
    return out;
  }
  auto kept = copy_of(pairing.secrets);
  if (!kept) {
    out.about = source::failure(source::Failure::Why::kUnreachable, kept.error().message);
    return out;
  }
  out.kept = std::move(*kept);
  // Pairing may change what is kept: a code that works once becomes keys.
  const auto keep = [&out](const vault::StoreSecrets& now) -> Status {
    AV_TRY(out.kept, copy_of(now));
    return {};
  };
  const auto provider = port.make(out.store, std::move(pairing.secrets), keep);
  if (!provider) {
    out.about = provider.error();
    return out;
  }
  out.about = (*provider)->pair();
  return out;
}

Reply keep_pairing(Call& call, const Pairing& pairing, Paired& paired) {
  const auto failed = [&](const Error& why) {
    static_cast<void>(vault::note_outcome(call.log(), pairing.record, &why).has_value());
  };
  if (!paired.about) {
    failed(error_of(paired.about.error(), pairing.store.name));
    return fault_of(paired.about.error(), pairing.store.name);
  }
  if (const Status may = still_may(call, Role::kAdmin, pairing.owners); !may) {
    failed(may.error());
    return may.error();
  }
  paired.store.account = paired.about->account;
  AV_CHECK(call.completed(pairing.record, [&] {
    return call.store().pair_store(call.vault(), paired.store, paired.kept);
  }));
  AV_TRY(const StoreInfo info, call.store().get_store(call.vault(), paired.store.name));
  return json_reply({{"store", info_json(call, info)}, {"detail", paired.about->detail}});
}

Reply pair(Call& call) {
  AV_TRY(StorePort* const port, port_of(call));
  AV_TRY(const JsonView body, call.body());
  AV_TRY(const std::string id, call.text("kind"));
  AV_TRY(const std::string name, call.text_or("name", id));
  const auto pairing = std::make_shared<Pairing>();
  AV_TRY(pairing->kind, kind_named(id));
  AV_CHECK(vault::check_slug("external store", name));
  pairing->store = new_store(*pairing->kind, name);
  AV_CHECK(read_settings(body, *pairing));
  AV_CHECK(fill_in(*pairing));
  if (const auto why = owners_alone(*pairing->kind, pairing->store.settings)) {
    pairing->owners = true;
    AV_CHECK(check_owner(call, *why));
  }
  if (const auto known = call.store().get_store(call.vault(), name)) {
    if (known->store.kind != id) {
      return fault(409, "exists", "'" + name + "' is of the kind " + known->store.kind,
                   "give this one another name");
    }
    // A code that works once must not be spent on what cannot be kept.
    pairing->store.uid = known->store.uid;
  }
  pairing->record = call.action("store.pair", name + ", " + id);
  AV_CHECK(vault::note_intention(call.log(), pairing->record));
  const auto work = [port, pairing] { return ask_to_pair(*port, *pairing); };
  const auto finish = [pairing](Call& now, Paired& paired) {
    return keep_pairing(now, *pairing, paired);
  };
  return after_store<Paired>(call, work, finish, /*to_the_end=*/true,
                             came_to_nothing(pairing->record));
}

// -- the end

// What refers to it goes first, each on the log.
Status remove_references(Call& call, const std::string& name, Json& removed) {
  AV_TRY(const SourceInfos sources, call.store().list_sources(call.vault()));
  AV_TRY(const Mappings mappings, call.store().list_mappings(call.vault()));
  std::vector<std::string> keys;
  for (const auto& source : sources) {
    if (source.store == name) {
      keys.push_back(source.key);
      removed["credentials"].push_back(source.key);
    }
  }
  if (!keys.empty()) {
    AV_CHECK(call.audited(call.action("credential.delete", "", keys),
                          [&] { return call.store().delete_credentials(call.vault(), keys); }));
  }
  for (const vault::HostMapping& mapping : mappings) {
    if (mapping.store != name) {
      continue;
    }
    const std::string& host = mapping.service.host;
    removed["hosts"].push_back(host);
    AV_CHECK(call.audited(call.action("store.unmap", host),
                          [&] { return call.store().remove_mapping(call.vault(), host, name); }));
  }
  return {};
}

Reply unpair(Call& call) {
  AV_TRY(StorePort* const port, port_of(call));
  AV_TRY(const StoreInfo info, store_of(call));
  AV_TRY(const bool with_references, call.flag_or("remove_references", false));
  Json answer = {{"name", info.store.name},
                 {"removed", true},
                 {"credentials", Json::array()},
                 {"hosts", Json::array()}};
  if (with_references) {
    AV_CHECK(remove_references(call, info.store.name, answer));
  }
  // Before it is forgotten: what it was paired with is needed to give it back.
  const StorePort::Opened provider = port->open(info.store.uid);
  AV_CHECK(call.audited(call.action("store.unpair", info.store.name),
                        [&] { return call.store().remove_store(call.vault(), info.store.name); }));
  if (!provider) {
    answer["told"] = "no: " + provider.error().message;
    return json_reply(answer);
  }
  const auto work = [provider = *provider] { return provider->disconnect(); };
  const auto finish = [answer](Call& /*now*/, source::Result<void>& told) -> Reply {
    Json out = answer;
    out["told"] = told ? std::string("yes") : "no: " + told.error().message;
    return json_reply(out);
  };
  Reply reply = after_store<source::Result<void>>(call, work, finish, /*to_the_end=*/true);
  if (reply.failed()) {
    answer["told"] = "no: too many stores are being asked";
    return json_reply(answer);
  }
  return reply;
}

}  // namespace

std::span<const Route> store_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/v1/store-kinds", "the kinds of external stores, and who may pair them",
            Who::user(), Where::kServe, kinds, "", "{kinds:[StoreKind]}"},
      Route{"GET", "/v1/vaults/{v}/stores", "the external stores of a vault, and how they do",
            Who::vault(Role::kMember), Where::kServe, list, "",
            "{vault:string, stores:[ExternalStore]}"},
      Route{"POST", "/v1/vaults/{v}/stores",
            "pair an external store, or pair it anew; it is asked first. Kinds and settings that "
            "are about the server's machine: the owner of the instance",
            Who::vault(Role::kAdmin), Where::kServe, pair,
            "{kind:string, name?:string, settings?:{*:string}, secrets?:{*:string}}",
            "{store:ExternalStore, detail:string}"},
      Route{"GET", "/v1/vaults/{v}/stores/{s}", "one of them, and what refers to it",
            Who::vault(Role::kMember), Where::kServe, show, "", "ExternalStore"},
      Route{"DELETE", "/v1/vaults/{v}/stores/{s}",
            "forget an external store; 409 while something refers to it, unless that goes as well",
            Who::vault(Role::kAdmin), Where::kServe, unpair, "{remove_references?:boolean}",
            "{name:string, removed:boolean, told:string, credentials:[string], hosts:[string]}"},
  };
  return kRoutes;
}

}  // namespace av::api
