#pragma once
// What an ssh client is told inside an isolated run, in its own protocol, so that it says it to the
// user: the server's version (RFC 4253 section 4.2), and a disconnect message (section 11.1) before
// any key is exchanged.

#include <string>
#include <string_view>

namespace av::proxy {

inline constexpr std::string_view kSshVersion = "SSH-2.0-agent_vault\r\n";

// What there is to say to it.
inline constexpr std::string_view kNoWayForSsh =
    "agent-vault: this run has no way out for ssh; use https, for git: git config --global "
    "url.https://github.com/.insteadOf git@github.com:";

// The packet, in clear as all are before the first key exchange (section 6).
[[nodiscard]] std::string ssh_disconnect(std::string_view words);

}  // namespace av::proxy
