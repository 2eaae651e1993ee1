// Session: programs of an isolated run that know of no proxy, and take us for the server that they
// wanted.
#include "proxy/direct_target.h"
#include "proxy/session.h"
#include "proxy/ssh_farewell.h"

namespace av::proxy {
namespace {

constexpr Millis kWriteTimeout{30'000};
constexpr Millis kFirstByteTimeout{10'000};
}  // namespace

// A program of an isolated run that knows of no proxy. The address that it connected to stands for
// CONNECT: a name's, if we have given it for one, or else itself, which the guard then judges.
Awaitable<void> Session::serve_direct() {
  auto target = direct_target(stream_.descriptor(), worker_->state.names);
  if (worker_->grant_end != GrantEnd::kNone || !target) {
    co_return;
  }
  co_await serve_tunnel(std::move(*target));
}

Awaitable<void> Session::dismiss_ssh() {
  audit_tunnel_failure("ssh_not_carried");
  const Io greeted = co_await stream_.write_all(kSshVersion, kWriteTimeout);
  if (greeted != Io::kOk) {
    co_return;
  }
  // A client looks for what we say once it has sent its own version.
  (void)co_await stream_.wait_readable(kFirstByteTimeout);
  const std::string farewell = ssh_disconnect(kNoWayForSsh);
  (void)co_await stream_.write_all(farewell, kWriteTimeout);
}

}  // namespace av::proxy
