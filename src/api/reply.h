#pragma once
// What a handler answers with. The fields that every reply has (security, caching) are added in one
// place, by seal(): a handler cannot forget them.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "core/expected.h"
#include "proxy/fault.h"
#include "proxy/local_reply.h"

namespace av::api {

using Json = nlohmann::ordered_json;

class Call;
class Reply;

// A long poll: not answered now. `poll` is called again, on the API's thread, whenever the store
// has changed, and once more when the time is up. It answers, or says that it is not yet time; the
// last time (`last`) it must answer. What it needs it keeps by value.
struct Parked {
  using Poll = std::function<std::optional<Reply>(Call&, bool last)>;
  Poll poll;
  int seconds = 30;
  // Something other than the store is waited for: `poll` is called at every tick.
  bool eager = false;
  // `poll` is called until it answers, also when the client has left, when the time is up, and when
  // the API ends.
  bool finish = false;
  // What it was allowed to do when it began is done, whatever becomes of whoever began it: a
  // provider has been told something that cannot be taken back. Else it is asked again each time
  // whether they may.
  bool allowed = false;
};

// A reply, why there is none, or Parked. Made of any of them, and of what AV_TRY leaves with.
class Reply {
 public:
  Reply(proxy::LocalReply reply) : state_(std::move(reply)) {}              // NOLINT: by design
  Reply(proxy::Fault fault) : state_(std::move(fault)) {}                   // NOLINT
  Reply(Parked parked) : state_(std::move(parked)) {}                       // NOLINT
  Reply(Error error);                                                       // NOLINT
  Reply(Unexpected<Error> error) : Reply(std::move(error.error)) {}         // NOLINT
  Reply(Unexpected<proxy::Fault> fault) : Reply(std::move(fault.error)) {}  // NOLINT

  [[nodiscard]] bool is_parked() const { return std::holds_alternative<Parked>(state_); }
  [[nodiscard]] bool failed() const { return std::holds_alternative<proxy::Fault>(state_); }
  Parked& parked() { return std::get<Parked>(state_); }
  // Of a reply or fault, with everything that goes out.
  [[nodiscard]] proxy::LocalReply take(bool secure) &&;

 private:
  std::variant<proxy::LocalReply, proxy::Fault, Parked> state_;
};

// An error of the store as the client of the API sees it.
[[nodiscard]] proxy::Fault fault_of(const Error& error);
[[nodiscard]] proxy::Fault fault(int status, std::string_view code, std::string message,
                                 std::string help = {});
[[nodiscard]] proxy::Fault bad_request(std::string message, std::string help = {});
// What is not there and what one may not know of look alike.
[[nodiscard]] proxy::Fault unknown_vault(std::string_view name);

// `type`: Content-Type. The body of a reply with values is written as secret_reply.
[[nodiscard]] proxy::LocalReply text_reply(std::string_view type, std::string_view body,
                                           int status = 200);
[[nodiscard]] proxy::LocalReply json_reply(const Json& json, int status = 200);
// JSON that is text already, without a line feed.
[[nodiscard]] proxy::LocalReply json_text_reply(std::string_view json, int status = 200);
[[nodiscard]] proxy::LocalReply secret_reply(std::string_view type, SecretBuffer body,
                                             int status = 200);

}  // namespace av::api
