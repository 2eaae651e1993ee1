#pragma once
// The proxy of a `serve` elsewhere: where it listens, and whose authority signs what it shows. The
// command of a run trusts that authority with all it sends and receives, so it is pinned: learnt
// once, over a connection that is itself to be trusted, and from then on it is that or nothing.

#include <cstdint>
#include <string>

#include "cmd/api_client.h"
#include "cmd/command.h"

namespace av::cmd {

struct RemoteProxy {
  std::string authority_pem;  // one certificate
  std::uint16_t port = 0;
  bool tls = false;  // its port takes connections with TLS
};

// `expected`: --ca-fingerprint, or empty. kCrypto: another authority than the one that is expected
// or was pinned. Says on stderr what it pins.
[[nodiscard]] Expected<RemoteProxy> meet_proxy(const Context& context, const Remote& remote,
                                               ApiClient& api, std::string_view expected);

// "AB:CD:..." of the first certificate in a PEM text; kInvalid when there is none.
[[nodiscard]] Expected<std::string> fingerprint_of_pem(std::string_view pem);
// What somebody typed, in that form; kUsage when it is no SHA-256.
[[nodiscard]] Expected<std::string> read_fingerprint(std::string_view text);

}  // namespace av::cmd
