#include "proxy/h2_stream.h"

#include <algorithm>
#include <cstring>

#include "proxy/h2_connection.h"

namespace av::proxy {

H2Stream::H2Stream(H2Connection& connection, std::int32_t id, Executor executor)
    : connection_(&connection), id_(id), readable_(executor), writable_(executor) {}

H2Stream::~H2Stream() = default;

void H2Stream::consume_current() {
  if (unconsumed_ != 0 && connection_ != nullptr) {
    taken_ += unconsumed_;
    connection_->consumed(id_, unconsumed_);
    if (in_.empty() && !abandoned_) {
      connection_->grow_window(*this);
    }
  }
  unconsumed_ = 0;
}

bool H2Stream::poll(Piece& piece) {
  consume_current();
  current_.consume(current_.size());
  if (abandoned_) {
    // Bytes have been thrown away: what comes now, an end even, would look like all of it.
    current_.release();
    piece.state = State::kBroken;
    piece.io = Io::kClosed;
    return true;
  }
  if (!in_.empty()) {
    in_.swap(current_);
    unconsumed_ = current_.size();
    piece.data = {current_.data(), current_.size()};
    piece.state = ended_in_ ? State::kEnd : State::kData;
    return true;
  }
  current_.release();
  if (ended_in_) {
    piece.state = trailers_sound_ ? State::kEnd : State::kMalformed;
    return true;
  }
  if (closed_) {
    piece.state = State::kBroken;
    piece.io = why_broken();
    return true;
  }
  return false;
}

Awaitable<BodySource::Piece> H2Stream::next(Millis timeout) {
  Piece piece;
  while (!poll(piece)) {
    bool notified = false;
    if (!hurried_) {
      notified = co_await readable_.wait(timeout);
    }
    if (!notified || hurried_) {
      // What came with the last turn of the loop is still good.
      if (!poll(piece)) {
        piece.state = State::kBroken;
        piece.io = Io::kTimeout;
      }
      break;
    }
  }
  co_return piece;
}

bool H2Stream::trailers(std::vector<Field>& fields) const {
  fields = trailers_;
  return trailers_sound_;
}

Awaitable<Io> H2Stream::wait_head(Millis timeout) {
  while (heads_.empty()) {
    if (closed_ || abandoned_) {
      co_return why_broken();
    }
    const bool notified = co_await readable_.wait(timeout);
    if (!notified && heads_.empty()) {
      co_return closed_ || abandoned_ ? why_broken() : Io::kTimeout;
    }
  }
  co_return Io::kOk;
}

H2Stream::Block H2Stream::take_head() {
  Block block = std::move(heads_.front());
  heads_.pop_front();
  return block;
}

Awaitable<Io> H2Stream::write(std::string_view bytes, bool end, const HeadText& trailers,
                              Millis timeout) {
  if (closed_ || abandoned_ || connection_ == nullptr) {
    co_return why_broken();
  }
  if (bytes.empty() && !end) {
    co_return Io::kOk;
  }
  until_head_ = false;
  co_return co_await put(bytes, end, trailers, timeout);
}

Awaitable<Io> H2Stream::write_until_head(std::string_view bytes, bool end, Millis timeout) {
  if (closed_ || abandoned_ || connection_ == nullptr) {
    co_return has_head() ? Io::kOk : why_broken();
  }
  if (bytes.empty() && !end) {
    co_return Io::kOk;
  }
  until_head_ = true;
  const Io io = co_await put(bytes, end, kNoFields, timeout);
  co_return has_head() ? Io::kOk : io;
}

Awaitable<Io> H2Stream::put(std::string_view bytes, bool end, const HeadText& trailers,
                            Millis timeout) {
  pending_ = bytes;
  end_pending_ = end;
  if (end) {
    trailers_out_.append(trailers);
  }
  writing_ = true;
  connection_->resume(*this);
  Io io = Io::kOk;
  while (writing_) {
    if (closed_ || abandoned_) {
      io = why_broken();
      break;
    }
    if (until_head_ && has_head()) {
      break;
    }
    const bool notified = co_await writable_.wait(timeout);
    if (!notified && writing_ && !closed_) {
      io = Io::kTimeout;
      break;
    }
  }
  if (writing_) {
    // Not all of it has gone: what is left must never look like the end.
    end_pending_ = false;
    trailers_out_.clear();
  }
  pending_ = {};
  writing_ = false;
  co_return io;
}

void H2Stream::reset(std::uint32_t error_code) {
  if (connection_ != nullptr && !closed_) {
    connection_->reset_stream(id_, error_code);
  }
  abandon();
}

void H2Stream::finish() {
  if (connection_ != nullptr && !closed_ && !(sent_end_ && ended_in_)) {
    if (!sent_end_) {
      connection_->reset_stream(id_, NGHTTP2_INTERNAL_ERROR);
    } else if (end_on_wire_) {
      connection_->reset_stream(id_, NGHTTP2_NO_ERROR);
    } else {
      finishing_ = true;  // the library would drop the end in favour of the reset
    }
  }
  abandon();
  current_.consume(current_.size());
  current_.release();
}

// May happen in one coroutine while another works on what it got from next(): that piece stays.
void H2Stream::abandon() {
  abandoned_ = true;
  consume_current();
  if (connection_ != nullptr && !in_.empty()) {
    connection_->consumed(id_, in_.size());
  }
  in_.consume(in_.size());
  in_.release();
  readable_.notify();
  writable_.notify();
}

void H2Stream::on_closed(std::uint32_t error_code) {
  closed_ = true;
  error_code_ = error_code;
  readable_.notify();
  writable_.notify();
  if (when_gone_ && !sent_end_) {
    const std::function<void()> call = std::move(when_gone_);
    when_gone_ = nullptr;
    call();
  }
}

Io H2Stream::why_broken() const {
  return connection_ == nullptr || error_code_ == NGHTTP2_NO_ERROR ? Io::kClosed : Io::kReset;
}

}  // namespace av::proxy
