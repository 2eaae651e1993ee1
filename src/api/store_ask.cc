#include "api/store_ask.h"

#include "api/store_rights.h"

#include <utility>

#include "api/router.h"

namespace av::api {

Expected<StoreInfo> store_of(Call& call) {
  return call.store().get_store(call.vault(), call.parts[1]);
}

Expected<StorePort*> port_of(Call& call) {
  if (call.options().stores == nullptr) {
    return make_error(ErrorCode::kUnsupported, "external stores are not reached from here");
  }
  return call.options().stores;
}

proxy::Outcome<void> check_owner(const Call& call, const std::string& what) {
  if (call.actor.owner) {
    return {};
  }
  return fault(403, "forbidden", "only the owner of the instance may do this: " + what,
               "ask an owner, or use a kind of store that is a server: GET /v1/store-kinds");
}

proxy::Outcome<void> check_reference(const Call& call, const StoreInfos& stores,
                                     const std::string& name) {
  for (const StoreInfo& info : stores) {
    if (info.store.name == name && are_owners_references(info.store.kind)) {
      return check_owner(call, "what " + info.store.kind + " has is the server's machine's");
    }
  }
  return {};
}

proxy::Outcome<store::Store::Source> source_for(Call& call, const std::string& reference,
                                                const std::string& store) {
  const auto stores = call.store().list_stores(call.vault());
  if (!stores) {
    return fault_of(stores.error());
  }
  auto found = find_reference(*stores, call.vault(), reference, store);
  if (!found) {
    return fault_of(found.error());
  }
  AV_CHECK(check_reference(call, *stores, found->info.store.name));
  return store::Store::Source{found->info.store.name, reference, std::move(found->item),
                              std::move(found->field)};
}

Status still_may(Call& call, Role least, bool owner) {
  AV_CHECK(identify(call));
  AV_TRY(const Role role, call.role_in(call.vault()));
  if (!call.actor.is_user() || role < least || (owner && !call.actor.owner)) {
    return make_error(ErrorCode::kNotPermitted, "you may not do this any more");
  }
  return {};
}

proxy::Fault not_taken(StorePool::Answer answer) {
  proxy::Fault out =
      answer == StorePool::Answer::kTooMany
          ? fault(429, "too_many_requests", "you are asking external stores for something already",
                  "wait for the answer")
          : fault(503, "busy", "too many external stores are being asked", "try again");
  out.transient = true;
  out.retry_after = 2;
  return out;
}

std::function<void(Call&, const proxy::Fault&)> came_to_nothing(vault::AuditRecord record) {
  return [record = std::move(record)](Call& call, const proxy::Fault& why) {
    const Error error = make_error(ErrorCode::kBusy, why.message);
    static_cast<void>(vault::note_outcome(call.log(), record, &error).has_value());
  };
}

proxy::Fault still_asking() {
  proxy::Fault out = fault(504, "external_store_timeout", "the external store does not answer",
                           "see whether it is there, and try again");
  out.transient = true;
  return out;
}

}  // namespace av::api
