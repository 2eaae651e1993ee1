#include "isolation/network.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace av::isolation {
namespace {

constexpr std::uint16_t kHttp = 80;
constexpr std::uint16_t kHttps = 443;
constexpr std::uint16_t kSsh = 22;
constexpr std::uint16_t kDomain = 53;

// The last but one of the range for names (proxy/name_pool.h), which comes to it last.
constexpr in_addr_t kOwnAddress = 198U << 24 | 19U << 16 | 255U << 8 | 254U;

constexpr char kProxyTag = 'p';
constexpr char kDoorTag = 'd';
constexpr char kSshTag = 's';
constexpr char kNamesTag = 'n';
constexpr char kLocalTag = 'l';
constexpr char kEndTag = '.';

Step raise_loopback() {
  const UniqueFd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", sizeof request.ifr_name - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (!any.valid() || ::ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) {
    return failed("raise the loopback device");
  }
  return std::nullopt;
}

// rtnetlink(7): "local default dev lo", so that the kernel takes every address for one of ours.
struct RouteRequest {
  nlmsghdr header;
  rtmsg route;
  rtattr device;
  std::uint32_t index;
};

// The same with an address for it. Resolvers that are asked for addresses of families in use
// (AI_ADDRCONFIG, RFC 3493 section 6.1) do not count 127.0.0.1 as use.
struct AddressRequest {
  nlmsghdr header;
  ifaddrmsg address;
  rtattr local;
  in_addr ip;
};

// 0, or the errno of the kernel's answer.
int exchange(int netlink, const void* request, std::size_t size) {
  if (::send(netlink, request, size, 0) != static_cast<ssize_t>(size)) {
    return errno;
  }
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[256];
  } answer{};
  const ssize_t got = ::recv(netlink, &answer, sizeof answer, 0);
  if (got < static_cast<ssize_t>(sizeof answer.header + sizeof answer.error) ||
      answer.header.nlmsg_type != NLMSG_ERROR) {
    return EPROTO;
  }
  return -answer.error.error;
}

int add_local_route(int netlink, unsigned char family) {
  RouteRequest request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_NEWROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
  request.route.rtm_family = family;
  request.route.rtm_table = RT_TABLE_LOCAL;
  request.route.rtm_protocol = RTPROT_STATIC;
  request.route.rtm_scope = RT_SCOPE_HOST;
  request.route.rtm_type = RTN_LOCAL;
  request.device.rta_len = RTA_LENGTH(sizeof request.index);
  request.device.rta_type = RTA_OIF;
  request.index = ::if_nametoindex("lo");
  return exchange(netlink, &request, sizeof request);
}

int add_address(int netlink) {
  AddressRequest request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_NEWADDR;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
  request.address.ifa_family = AF_INET;
  request.address.ifa_prefixlen = 32;
  request.address.ifa_scope = RT_SCOPE_UNIVERSE;
  request.address.ifa_index = ::if_nametoindex("lo");
  request.local.rta_len = RTA_LENGTH(sizeof request.ip);
  request.local.rta_type = IFA_LOCAL;
  request.ip.s_addr = htonl(kOwnAddress);
  return exchange(netlink, &request, sizeof request);
}

bool has_ipv6() {
  return UniqueFd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)).valid();
}

Step make_routes() {
  const UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink.valid()) {
    return failed("talk to the kernel about routes");
  }
  errno = add_address(netlink.get());
  if (errno != 0) {
    return failed("give the loopback device an address");
  }
  errno = add_local_route(netlink.get(), AF_INET);
  if (errno != 0) {
    return failed("make every address one of the loopback device");
  }
  // Where it is switched off there is nothing that could be reached by it.
  errno = has_ipv6() ? add_local_route(netlink.get(), AF_INET6) : 0;
  if (errno != 0 && errno != EOPNOTSUPP && errno != EACCES && errno != ENODEV) {
    return failed("make every IPv6 address one of the loopback device");
  }
  return std::nullopt;
}

struct Place4 {
  in_addr_t address;
  std::uint16_t port;
};

