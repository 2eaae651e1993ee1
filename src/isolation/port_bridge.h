#pragma once
// PortBridge: connections of a listener on one side of a run's network, taken byte for byte to a
// port of 127.0.0.1 on the other side. --allow-local leads in this way to a service outside,
// --expose to one inside. Nothing is injected here, and nothing is read.
//
// The thread that owns it creates, starts and destroys it; one thread of its own does the rest.
// Memory: 64 KiB for each connection, of which there are kMost at most.

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/expected.h"
#include "core/fs.h"

namespace av::isolation {

class PortBridge {
 public:
  static constexpr std::size_t kMost = 256;

  struct Way {
    UniqueFd listener;       // bound and listening, non-blocking
    std::uint16_t port = 0;  // on the other side
    // A fresh TCP socket of the other side, non-blocking; invalid when there is none to be had.
    // Called on the bridge's thread.
    std::function<UniqueFd()> socket;
  };

  // Connections wait until start().
  static Expected<std::unique_ptr<PortBridge>> create(std::vector<Way> ways);
  // Once, and when sockets of the other side are to be had: this would wait for one otherwise, and
  // its end for that.
  void start();
  ~PortBridge();  // cuts every connection
  PortBridge(const PortBridge&) = delete;
  PortBridge& operator=(const PortBridge&) = delete;

 private:
  PortBridge(std::vector<Way> ways, UniqueFd stop)
      : ways_(std::move(ways)), stop_(std::move(stop)) {}
  void serve();

  std::vector<Way> ways_;
  UniqueFd stop_;  // an eventfd: written to once
  std::thread thread_;
};

}  // namespace av::isolation
