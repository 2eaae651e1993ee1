#pragma once
// What connecting a credential and signing in with a provider have in common: sending a browser
// away, and knowing it again when it comes back.

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "api/call.h"
#include "api/flow_table.h"
#include "api/provider_pool.h"

namespace av::api {

// A flow that has begun: where the browser goes, and the cookie that it takes along. `url` holds
// the state and is for that browser only.
struct BegunFlow {
  std::string url;
  std::string id;  // public, of the attempt
  Secret cookie;
};
// `path`: of ours, to which the provider sends back. The flow's kind, client, secrets and place are
// set; the rest is set here. kConflict when the pages were opened under another address than the
// one the provider sends people back to: the cookie would not come along.
[[nodiscard]] Expected<BegunFlow> begin_flow(Call& call, Flow flow, std::string_view path,
                                             bool openid);
void add_flow_cookie(proxy::LocalReply& reply, const Secret& cookie, bool secure);

// The flow to which the request is the answer, which is over thereby: of one of these kinds, begun
// by this browser, and by whoever is signed in, where that can be seen. kNotPermitted, saying why
// for the log.
[[nodiscard]] Expected<Flow> recognise(Call& call, std::initializer_list<Flow::Kind> kinds);
// The answer's code, when the answer is good (see oauth::code_from_redirect).
[[nodiscard]] Expected<Secret> code_of_answer(Call& call, const Flow& flow);

// Makes the call that of the flow's owner. kNotPermitted when their session has ended meanwhile.
[[nodiscard]] Status act_as_owner(Call& call, const FlowOwner& owner);
// The same, and they are still a member of the vault.
[[nodiscard]] Status act_as_member(Call& call, const FlowOwner& owner, const std::string& vault);
[[nodiscard]] FlowOwner owner_of(const Call& call);

// 303 to a path of ours.
[[nodiscard]] proxy::LocalReply go_to(std::string_view path);
// "/vaults/x", when it is a path of ours; else "/".
[[nodiscard]] std::string own_path(std::string_view text);

[[nodiscard]] proxy::Fault provider_busy();
// What a provider's refusal is to the client of the API.
[[nodiscard]] Error error_of(const oauth::TokenFailure& failure);

// Submits; what comes of it goes to `finish` once it is there, on the API's thread, also when the
// client has left meanwhile, or may do nothing any more: a provider's answer may hold the only good
// refresh token. What whoever began it may still do, `finish` asks (act_as_member). `refused`: what
// is answered when too many wait.
template <typename T>
Reply after_provider(
    Call& call, typename ProviderCall<T>::Work work,
    std::function<Reply(Call&, Expected<T>&)> finish,
    std::function<Reply(Call&)> refused = [](Call&) { return Reply(provider_busy()); }) {
  const auto task = std::make_shared<ProviderCall<T>>(std::move(work));
  if (!call.providers().submit(task)) {
    return refused(call);
  }
  Parked parked;
  parked.eager = true;
  parked.finish = true;
  parked.allowed = true;
  parked.poll = [task, finish = std::move(finish), refused = std::move(refused)](
                    Call& waiting, bool last) -> std::optional<Reply> {
    if (task->done()) {
      return finish(waiting, task->result());
    }
    if (last && task->cancel()) {
      return refused(waiting);
    }
    return std::nullopt;
  };
  return parked;
}

}  // namespace av::api