UniqueFd bound4(int type, Place4 place) {
  UniqueFd fd(::socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(place.port);
  address.sin_addr.s_addr = htonl(place.address);
  if (!fd.valid() ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      (type == SOCK_STREAM && ::listen(fd.get(), SOMAXCONN) != 0)) {
    return {};
  }
  return fd;
}

UniqueFd listening6(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int only = 1;
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  if (!fd.valid() || ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0) {
    return {};
  }
  return fd;
}

Step listen_everywhere(std::uint16_t port, std::vector<UniqueFd>& out) {
  out.push_back(bound4(SOCK_STREAM, {INADDR_ANY, port}));
  if (!out.back().valid()) {
    return failed("listen on port " + std::to_string(port) + " inside");
  }
  if (UniqueFd six = listening6(port); six.valid()) {
    out.push_back(std::move(six));
  }
  return std::nullopt;
}

}  // namespace

Step make_network(const NetworkPlan& plan, NetworkSockets& sockets) {
  if (Step obstacle = raise_loopback()) {
    return obstacle;
  }
  if (Step obstacle = make_routes()) {
    return obstacle;
  }
  sockets.proxy = bound4(SOCK_STREAM, {INADDR_LOOPBACK, 0});
  if (!sockets.proxy.valid()) {
    return failed("listen inside");
  }
  for (const std::uint16_t port : {kHttp, kHttps}) {
    if (Step obstacle = listen_everywhere(port, sockets.doors)) {
      return obstacle;
    }
  }
  if (Step obstacle = listen_everywhere(kSsh, sockets.ssh)) {
    return obstacle;
  }
  sockets.names = bound4(SOCK_DGRAM, {INADDR_ANY, kDomain});
  const int on = 1;  // an answer comes from the address that was asked
  if (!sockets.names.valid() ||
      ::setsockopt(sockets.names.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on) != 0) {
    return failed("answer questions for names inside");
  }
  for (const std::uint16_t port : plan.local_ports) {
    sockets.local.push_back(bound4(SOCK_STREAM, {INADDR_LOOPBACK, port}));
    if (!sockets.local.back().valid()) {
      return failed("listen on port " + std::to_string(port) + " of 127.0.0.1 inside");
    }
  }
  return std::nullopt;
}

bool send_descriptor(int fd, char tag, int descriptor) {
  iovec part{&tag, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  }
  ssize_t put = 0;
  do {
    put = ::sendmsg(fd, &message, MSG_NOSIGNAL);
  } while (put < 0 && errno == EINTR);
  return put == 1;
}

UniqueFd receive_descriptor(int fd, char& tag) {
  tag = 0;
  iovec part{&tag, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = 0;
  do {
    got = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* const head = got == 1 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (head == nullptr || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
      head->cmsg_len != CMSG_LEN(sizeof(int))) {
    return {};
  }
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(head), sizeof descriptor);
  return UniqueFd(descriptor);
}

bool send_sockets(int fd, const NetworkSockets& sockets) {
  bool sent = send_descriptor(fd, kProxyTag, sockets.proxy.get());
  for (const UniqueFd& door : sockets.doors) {
    sent = sent && send_descriptor(fd, kDoorTag, door.get());
  }
  for (const UniqueFd& door : sockets.ssh) {
    sent = sent && send_descriptor(fd, kSshTag, door.get());
  }
  sent = sent && send_descriptor(fd, kNamesTag, sockets.names.get());
  for (const UniqueFd& local : sockets.local) {
    sent = sent && send_descriptor(fd, kLocalTag, local.get());
  }
  return sent && send_descriptor(fd, kEndTag, -1);
}

bool receive_sockets(int fd, NetworkSockets& sockets) {
  for (;;) {
    char tag = 0;
    UniqueFd descriptor = receive_descriptor(fd, tag);
    if (tag == kEndTag) {
      return sockets.proxy.valid() && sockets.names.valid();
    }
    if (!descriptor.valid()) {
      return false;
    }
    switch (tag) {
      case kProxyTag:
        sockets.proxy = std::move(descriptor);
        break;
      case kDoorTag:
        sockets.doors.push_back(std::move(descriptor));
        break;
      case kSshTag:
        sockets.ssh.push_back(std::move(descriptor));
        break;
      case kNamesTag:
        sockets.names = std::move(descriptor);
        break;
      case kLocalTag:
        sockets.local.push_back(std::move(descriptor));
        break;
      default:
        return false;
    }
  }
}

}  // namespace av::isolation
