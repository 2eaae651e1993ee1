#pragma once
// The name server of an isolated run: one UDP socket, which the run's network leads every question
// to, whichever server it was meant for.

#include <string_view>

#include "core/fs.h"
#include "proxy/dns_message.h"
#include "proxy/io.h"
#include "proxy/name_pool.h"

namespace av::proxy {

// What is answered to a question. `localhost` and names under it (RFC 6761 section 6.3) are the
// run's own loopback; a name that no request could carry does not exist.
[[nodiscard]] DnsAnswer answer_name(const DnsQuestion& question, NamePool& names);

// Until the socket breaks. `socket`: bound, non-blocking, with IP_PKTINFO.
Awaitable<void> serve_names(Executor executor, UniqueFd socket, NamePool& names);

}  // namespace av::proxy
