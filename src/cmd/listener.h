#pragma once
// Listening sockets, as `run` and `serve` need them.

#include <cstdint>
#include <string>
#include <vector>

#include "core/expected.h"
#include "core/fs.h"

namespace av::cmd {

struct Listener {
  UniqueFd fd;  // non-blocking
  std::uint16_t port = 0;
};

// `host`: an IP literal; `port` 0: any. kConflict when somebody listens there.
[[nodiscard]] Expected<Listener> listen_on(const std::string& host, std::uint16_t port);

// A socket that listens already.
[[nodiscard]] Expected<Listener> listener_from(UniqueFd fd);

// What a service manager has opened for us (sd_listen_fds(3)), by the names that it gave: none when
// it has not. Takes the variables out of the environment.
struct GivenListener {
  std::string name;
  Listener listener;
};
[[nodiscard]] Expected<std::vector<GivenListener>> given_listeners();

// "READY=1", "STOPPING=1", to whoever started us (sd_notify(3)); does nothing where nobody wants
// it.
void tell_service_manager(const std::string& state);

}  // namespace av::cmd
