#include "cmd/run_ports.h"

#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "cmd/listener.h"

namespace av::cmd {
namespace {

Expected<std::uint16_t> read_port(std::string_view text, std::string_view option) {
  std::uint16_t port = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (ec != std::errc() || end != text.data() + text.size() || port == 0) {
    return make_error(ErrorCode::kUsage,
                      "'" + std::string(text) + "' is no port for " + std::string(option),
                      option == "--expose" ? "give a number, 3000, or two, OUTSIDE:INSIDE"
                                           : "give a number from 1 to 65535");
  }
  return port;
}

UniqueFd socket_outside() {
  return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

}  // namespace

Expected<RunPorts> parse_ports(const std::vector<std::string>& expose,
                               const std::vector<std::string>& allow_local) {
  RunPorts ports;
  for (const std::string& text : expose) {
    const std::string_view words(text);
    const std::size_t colon = words.find(':');
    RunPorts::Exposed exposed;
    AV_TRY(exposed.outside, read_port(words.substr(0, colon), "--expose"));
    exposed.inside = exposed.outside;
    if (colon != std::string_view::npos) {
      AV_TRY(exposed.inside, read_port(words.substr(colon + 1), "--expose"));
    }
    ports.exposed.push_back(exposed);
  }
  for (const std::string& text : allow_local) {
    AV_TRY(const std::uint16_t port, read_port(text, "--allow-local"));
    if (std::find(ports.local.begin(), ports.local.end(), port) == ports.local.end()) {
      ports.local.push_back(port);
    }
  }
  constexpr std::size_t kMost = isolation::NetworkPlan::kMostPorts;
  if (ports.exposed.size() > kMost || ports.local.size() > kMost) {
    return make_error(ErrorCode::kUsage,
                      "more than " + std::to_string(kMost) + " ports are too many",
                      "give fewer of --expose and --allow-local");
  }
  return ports;
}

Expected<std::unique_ptr<isolation::PortBridge>> connect_ports(
    const RunPorts& ports, std::vector<UniqueFd> local, const isolation::Launcher& launcher) {
  std::vector<isolation::PortBridge::Way> ways;
  for (std::size_t i = 0; i < local.size() && i < ports.local.size(); ++i) {
    ways.push_back({std::move(local[i]), ports.local[i], socket_outside});
  }
  for (const RunPorts::Exposed& exposed : ports.exposed) {
    AV_TRY(Listener listener, listen_on("127.0.0.1", exposed.outside));
    ways.push_back({std::move(listener.fd), exposed.inside, launcher.socket_maker()});
  }
  if (ways.empty()) {
    return std::unique_ptr<isolation::PortBridge>();
  }
  return isolation::PortBridge::create(std::move(ways));
}

}  // namespace av::cmd
