#pragma once
// The network of a run at `network` and `strict`: a namespace of its own in which every address of
// the internet is this machine. What a program connects to, whether or not it knows of a proxy,
// ends at a socket that was made in here and is served by the broker outside, or at none.
//
// There is no device but the loopback, and no route that leads elsewhere: without the broker there
// is no way out, whatever the programs of the run do.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/fs.h"
#include "isolation/step.h"

namespace av::isolation {

struct NetworkPlan {
  static constexpr std::size_t kMostPorts = 64;
  // Ports of 127.0.0.1 that are taken to the same port outside (--allow-local). At most kMostPorts.
  std::vector<std::uint16_t> local_ports;
};

// What is listened on inside. All are non-blocking and closed on exec.
struct NetworkSockets {
  UniqueFd proxy;               // 127.0.0.1, a port that the kernel chose
  std::vector<UniqueFd> doors;  // ports 80 and 443 of every address, of both families
  std::vector<UniqueFd> ssh;    // port 22 of every address
  UniqueFd names;               // UDP, port 53 of every address
  std::vector<UniqueFd> local;  // as NetworkPlan::local_ports
};

// In the launcher, with the capabilities that it has at first.
[[nodiscard]] Step make_network(const NetworkPlan& plan, NetworkSockets& sockets);

// Hands them over by SCM_RIGHTS (unix(7)). False: the other side is gone, or does not speak so.
bool send_sockets(int fd, const NetworkSockets& sockets);
[[nodiscard]] bool receive_sockets(int fd, NetworkSockets& sockets);

// One descriptor, and a byte with it.
bool send_descriptor(int fd, char tag, int descriptor);
// Invalid when the other side is gone or has sent none.
[[nodiscard]] UniqueFd receive_descriptor(int fd, char& tag);

}  // namespace av::isolation
