// What the library reports to an H2Connection, and what it asks for.
#include <algorithm>
#include <cstring>

#include "proxy/h2_connection.h"
#include "proxy/h2_fields.h"

namespace av::proxy {
namespace {

constexpr std::size_t kMaxQueuedHeads = 16;

}  // namespace

int H2Connection::on_begin_frame(const nghttp2_frame_hd& header) {
  // A header block in endless pieces (CVE-2024-27316 and its relatives).
  continuations_ = header.type == NGHTTP2_CONTINUATION ? continuations_ + 1 : 0;
  if (continuations_ > limits_.continuations) {
    fail(NGHTTP2_ENHANCE_YOUR_CALM);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  return 0;
}

int H2Connection::on_begin_headers(const nghttp2_frame& frame) {
  const std::int32_t id = frame.hd.stream_id;
  if (role_ == Role::kServer && frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
    streams_.emplace(id, std::make_shared<H2Stream>(*this, id, executor_));
  }
  const auto found = streams_.find(id);
  if (found != streams_.end()) {
    found->second->collecting_.clear();
  }
  return 0;
}

int H2Connection::on_header(const nghttp2_frame& frame, std::string_view name,
                            std::string_view value) {
  const auto found = streams_.find(frame.hd.stream_id);
  if (found != streams_.end()) {
    // What is too large is answered (431) when the block has ended; nothing more is kept.
    (void)found->second->collecting_.add(name, value);
  }
  return 0;
}

int H2Connection::on_headers_done(const nghttp2_frame& frame) {
  const auto found = streams_.find(frame.hd.stream_id);
  if (found == streams_.end()) {
    return 0;
  }
  const H2StreamPtr stream = found->second;
  const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (stream->final_head_seen_) {
    stream->trailers_sound_ =
        stream->collecting_.to_trailers(stream->trailer_text_, stream->trailers_);
  } else {
    stream->final_head_seen_ = role_ == Role::kServer || !stream->collecting_.is_interim();
    H2Stream::Block block;
    block.head = std::move(stream->collecting_);
    block.end = end;
    stream->heads_.push_back(std::move(block));
    if (stream->heads_.size() > kMaxQueuedHeads) {
      reset_stream(stream->id_, NGHTTP2_ENHANCE_YOUR_CALM);
    }
  }
  stream->collecting_.clear();
  stream->ended_in_ = stream->ended_in_ || end;
  stream->readable_.notify();
  if (stream->until_head_) {
    stream->writable_.notify();
  }
  if (role_ == Role::kServer && frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
    arrived_.push_back(stream);
  }
  return 0;
}

int H2Connection::on_frame(const nghttp2_frame& frame) {
  bool calm = true;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      return on_headers_done(frame);
    case NGHTTP2_DATA: {
      const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
      const auto found = streams_.find(frame.hd.stream_id);
      if (end && found != streams_.end()) {
        found->second->ended_in_ = true;
        found->second->readable_.notify();
      }
      calm = end || frame.hd.length > frame.data.padlen || idle_frames_.allows(deadlines_.now_ms());
      break;
    }
    case NGHTTP2_RST_STREAM:
      // Streams that are opened only to be taken back (CVE-2023-44487).
      calm = role_ == Role::kClient || resets_.allows(deadlines_.now_ms());
      break;
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PRIORITY:
      if (frame.hd.type == NGHTTP2_SETTINGS && (frame.hd.flags & NGHTTP2_FLAG_ACK) == 0) {
        settings_seen_ = true;
        ready_.notify();
      }
      calm = (frame.hd.flags & NGHTTP2_FLAG_ACK) != 0 || idle_frames_.allows(deadlines_.now_ms());
      break;
    case NGHTTP2_GOAWAY:
      http1_required_ = frame.goaway.error_code == NGHTTP2_HTTP_1_1_REQUIRED;
      break;
    default:
      break;
  }
  if (!calm) {
    fail(NGHTTP2_ENHANCE_YOUR_CALM);
  }
  return 0;
}

int H2Connection::on_frame_sent(const nghttp2_frame& frame) {
  const bool ends = (frame.hd.type == NGHTTP2_DATA || frame.hd.type == NGHTTP2_HEADERS) &&
                    (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  const auto found = ends ? streams_.find(frame.hd.stream_id) : streams_.end();
  if (found != streams_.end()) {
    found->second->end_on_wire_ = true;
    if (found->second->finishing_) {
      reset_stream(frame.hd.stream_id, NGHTTP2_NO_ERROR);
    }
  }
  return 0;
}

// Making us reset streams frees places for new ones just as taking them back does
// (CVE-2025-8671).
int H2Connection::on_invalid_frame() {
  if (role_ == Role::kServer && !resets_.allows(deadlines_.now_ms())) {
    fail(NGHTTP2_ENHANCE_YOUR_CALM);
  }
  return 0;
}

int H2Connection::on_data(std::int32_t stream_id, std::string_view bytes) {
  held_ += bytes.size();
  // The connection's window is for what is in flight; the stream's bounds what is kept here.
  (void)nghttp2_session_consume_connection(session_, bytes.size());
  const auto found = streams_.find(stream_id);
  if (found == streams_.end() || found->second->abandoned_) {
    consumed(stream_id, bytes.size());
    return 0;
  }
  H2Stream& stream = *found->second;
  while (!bytes.empty()) {
    const std::span<char> space = stream.in_.space();
    const std::size_t take = std::min(space.size(), bytes.size());
    std::memcpy(space.data(), bytes.data(), take);
    stream.in_.filled(take);
    bytes.remove_prefix(take);
  }
  stream.readable_.notify();
  return 0;
}

int H2Connection::on_stream_close(std::int32_t stream_id, std::uint32_t error_code) {
  const auto found = streams_.find(stream_id);
  if (found == streams_.end()) {
    return 0;
  }
  const H2StreamPtr stream = found->second;
  streams_.erase(found);
  stream->on_closed(error_code);
  return 0;
}

ssize_t H2Connection::read_data(H2Stream& stream, std::uint8_t* out, std::size_t size,
                                std::uint32_t& flags) {
  if (stream.pending_.empty() && !stream.end_pending_) {
    stream.deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  const std::size_t take = std::min(size, stream.pending_.size());
  std::copy_n(stream.pending_.data(), take, out);
  stream.pending_.remove_prefix(take);
  idle_frames_.refund();  // whoever measures the path answers data with a PING
  if (!stream.pending_.empty()) {
    return static_cast<ssize_t>(take);
  }
  if (stream.end_pending_) {
    flags |= NGHTTP2_DATA_FLAG_EOF;
    stream.sent_end_ = true;
    if (stream.trailers_out_.size() != 0) {
      flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      H2Fields list(stream.trailers_out_.size());
      list.add_all(stream.trailers_out_);
      (void)nghttp2_submit_trailer(session_, stream.id_, list.data(), list.size());
    }
  }
  stream.writing_ = false;
  stream.writable_.notify();
  return static_cast<ssize_t>(take);
}

}  // namespace av::proxy
