#include "proxy/tunnel.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <span>
#include <string_view>

namespace av::proxy {
namespace {

// A silent WebSocket is normal; one that is silent for this long is gone.
constexpr Millis kSilence{60 * 60'000};

bool is_open(BodySource::State state) {
  return state == BodySource::State::kData;
}

// What one filter makes of one piece. False: the other side does not take it, or it was refused.
template <typename Filter, typename Sink>
Awaitable<bool> pass(Filter& filter, std::span<char> piece, Sink& sink) {
  if (!filter.active()) {
    const std::string_view bytes(piece.data(), piece.size());
    co_return co_await sink.put(bytes);
  }
  filter.supply(piece);
  for (std::string_view out = filter.next(); !out.empty(); out = filter.next()) {
    const bool taken = co_await sink.put(out);
    if (!taken) {
      co_return false;
    }
  }
  co_return filter.status() == Filter::Status::kOk;
}

struct ToServer {
  explicit ToServer(UpstreamExchange& exchange) : upstream(exchange) {}
  Awaitable<bool> put(std::string_view bytes) {
    static const HeadText kNone;
    const Io io = co_await upstream.send_body(bytes, /*end=*/false, kNone);
    co_return io == Io::kOk;
  }
  UpstreamExchange& upstream;
};

struct ToClient {
  explicit ToClient(Downstream& downstream) : client(downstream) {}
  Awaitable<bool> put(std::string_view bytes) {
    const Io io = co_await client.put_body(bytes);
    co_return io == Io::kOk;
  }
  Downstream& client;
};

Awaitable<void> copy_up(Downstream& client, UpstreamExchange& upstream, ClientMessageFilter& filter,
                        bool& done, Signal& signal) {
  BodySource& source = client.upgraded();
  ToServer sink(upstream);
  for (bool open = true; open;) {
    const BodySource::Piece piece = co_await source.next(kSilence);
    const bool passed = co_await pass(filter, piece.data, sink);
    open = is_open(piece.state) && passed;
  }
  // One direction's end ends both: after a close frame there is nothing more to say.
  upstream.abort();
  done = true;
  signal.notify();
}

Awaitable<void> copy_down(Downstream& client, UpstreamExchange& upstream,
                          ServerMessageFilter& filter) {
  BodySource& source = upstream.upgraded();
  ToClient sink(client);
  Io io = co_await client.flush();
  for (bool open = io == Io::kOk; open;) {
    const BodySource::Piece piece = co_await source.next(kSilence);
    const bool passed = co_await pass(filter, piece.data, sink);
    io = co_await client.flush();
    open = is_open(piece.state) && passed && io == Io::kOk;
  }
}

}  // namespace

Awaitable<void> tunnel_websocket(Executor executor, Downstream& client, UpstreamExchange& upstream,
                                 ClientMessageFilter& up, ServerMessageFilter& down) {
  static const HeadText kNone;
  bool done = false;
  Signal signal(executor);
  asio::co_spawn(executor, copy_up(client, upstream, up, done, signal), asio::detached);
  co_await copy_down(client, upstream, down);
  if (up.status() != ClientMessageFilter::Status::kOk && down.active() && down.between_frames()) {
    SecretBuffer close;
    const bool policy = up.status() != ClientMessageFilter::Status::kProtocol;
    WebSocketFrameWriter(WebSocketSender::kServer)
        .append_close(close, policy ? 1008 : 1002, up.fault().code);
    (void)co_await client.put_body(close.view());
  }
  (void)co_await client.put_end(kNone);
  upstream.abort();
  while (!done) {
    client.hurry_body();
    (void)co_await signal.wait(DeadlineList::kTick);
  }
}

}  // namespace av::proxy
