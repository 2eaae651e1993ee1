#include "cmd/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace av::cmd {
namespace {

constexpr int kFirstGiven = 3;  // SD_LISTEN_FDS_START
constexpr int kMostGiven = 16;

Error cannot_listen(const std::string& host, std::uint16_t port, int error) {
  const std::string where = host + " port " + std::to_string(port);
  if (error == EADDRINUSE) {
    return make_error(ErrorCode::kConflict, "something listens on " + where + " already",
                      "is it another agent-vault serve? else choose another port");
  }
  return errno_error(error, "cannot listen on " + where);
}

Expected<std::uint16_t> port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return errno_error(errno, "cannot look at a listening socket");
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

int number_in(const char* text) {
  int out = 0;
  if (text == nullptr) {
    return 0;
  }
  const char* const end = text + std::strlen(text);
  const auto [last, ec] = std::from_chars(text, end, out);
  return ec == std::errc() && last == end ? out : 0;
}

}  // namespace

Expected<Listener> listen_on(const std::string& host, std::uint16_t port) {
  sockaddr_storage address{};
  socklen_t size = 0;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    size = sizeof v4;
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    size = sizeof v6;
  } else {
    return make_error(ErrorCode::kUsage, "'" + host + "' is not an address");
  }
  UniqueFd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) {
    return cannot_listen(host, port, errno);
  }
  // Connections of the process before us may linger; a port that we choose ourselves has none.
  const int on = 1;
  if (port != 0 && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    return cannot_listen(host, port, errno);
  }
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0) {
    return cannot_listen(host, port, errno);
  }
  return listener_from(std::move(fd));
}

Expected<Listener> listener_from(UniqueFd fd) {
  AV_TRY(const std::uint16_t bound, port_of(fd.get()));
  return Listener{std::move(fd), bound};
}

Expected<std::vector<GivenListener>> given_listeners() {
  std::vector<GivenListener> out;
  const int count = number_in(std::getenv("LISTEN_FDS"));
  const bool ours = number_in(std::getenv("LISTEN_PID")) == static_cast<int>(::getpid());
  const char* const names = std::getenv("LISTEN_FDNAMES");
  std::string rest = names == nullptr ? "" : names;
  ::unsetenv("LISTEN_FDS");
  ::unsetenv("LISTEN_PID");
  ::unsetenv("LISTEN_FDNAMES");
  if (!ours || count <= 0) {
    return out;
  }
  if (count > kMostGiven) {
    return make_error(ErrorCode::kInvalid, "the service manager gave too many sockets");
  }
  for (int i = 0; i < count; ++i) {
    const int fd = kFirstGiven + i;
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      return errno_error(errno, "cannot use a socket that the service manager gave");
    }
    GivenListener given;
    const std::size_t colon = rest.find(':');
    given.name = rest.substr(0, colon);
    rest = colon == std::string::npos ? std::string() : rest.substr(colon + 1);
    given.listener.fd = UniqueFd(fd);
    AV_TRY(given.listener.port, port_of(fd));
    out.push_back(std::move(given));
  }
  return out;
}

void tell_service_manager(const std::string& state) {
  const char* const where = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (where == nullptr || (where[0] != '/' && where[0] != '@') ||
      std::strlen(where) >= sizeof address.sun_path) {
    return;
  }
  const std::size_t length = std::strlen(where);
  std::memcpy(address.sun_path, where, length);
  if (where[0] == '@') {
    address.sun_path[0] = '\0';  // the abstract name space
  }
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.valid()) {
    (void)::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
                   reinterpret_cast<const sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
  }
}

}  // namespace av::cmd
