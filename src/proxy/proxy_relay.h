#pragma once
// ProxyRelay: a port of this machine whose connections are taken, byte for byte, to the proxy of a
// `serve` elsewhere. It reads nothing of what passes: it is there because programs reach a proxy in
// clear, and over a network nothing goes in clear.
//
// In an isolated run it is the run's whole network besides: it answers questions for names, and for
// programs that know of no proxy it asks that proxy for a tunnel to where they wanted to go, as who
// the command is anyway.
//
// start() and the destructor belong to the thread that owns it; one thread of its own does the
// rest. Memory: 32 KiB for each connection, of which there are kMost at most.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/fs.h"
#include "core/ossl.h"
#include "core/secret.h"

namespace av::proxy {

struct RelayTarget {
  std::string host;  // a name or an address, without brackets
  std::uint16_t port = 0;
  // Trusts the authority of the server and nobody else. Null: in clear.
  ossl::SslCtx tls;
  // Who the proxy takes the command for, "TOKEN:VAULT"; where there are `direct` sockets.
  SecretBuffer user;
};

// A client's context for RelayTarget, which trusts this one certificate. kInvalid when it is none.
[[nodiscard]] Expected<ossl::SslCtx> relay_context(std::string_view authority_pem);

// What is listened on, all non-blocking; all but `proxy` only where the run has a network of its
// own.
struct RelaySockets {
  std::vector<UniqueFd> proxy;
  std::vector<UniqueFd> direct;  // ports of every address: whoever connects takes us for the server
  std::vector<UniqueFd> ssh;
  UniqueFd names;  // as serve_names() wants it
};

class ProxyRelay {
 public:
  static constexpr std::size_t kMost = 512;

  static Expected<std::unique_ptr<ProxyRelay>> start(RelaySockets sockets, RelayTarget target);
  ~ProxyRelay();  // cuts every connection

 private:
  struct Impl;
  explicit ProxyRelay(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace av::proxy
