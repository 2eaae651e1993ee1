#include "proxy/direct_target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace av::proxy {

std::optional<vault::Authority> direct_target(int socket, const NamePool& names) {
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&local), &size) != 0) {
    return std::nullopt;
  }
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

}  // namespace av::proxy
