#pragma once
// One connection to an upstream, made by the Connector, kept by the UpstreamPool.

#include <cstdint>
#include <memory>
#include <string>

#include "proxy/body.h"
#include "proxy/io.h"
#include "proxy/stream.h"

namespace av::proxy {

// What is offered in ALPN (RFC 7301). A server that knows none of it answers with an alert:
// `upstream_alpn`.
enum class AlpnOffer : std::uint8_t { kHttp1, kHttp2, kHttp2OrHttp1 };

struct UpstreamConnection {
  UpstreamConnection(Executor executor, DeadlineList& deadlines) : stream(executor, deadlines) {}
  Stream stream;
  ReadBuffer buffer;
  std::string key;      // of the pool
  std::string address;  // "192.0.2.1:443"; "192.0.2.1:3128 (proxy)" behind the user's own proxy
  bool http2 = false;   // chosen in ALPN
  bool reused = false;
  std::int64_t idle_since_ms = 0;
};
using UpstreamPtr = std::unique_ptr<UpstreamConnection>;

}  // namespace av::proxy
