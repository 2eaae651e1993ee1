#pragma once
// --expose and --allow-local: the ports through which a run with a network of its own is reached,
// and reaches this machine. At lower levels both networks are one, and there is nothing to do.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/expected.h"
#include "isolation/launcher.h"
#include "isolation/port_bridge.h"

namespace av::cmd {

struct RunPorts {
  struct Exposed {
    std::uint16_t outside = 0;
    std::uint16_t inside = 0;
  };
  std::vector<Exposed> exposed;
  std::vector<std::uint16_t> local;  // each once
};

// "3000" or "8080:3000", the port outside first; "5432". kUsage for what is neither.
[[nodiscard]] Expected<RunPorts> parse_ports(const std::vector<std::string>& expose,
                                             const std::vector<std::string>& allow_local);

// `local`: the listeners inside, as RunPorts::local. Null when there is nothing to connect.
// kConflict when something listens on an exposed port already.
[[nodiscard]] Expected<std::unique_ptr<isolation::PortBridge>> connect_ports(
    const RunPorts& ports, std::vector<UniqueFd> local, const isolation::Launcher& launcher);

}  // namespace av::cmd
