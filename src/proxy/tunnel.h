#pragma once
// After a WebSocket handshake: bytes both ways until one side ends, each direction through its
// filter.

#include "proxy/downstream.h"
#include "proxy/upstream_exchange.h"
#include "proxy/websocket_filters.h"

namespace av::proxy {

// Until one side ends; the other is ended with it.
Awaitable<void> tunnel_websocket(Executor executor, Downstream& client, UpstreamExchange& upstream,
                                 ClientMessageFilter& up, ServerMessageFilter& down);

}  // namespace av::proxy
