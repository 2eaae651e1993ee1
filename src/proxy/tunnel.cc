#include "proxy/tunnel.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <optional>

namespace av::proxy {
namespace {

// A silent WebSocket is normal; one that is silent for this long is gone.
constexpr Millis kSilence{60 * 60'000};

bool is_open(BodySource::State state) {
  return state == BodySource::State::kData;
}

// From the client to the server, as it comes.
Awaitable<void> copy_up(Downstream& client, UpstreamExchange& upstream, bool& done,
                        Signal& signal) {
  static const HeadText kNone;
  BodySource& source = client.upgraded();
  for (bool open = true; open;) {
    const BodySource::Piece piece = co_await source.next(kSilence);
    open = is_open(piece.state);
    const std::string_view bytes(piece.data.data(), piece.data.size());
    const Io io = co_await upstream.send_body(bytes, /*end=*/false, kNone);
    open = open && io == Io::kOk;
  }
  // One direction's end ends both: after a close frame there is nothing more to say.
  upstream.abort();
  done = true;
  signal.notify();
}

// From the server to the client, values masked.
Awaitable<void> copy_down(Downstream& client, UpstreamExchange& upstream,
                          const PatternSet* patterns) {
  static const HeadText kNone;
  std::optional<Scrubber> scrubber;
  if (patterns != nullptr && !patterns->empty()) {
    scrubber.emplace(*patterns);
  }
  FrameTracker frames;
  BodySource& source = upstream.upgraded();
  Io io = co_await client.flush();
  for (bool open = io == Io::kOk; open;) {
    const BodySource::Piece piece = co_await source.next(kSilence);
    open = is_open(piece.state);
    if (scrubber) {
      std::string out;
      const std::size_t whole = frames.through_last_message(piece.data);
      if (whole != 0) {
        out += scrubber->feed(piece.data.first(whole), /*last=*/true);
      }
      out += scrubber->feed(piece.data.subspan(whole), /*last=*/false);
      io = co_await client.put_body(out);
    } else {
      const std::string_view bytes(piece.data.data(), piece.data.size());
      io = co_await client.put_body(bytes);
    }
    open = open && io == Io::kOk;
    io = co_await client.flush();
    open = open && io == Io::kOk;
  }
  (void)co_await client.put_end(kNone);
}

}  // namespace

std::size_t FrameTracker::through_last_message(std::span<const char> data) {
  std::size_t last = 0;
  std::size_t i = 0;
  while (i < data.size()) {
    if (in_payload_) {
      const std::uint64_t take = std::min<std::uint64_t>(payload_, data.size() - i);
      payload_ -= take;
      i += static_cast<std::size_t>(take);
    } else {
      const auto byte = static_cast<unsigned char>(data[i++]);
      ++header_seen_;
      if (header_seen_ == 1) {
        final_ = (byte & 0x80U) != 0;
      } else if (header_seen_ == 2) {
        const unsigned length = byte & 0x7fU;
        length_bytes_ = length == 127 ? 8 : length == 126 ? 2 : 0;
        payload_ = length_bytes_ == 0 ? length : 0;
        header_needed_ = 2 + length_bytes_ + ((byte & 0x80U) != 0 ? 4U : 0U);
      } else if (header_seen_ <= 2 + length_bytes_) {
        payload_ = payload_ << 8U | byte;
      }
      in_payload_ = header_seen_ >= 2 && header_seen_ == header_needed_;
    }
    if (in_payload_ && payload_ == 0) {
      if (final_) {
        last = i;
      }
      in_payload_ = false;
      header_seen_ = 0;
      header_needed_ = 2;
    }
  }
  return last;
}

Awaitable<void> tunnel_websocket(Executor executor, Downstream& client, UpstreamExchange& upstream,
                                 const PatternSet* patterns) {
  bool done = false;
  Signal signal(executor);
  asio::co_spawn(executor, copy_up(client, upstream, done, signal), asio::detached);
  co_await copy_down(client, upstream, patterns);
  upstream.abort();
  while (!done) {
    client.hurry_body();
    (void)co_await signal.wait(DeadlineList::kTick);
  }
}

}  // namespace av::proxy
