// What people ask external stores: whether they work, what they have, and, as a credential is
// revealed, one value.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "api/accounts.h"
#include "api/route.h"
#include "api/store_ask.h"
#include "api/store_rights.h"
#include "api/value_member.h"

namespace av::api {
namespace {

constexpr Millis kMostCheck{40'000};
constexpr std::size_t kMostListed = 1000;
constexpr std::size_t kMostReference = 2048;

Expected<std::string> reference_in(Call& call) {
  AV_TRY(std::string reference, call.text_or("reference", ""));
  if (reference.size() > kMostReference) {
    return make_error(ErrorCode::kInvalid, "\"reference\" is longer than 2048 characters");
  }
  return reference;
}

// -- test

// The one that is asked about, else all that refers to the store.
Expected<std::vector<StoreReference>> to_test(Call& call, const StoreInfo& info,
                                              const std::string& reference) {
  if (reference.empty()) {
    AV_TRY(const SourceInfos sources, call.store().list_sources(call.vault()));
    AV_TRY(const Mappings mappings, call.store().list_mappings(call.vault()));
    return references_of(info.store.uid, sources, mappings);
  }
  AV_TRY(const FoundReference found,
         find_reference({info}, call.vault(), reference, info.store.name));
  return std::vector<StoreReference>{{reference, {info.store.uid, found.item, found.field}}};
}

Reply test(Call& call) {
  using Checks = std::vector<StoreCheck>;
  AV_TRY(StorePort* const port, port_of(call));
  AV_TRY(const StoreInfo info, store_of(call));
  AV_TRY(const std::string reference, reference_in(call));
  if (!reference.empty() && are_owners_references(info.store.kind)) {
    AV_CHECK(check_owner(call, "what " + info.store.kind + " has is the server's machine's"));
  }
  AV_TRY(const std::vector<StoreReference> references, to_test(call, info, reference));
  const auto work = [port, uid = info.store.uid, references, clock = call.options().clock] {
    const StorePort::Opened provider = port->open(uid);
    return provider ? check_store(**provider, references, *clock, kMostCheck)
                    : Checks{{"open", provider.error(), "", std::nullopt}};
  };
  const auto finish = [info](Call& now, Checks& checks) -> Reply {
    note_checks(now.store(), info.store.uid, checks);
    Json list = Json::array();
    bool good = true;
    for (const StoreCheck& check : checks) {
      good = good && !check.failure;
      list.push_back(check_json(info.store.name, check));
    }
    return json_reply({{"ok", good}, {"checks", list}});
  };
  return after_store<Checks>(call, work, finish);
}

// -- browse

Reply browse(Call& call) {
  using Items = source::Result<std::vector<source::Listed>>;
  AV_TRY(StorePort* const port, port_of(call));
  AV_TRY(const StoreInfo info, store_of(call));
  if (are_owners_references(info.store.kind)) {
    AV_CHECK(check_owner(call, "what " + info.store.kind + " has is the server's machine's"));
  }
  AV_TRY(const std::string reference, reference_in(call));
  AV_CHECK(call.audited(call.action("store.browse", info.store.name + " " + reference),
                        []() -> Status { return {}; }));
  const auto work = [port, uid = info.store.uid, reference]() -> Items {
    const StorePort::Opened provider = port->open(uid);
    return provider ? (*provider)->list(reference) : Items(provider.error());
  };
  const auto finish = [name = info.store.name](Call& /*now*/, Items& items) -> Reply {
    if (!items) {
      return fault_of(items.error(), name);
    }
    Json list = Json::array();
    for (std::size_t i = 0; i < std::min(items->size(), kMostListed); ++i) {
      list.push_back(listed_json((*items)[i]));
    }
    return json_reply({{"items", list}, {"more", items->size() > kMostListed}});
  };
  return after_store<Items>(call, work, finish);
}

// -- read

struct Reading {
  std::string store;
  std::string reference;
  bool owners = false;
  Role least = Role::kAdmin;
  vault::AuditRecord record;  // announced
};

Reply show_value(Call& call, const Reading& reading, source::Result<Secret>& value) {
  Status may = value ? still_may(call, reading.least, reading.owners)
                     : Status(error_of(value.error(), reading.store));
  AV_CHECK(vault::note_outcome(call.log(), reading.record, may ? nullptr : &may.error()));
  if (!value) {
    return fault_of(value.error(), reading.store);
  }
  AV_CHECK(may);
  const std::string head = Json{{"store", reading.store}, {"reference", reading.reference}}.dump();
  SecretBuffer out;
  out.append(std::string_view(head).substr(0, head.size() - 1));
  append_value(out, *value);
  out.append("}\n");
  return secret_reply("application/json", std::move(out));
}

// A member sees the value of a credential, as with any other; whatever else a store has is for who
// could make a credential of it.
Reply read(Call& call) {
  AV_TRY(StorePort* const port, port_of(call));
  AV_TRY(const StoreInfo info, store_of(call));
  AV_TRY(const std::string key, call.text_or("key", ""));
  const auto reading = std::make_shared<Reading>();
  reading->store = info.store.name;
  AV_TRY(reading->reference, reference_in(call));
  std::string item;
  std::string field;
  if (key.empty() == reading->reference.empty()) {
    return bad_request("give \"key\" or \"reference\"");
  }
  if (!key.empty()) {
    AV_TRY(const SourceInfos sources, call.store().list_sources(call.vault()));
    const auto found = std::find_if(sources.begin(), sources.end(), [&](const auto& source) {
      return source.key == key && source.store == info.store.name;
    });
    if (found == sources.end()) {
      return fault(404, "not_found", "no credential of this name is kept in this store");
    }
    reading->least = Role::kMember;
    reading->reference = found->reference;
    item = found->ref.item;
    field = found->ref.field;
  } else {
    if (call.role() < Role::kAdmin) {
      return fault(403, "forbidden", "only an admin of the vault may read what is no credential",
                   "name a credential: \"key\"");
    }
    if (are_owners_references(info.store.kind)) {
      reading->owners = true;
      AV_CHECK(check_owner(call, "what " + info.store.kind + " has is the server's machine's"));
    }
    AV_TRY(const FoundReference found,
           find_reference({info}, call.vault(), reading->reference, info.store.name));
    item = found.item;
    field = found.field;
  }
  AV_CHECK(check_reauthenticated(call));
  const std::vector<std::string> keys =
      key.empty() ? std::vector<std::string>() : std::vector<std::string>{key};
  reading->record =
      call.action("credential.reveal", info.store.name + ": " + reading->reference, keys);
  AV_CHECK(vault::note_intention(call.log(), reading->record));
  const auto work = [port, uid = info.store.uid, item, field]() -> source::Result<Secret> {
    const StorePort::Opened provider = port->open(uid);
    if (!provider) {
      return provider.error();
    }
    AV_TRY(const source::Record record, (*provider)->fetch(item));
    AV_TRY(const Secret* const value, source::field_of(record, field));
    auto copy = value->clone();
    if (!copy) {
      return source::failure(source::Failure::Why::kUnreachable, copy.error().message);
    }
    return std::move(*copy);
  };
  const auto finish = [reading](Call& now, source::Result<Secret>& value) {
    return show_value(now, *reading, value);
  };
  return after_store<source::Result<Secret>>(call, work, finish, /*to_the_end=*/true,
                                             came_to_nothing(reading->record));
}

}  // namespace

std::span<const Route> store_ask_routes() {
  static constexpr std::array kRoutes = {
      Route{"POST", "/v1/vaults/{v}/stores/{s}/test",
            "ask a store whether it works and has what is referred to; no value is shown",
            Who::vault(Role::kAdmin), Where::kServe, test, "{reference?:string}",
            "{ok:boolean, checks:[{store:string, what:string, ok:boolean, code:string, "
            "result:string, hint:string}]}"},
      Route{"POST", "/v1/vaults/{v}/stores/{s}/browse", "names of what a store has",
            Who::vault(Role::kAdmin), Where::kServe, browse, "{reference?:string}",
            "{items:[{reference:string, title:string, hosts:[string], folder:boolean}], "
            "more:boolean}"},
      Route{"POST", "/v1/vaults/{v}/stores/{s}/read",
            "a value: that of a credential, for members, or any other, for admins; on the log",
            Who::vault(Role::kMember), Where::kServe, read, "{key?:string, reference?:string}",
            "{store:string, reference:string, value?:string, value_base64?:string}"},
  };
  return kRoutes;
}

}  // namespace av::api
