#pragma once
// The proof in the opening handshake of a WebSocket that the server understood it (RFC 6455 section
// 4.1). Clients of HTTP/1.1 send and check their own; over HTTP/2 (RFC 8441) there is none, and the
// proxy makes one towards a server of HTTP/1.1.

#include <string>
#include <string_view>

#include "proxy/head.h"

namespace av::proxy {

// A fresh Sec-WebSocket-Key: 16 random bytes. Not a secret.
[[nodiscard]] std::string make_websocket_key();
// True when the response has the one Sec-WebSocket-Accept that answers this key.
[[nodiscard]] bool accepts_websocket_key(const ResponseHead& response, std::string_view key);

// What is wrong with a response as the answer to an upgrade, or with one that pretends to be; null:
// nothing. `own_key`: the key that we made, empty when the client did.
[[nodiscard]] const char* wrong_upgrade(const RequestHead& asked, const ResponseHead& response,
                                        std::string_view own_key);

}  // namespace av::proxy
