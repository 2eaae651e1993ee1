#pragma once
// ApiHandler: who answers the requests that are for the broker itself (origin form), not for an
// upstream. The proxy reads and bounds them, checks what a run's token says, and carries the
// answer; what it means is the handler's business, on a thread of its own, because it may take a
// disk or a slow hash.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/secret.h"
#include "proxy/local_reply.h"
#include "vault/policy.h"

namespace av::proxy {

struct ApiRequest {
  static constexpr std::size_t kMaxBody = std::size_t{1024} * 1024;

  std::string method;
  std::string path;   // as sent, still percent-encoded, without the query
  std::string query;  // what follows "?", still encoded
  // Lower-case names, as often as they came; never Authorization, Cookie or Proxy-Authorization.
  std::vector<std::pair<std::string, std::string>> fields;
  // The credentials of the request, which are tokens; empty: none was sent, or it was malformed.
  Secret bearer;  // of `Authorization: Bearer`, or of `Basic token:`
  Secret cookie;  // the value of the cookie "av_session"
  // The value of the cookie by which a browser that comes back from a provider shows that it is the
  // one that was sent there: "av_flow", over TLS "__Host-av_flow". It is nobody's session.
  Secret flow_cookie;
  // What stood behind the token in Basic: the vault that is meant where nothing else names one.
  std::string vault;
  // Decoded of its framing, at most kMaxBody. Wiped heap: bodies would fill the locked arena.
  SecretBuffer body;
  // A run's own token was shown: who that is. Null on `serve`, and for everybody else.
  std::shared_ptr<const vault::Principal> run;
  std::string peer;     // address of the client, without the port
  bool secure = false;  // came over TLS
  // Came in at a proxy's port, which agents reach and which has no TLS: what is for people is not
  // to be had there.
  bool at_proxy = false;

  // The first field of that name (lower case); empty when absent.
  [[nodiscard]] std::string_view field(std::string_view name) const {
    for (const auto& [known, value] : fields) {
      if (known == name) {
        return value;
      }
    }
    return {};
  }
};

class ApiHandler {
 public:
  // May be called from any thread, and kept for as long as one likes; calls after the first, and
  // after the server's end, do nothing. `known`: the client has shown who it is, so its connection
  // is not one of those that make room for others.
  using Answer = std::function<void(LocalReply, bool known)>;
  // The client has left: true from then on. An answer is thrown away.
  using Gone = std::function<bool()>;

  virtual ~ApiHandler() = default;
  // Called on a worker's thread: must not block. `answer` may be kept for as long as the handler
  // has said it holds requests (30 s); the proxy gives up after 60 s.
  virtual void handle(ApiRequest request, Answer answer, Gone gone) = 0;
};

}  // namespace av::proxy
