#pragma once
// After a WebSocket handshake: bytes both ways until one side ends, through the filters of their
// directions.

#include "proxy/downstream.h"
#include "proxy/upstream_exchange.h"
#include "proxy/websocket_filters.h"

namespace av::proxy {

// Until one side ends or a filter fails; the other side is ended with it. The client hears why when
// its messages were refused and it is between two frames of the server.
Awaitable<void> tunnel_websocket(Executor executor, Downstream& client, UpstreamExchange& upstream,
                                 ClientMessageFilter& up, ServerMessageFilter& down);

}  // namespace av::proxy
