#pragma once
// What the routes about external stores share: asking one without holding up the API's thread, and
// who may still have the answer.

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "api/call.h"
#include "api/store_pool.h"
#include "api/store_words.h"

namespace av::api {

// The store of the path, /v1/vaults/{v}/stores/{s}.
[[nodiscard]] Expected<StoreInfo> store_of(Call& call);
// kUnsupported where stores are not reached.
[[nodiscard]] Expected<StorePort*> port_of(Call& call);
// 403 unless whoever asks is the owner of the instance; `what` is the owner's alone.
[[nodiscard]] proxy::Outcome<void> check_owner(const Call& call, const std::string& what);
// What keeps a credential, of the vault of the path or the query: kNotFound, kUsage; 403 when the
// reference is one for the owner of the instance.
[[nodiscard]] proxy::Outcome<store::Store::Source> source_for(Call& call,
                                                              const std::string& reference,
                                                              const std::string& store);
// 403: what the store of this name has is the owner's.
[[nodiscard]] proxy::Outcome<void> check_reference(const Call& call, const StoreInfos& stores,
                                                   const std::string& name);
// For what went on while they waited: whoever began it still has this role in the vault, and is
// still the owner where that was needed. kNotPermitted.
[[nodiscard]] Status still_may(Call& call, Role least, bool owner);

[[nodiscard]] proxy::Fault not_taken(StorePool::Answer answer);
[[nodiscard]] proxy::Fault still_asking();

// For `refused` of after_store(): what was announced on the log has come to nothing.
[[nodiscard]] std::function<void(Call&, const proxy::Fault&)> came_to_nothing(
    vault::AuditRecord record);

// Submits `work`; what comes of it goes to `finish`, on the API's thread. `to_the_end`: also when
// the client has left, or may do nothing any more, which `finish` asks (still_may). `refused`: told
// when nothing will come, to end what was announced on the log.
template <typename T>
Reply after_store(Call& call, std::function<T()> work, std::function<Reply(Call&, T&)> finish,
                  bool to_the_end = false,
                  std::function<void(Call&, const proxy::Fault&)> refused = {}) {
  const auto task = std::make_shared<StoreCall<T>>(std::move(work));
  const StorePool::Answer answer = call.store_pool().submit(call.actor.uid, task);
  if (answer != StorePool::Answer::kTaken) {
    const proxy::Fault why = not_taken(answer);
    if (refused) {
      refused(call, why);
    }
    return why;
  }
  Parked parked;
  parked.eager = true;
  parked.seconds = 50;
  parked.finish = to_the_end;
  parked.allowed = to_the_end;
  parked.poll = [task, to_the_end, finish = std::move(finish), refused = std::move(refused)](
                    Call& waiting, bool last) -> std::optional<Reply> {
    if (task->done()) {
      return finish(waiting, task->result());
    }
    if (!last || (!task->cancel() && to_the_end)) {
      return std::nullopt;
    }
    const proxy::Fault why = still_asking();
    if (refused) {
      refused(waiting, why);
    }
    return Reply(why);
  };
  return parked;
}

}  // namespace av::api
