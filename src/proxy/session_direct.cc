// Session: programs of an isolated run that know of no proxy, and take us for the server that they
// wanted.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "proxy/session.h"
#include "proxy/ssh_farewell.h"

namespace av::proxy {
namespace {

constexpr Millis kWriteTimeout{30'000};
constexpr Millis kFirstByteTimeout{10'000};
constexpr std::string_view kNoSsh =
    "agent-vault: this run has no way out for ssh; use https, for git: git config --global "
    "url.https://github.com/.insteadOf git@github.com:";

// Where a connection was going: `local` is what the client connected to.
vault::Authority direct_target(const sockaddr_storage& local, const NamePool& names) {
  vault::Authority target;
  char text[INET6_ADDRSTRLEN] = {};
  if (local.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(local);
    ::inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
    target.port = ntohs(six.sin6_port);
    const std::string bracketed = "[" + std::string(text) + "]";
    target.host = vault::canonical_host(bracketed).value_or(bracketed);
    return target;
  }
  const auto& four = reinterpret_cast<const sockaddr_in&>(local);
  target.port = ntohs(four.sin_port);
  if (const std::string* const name = names.name_of(ntohl(four.sin_addr.s_addr))) {
    target.host = *name;
    return target;
  }
  ::inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
  target.host = vault::canonical_host(text).value_or(text);
  return target;
}

}  // namespace

// A program of an isolated run that knows of no proxy. The address that it connected to stands for
// CONNECT: a name's, if we have given it for one, or else itself, which the guard then judges.
Awaitable<void> Session::serve_direct() {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (worker_->grant_end != GrantEnd::kNone ||
      ::getsockname(stream_.descriptor(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    co_return;
  }
  vault::Authority authority = direct_target(address, worker_->state.names);
  co_await serve_tunnel(std::move(authority));
}

Awaitable<void> Session::dismiss_ssh() {
  audit_tunnel_failure("ssh_not_carried");
  const Io greeted = co_await stream_.write_all(kSshVersion, kWriteTimeout);
  if (greeted != Io::kOk) {
    co_return;
  }
  // A client looks for what we say once it has sent its own version.
  (void)co_await stream_.wait_readable(kFirstByteTimeout);
  const std::string farewell = ssh_disconnect(kNoSsh);
  (void)co_await stream_.write_all(farewell, kWriteTimeout);
}

}  // namespace av::proxy
