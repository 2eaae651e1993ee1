#pragma once
// ProxyRelay: a port of this machine whose connections are taken, byte for byte, to the proxy of a
// `serve` elsewhere. It reads nothing of what passes and holds nothing that would let it take part:
// it is there because programs reach a proxy in clear, and over a network nothing goes in clear.
//
// start() and the destructor belong to the thread that owns it; one thread of its own does the
// rest. Memory: 32 KiB for each connection, of which there are kMost at most.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/expected.h"
#include "core/fs.h"
#include "core/ossl.h"

namespace av::proxy {

struct RelayTarget {
  std::string host;  // a name or an address, without brackets
  std::uint16_t port = 0;
  // Trusts the authority of the server and nobody else. Null: in clear.
  ossl::SslCtx tls;
};

// A client's context for RelayTarget, which trusts this one certificate. kInvalid when it is none.
[[nodiscard]] Expected<ossl::SslCtx> relay_context(std::string_view authority_pem);

class ProxyRelay {
 public:
  static constexpr std::size_t kMost = 512;

  // `listener`: bound and listening, non-blocking.
  static Expected<std::unique_ptr<ProxyRelay>> start(UniqueFd listener, RelayTarget target);
  ~ProxyRelay();  // cuts every connection

 private:
  struct Impl;
  explicit ProxyRelay(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace av::proxy
