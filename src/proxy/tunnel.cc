#include "proxy/tunnel.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <span>
#include <string_view>

namespace av::proxy {
namespace {

// A silent WebSocket is normal; one that is silent for this long is gone.
constexpr Millis kSilence{60 * 60'000};
constexpr Millis kLastWords{5'000};

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
    const Io io = co_await upstream.send_body(bytes, /*end=*/false, kNoFields);
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

// What the two directions know of each other.
struct Tunnel {
  explicit Tunnel(Executor ex) : executor(ex), up_done(ex), down_done(ex) {}
  Executor executor;
  std::uint64_t moved = 0;  // pieces, in either direction
  bool up_ended = false;
  bool down_ended = false;
  Signal up_done;
  Signal down_done;
};

// The next piece, as long as either direction is alive.
Awaitable<BodySource::Piece> next_piece(BodySource& source, Tunnel& tunnel) {
  for (;;) {
    const std::uint64_t seen = tunnel.moved;
    BodySource::Piece piece = co_await source.next(kSilence);
    if (piece.io == Io::kTimeout && tunnel.moved != seen && !tunnel.down_ended) {
      continue;
    }
    ++tunnel.moved;
    co_return piece;
  }
}

Awaitable<void> copy_up(Downstream& client, UpstreamExchange& upstream, ClientMessageFilter& filter,
                        Tunnel& tunnel) {
  BodySource& source = client.upgraded();
  ToServer sink(upstream);
  Turns turns(tunnel.executor);
  bool orderly = false;
  for (bool open = true; open;) {
    co_await turns.take();
    const BodySource::Piece piece = co_await next_piece(source, tunnel);
    const bool passed = co_await pass(filter, piece.data, sink);
    open = is_open(piece.state) && passed;
    orderly = passed && piece.state == BodySource::State::kEnd;
  }
  // After a close frame there is nothing more to say; but the server's answer to it may still be on
  // its way, and closing over it would take back what the client has sent.
  if (orderly && !tunnel.down_ended) {
    (void)co_await tunnel.down_done.wait(kLastWords);
  }
  upstream.abort();
  tunnel.up_ended = true;
  tunnel.up_done.notify();
}

Awaitable<void> copy_down(Downstream& client, UpstreamExchange& upstream,
                          ServerMessageFilter& filter, Tunnel& tunnel) {
  BodySource& source = upstream.upgraded();
  ToClient sink(client);
  Turns turns(tunnel.executor);
  Io io = co_await client.flush();
  for (bool open = io == Io::kOk; open;) {
    co_await turns.take();
    const BodySource::Piece piece = co_await next_piece(source, tunnel);
    const bool passed = co_await pass(filter, piece.data, sink);
    io = co_await client.flush();
    open = is_open(piece.state) && passed && io == Io::kOk;
  }
  tunnel.down_ended = true;
  tunnel.down_done.notify();
}

}  // namespace

Awaitable<void> tunnel_websocket(Executor executor, Downstream& client, UpstreamExchange& upstream,
                                 ClientMessageFilter& up, ServerMessageFilter& down) {
  Tunnel tunnel(executor);
  asio::co_spawn(executor, copy_up(client, upstream, up, tunnel), asio::detached);
  co_await copy_down(client, upstream, down, tunnel);
  if (up.status() != ClientMessageFilter::Status::kOk && down.active() && down.between_frames()) {
    SecretBuffer close;
    const bool policy = up.status() != ClientMessageFilter::Status::kProtocol;
    WebSocketFrameWriter(WebSocketSender::kServer)
        .append_close(close, policy ? 1008 : 1002, up.fault().code);
    (void)co_await client.put_body(close.view());
  }
  (void)co_await client.put_end(kNoFields);
  upstream.abort();
  while (!tunnel.up_ended) {
    client.hurry_body();
    (void)co_await tunnel.up_done.wait(DeadlineList::kTick);
  }
}

}  // namespace av::proxy
