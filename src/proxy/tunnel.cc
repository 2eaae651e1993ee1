#include "proxy/tunnel.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <optional>

namespace av::proxy {
namespace {

// A silent WebSocket is normal; one that is silent for this long is gone.
constexpr Millis kSilence{60 * 60'000};

struct Direction {
  Stream& from;
  ReadBuffer& buffer;
  Stream& to;
};

Awaitable<void> copy_plain(Direction way, bool& done, Timer& signal) {
  for (;;) {
    if (way.buffer.empty()) {
      const Io io = co_await fill(way.from, way.buffer, kSilence);
      if (io != Io::kOk) {
        break;
      }
    }
    const std::string_view bytes = way.buffer.view();
    const Io io = co_await way.to.write_all(bytes, kSilence);
    if (io != Io::kOk) {
      break;
    }
    way.buffer.consume(bytes.size());
  }
  // One direction's end ends both: after a close frame there is nothing more to say.
  way.to.close();
  way.from.close();
  done = true;
  signal.cancel();
}

Awaitable<std::uint64_t> copy_scrubbed(Direction way, const PatternSet* patterns) {
  std::optional<Scrubber> scrubber;
  if (patterns != nullptr && !patterns->empty()) {
    scrubber.emplace(*patterns);
  }
  FrameTracker frames;
  std::uint64_t sent = 0;
  for (;;) {
    if (way.buffer.empty()) {
      const Io io = co_await fill(way.from, way.buffer, kSilence);
      if (io != Io::kOk) {
        break;
      }
    }
    const std::span<char> data(way.buffer.data(), way.buffer.size());
    std::string out;
    if (scrubber) {
      const std::size_t whole = frames.through_last_message(data);
      if (whole != 0) {
        out += scrubber->feed(data.first(whole), /*last=*/true);
      }
      out += scrubber->feed(data.subspan(whole), /*last=*/false);
    }
    const std::string_view bytes = scrubber ? std::string_view(out) : way.buffer.view();
    const Io io = co_await way.to.write_all(bytes, kSilence);
    if (io != Io::kOk) {
      break;
    }
    sent += bytes.size();
    way.buffer.consume(data.size());
  }
  way.to.close();
  way.from.close();
  co_return sent;
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

Awaitable<std::uint64_t> tunnel_websocket(Executor executor, Stream& client,
                                          ReadBuffer& client_buffer, Stream& upstream,
                                          ReadBuffer& upstream_buffer, const PatternSet* patterns) {
  bool done = false;
  Timer signal(executor);
  const Direction up{client, client_buffer, upstream};
  const Direction down{upstream, upstream_buffer, client};
  asio::co_spawn(executor, copy_plain(up, done, signal), asio::detached);
  const std::uint64_t sent = co_await copy_scrubbed(down, patterns);
  while (!done) {
    co_await sleep_for(signal, kSilence);
  }
  co_return sent;
}

}  // namespace av::proxy
