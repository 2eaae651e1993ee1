#include "proxy/name_door.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/basic_datagram_socket.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cerrno>
#include <cstring>

#include "proxy/net_guard.h"
#include "vault/canonical.h"

namespace av::proxy {
namespace {

using asio::ip::udp;
using Socket = asio::basic_datagram_socket<udp, Executor>;

constexpr unsigned kOpcodeBits = 0x7800;
constexpr int kAtOnce = 16;

// One question and who asked it, at which address: the answer must come from there.
struct Asked {
  std::array<char, 1500> bytes;
  std::size_t size = 0;
  sockaddr_in from{};
  in_pktinfo at{};
};

union Control {
  cmsghdr head;
  char bytes[CMSG_SPACE(sizeof(in_pktinfo))];
};

bool receive(int fd, Asked& asked) {
  iovec part{asked.bytes.data(), asked.bytes.size()};
  Control control{};
  msghdr message{};
  message.msg_name = &asked.from;
  message.msg_namelen = sizeof asked.from;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(fd, &message, 0);
  if (got < 0) {
    return false;
  }
  asked.size = static_cast<std::size_t>(got);
  asked.at = {};
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
       each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_PKTINFO) {
      std::memcpy(&asked.at, CMSG_DATA(each), sizeof asked.at);
    }
  }
  return true;
}

// A loopback takes what it is given, or the one who asked is gone.
void send(int fd, const Asked& asked, std::string& answer) {
  iovec part{answer.data(), answer.size()};
  Control control{};
  msghdr message{};
  sockaddr_in to = asked.from;
  message.msg_name = &to;
  message.msg_namelen = sizeof to;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = IPPROTO_IP;
  head->cmsg_type = IP_PKTINFO;
  head->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo from{};
  from.ipi_spec_dst = asked.at.ipi_addr;
  std::memcpy(CMSG_DATA(head), &from, sizeof from);
  (void)::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void answer_all(int fd, NamePool& names) {
  Asked asked;
  for (int i = 0; i < kAtOnce && receive(fd, asked); ++i) {
    const std::string_view query(asked.bytes.data(), asked.size);
    const auto question = read_dns_query(query);
    if (question) {
      std::string answer = write_dns_answer(query, *question, answer_name(*question, names));
      send(fd, asked, answer);
    }
  }
}

}  // namespace

DnsAnswer answer_name(const DnsQuestion& question, NamePool& names) {
  if ((question.flags & kOpcodeBits) != 0) {
    return {DnsCode::kNotImplemented, std::nullopt};
  }
  const std::string_view name = question.name;
  const auto canonical = vault::canonical_host(name);
  // Only what could stand in a request as the name of a host.
  if (question.dns_class != kDnsClassIn || !canonical || *canonical != name || parse_ip(name)) {
    return {DnsCode::kNoSuchName, std::nullopt};
  }
  if (question.type != kDnsTypeA) {
    return {};  // no IPv6, no HTTPS record that would lead past the proxy: the name is there
  }
  if (name == "localhost" || name.ends_with(".localhost")) {
    return {DnsCode::kNoError, INADDR_LOOPBACK};
  }
  return {DnsCode::kNoError, names.address_of(name)};
}

Awaitable<void> serve_names(Executor executor, UniqueFd socket, NamePool& names) {
  Socket server(executor);
  error_code ec;
  server.assign(udp::v4(), socket.get(), ec);
  if (ec.failed()) {
    co_return;
  }
  (void)socket.release();
  for (;;) {
    auto token = asio::redirect_error(use_awaitable, ec);
    co_await server.async_wait(Socket::wait_read, std::move(token));
    if (ec.failed()) {
      co_return;
    }
    answer_all(server.native_handle(), names);
  }
}

}  // namespace av::proxy
