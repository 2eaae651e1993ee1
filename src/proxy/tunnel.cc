#include "proxy/tunnel.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace av::proxy {
namespace {

// A silent WebSocket is normal; one that is silent for this long is gone.
constexpr Millis kSilence{60 * 60'000};

bool is_open(BodySource::State state) {
  return state == BodySource::State::kData;
}

// RFC 6455 section 7.4.1.
constexpr std::uint16_t kCloseProtocolError = 1002;
constexpr std::uint16_t kClosePolicy = 1008;

// From the client to the server, placeholders replaced or refused.
Awaitable<void> copy_up(Downstream& client, UpstreamExchange& upstream, ClientMessageFilter& filter,
                        bool& done, Signal& signal) {
  static const HeadText kNone;
  BodySource& source = client.upgraded();
  for (bool open = true; open;) {
    const BodySource::Piece piece = co_await source.next(kSilence);
    open = is_open(piece.state);
    Io io = Io::kOk;
    if (filter.active()) {
      filter.supply(piece.data);
      for (std::string_view out = filter.next(); !out.empty() && io == Io::kOk;
           out = filter.next()) {
        io = co_await upstream.send_body(out, /*end=*/false, kNone);
      }
      open = open && filter.status() == ClientMessageFilter::Status::kOk;
    } else {
      const std::string_view bytes(piece.data.data(), piece.data.size());
      io = co_await upstream.send_body(bytes, /*end=*/false, kNone);
    }
    open = open && io == Io::kOk;
  }
  // One direction's end ends both: after a close frame there is nothing more to say.
  upstream.abort();
  done = true;
  signal.notify();
}

// From the server to the client, values masked.
Awaitable<void> copy_down(Downstream& client, UpstreamExchange& upstream,
                          ServerMessageFilter& filter) {
  BodySource& source = upstream.upgraded();
  Io io = co_await client.flush();
  for (bool open = io == Io::kOk; open;) {
    const BodySource::Piece piece = co_await source.next(kSilence);
    open = is_open(piece.state);
    if (filter.active()) {
      filter.supply(piece.data);
      for (std::string_view out = filter.next(); !out.empty() && io == Io::kOk;
           out = filter.next()) {
        io = co_await client.put_body(out);
      }
      open = open && filter.status() == ServerMessageFilter::Status::kOk;
    } else {
      const std::string_view bytes(piece.data.data(), piece.data.size());
      io = co_await client.put_body(bytes);
    }
    open = open && io == Io::kOk;
    if (io == Io::kOk) {
      io = co_await client.flush();
    }
    open = open && io == Io::kOk;
  }
}

// Why the tunnel ends, where we are the ones who end it.
SecretBuffer farewell(const ClientMessageFilter& up, const ServerMessageFilter& down) {
  SecretBuffer out;
  WebSocketFrameWriter writer(WebSocketSender::kServer);
  if (up.status() == ClientMessageFilter::Status::kProtocol ||
      down.status() == ServerMessageFilter::Status::kProtocol) {
    writer.append_close(out, kCloseProtocolError, "malformed frame");
  } else if (up.status() != ClientMessageFilter::Status::kOk) {
    writer.append_close(out, kClosePolicy, up.fault().code);
  }
  return out;
}

}  // namespace

Awaitable<void> tunnel_websocket(Executor executor, Downstream& client, UpstreamExchange& upstream,
                                 ClientMessageFilter& up, ServerMessageFilter& down) {
  static const HeadText kNone;
  bool done = false;
  Signal signal(executor);
  asio::co_spawn(executor, copy_up(client, upstream, up, done, signal), asio::detached);
  co_await copy_down(client, upstream, down);
  const SecretBuffer last_word = farewell(up, down);
  if (!last_word.empty()) {
    (void)co_await client.put_body(last_word.view());
  }
  (void)co_await client.put_end(kNone);
  upstream.abort();
  while (!done) {
    client.hurry_body();
    (void)co_await signal.wait(DeadlineList::kTick);
  }
}

}  // namespace av::proxy
