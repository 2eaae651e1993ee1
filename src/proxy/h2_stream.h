#pragma once
// H2Stream: one stream of an HTTP/2 connection (RFC 9113 section 5) as the exchanges see it: heads
// and bytes that have come, bytes that are to go. The connection fills and drains it from the
// library's callbacks; one coroutine reads it and one writes it.
//
// Flow control is by hand: what has been received counts against the stream's window until the
// reader asks for more, so a slow reader holds its own stream back, no other, and nobody's memory
// grows.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/body.h"
#include "proxy/body_source.h"
#include "proxy/h2_head.h"
#include "proxy/head_text.h"
#include "proxy/io.h"

namespace av::proxy {

class H2Connection;

class H2Stream final : public BodySource {
 public:
  H2Stream(H2Connection& connection, std::int32_t id, Executor executor);
  ~H2Stream() override;
  H2Stream(const H2Stream&) = delete;
  H2Stream& operator=(const H2Stream&) = delete;

  // Reading the body.
  Awaitable<Piece> next(Millis timeout) override;
  bool poll(Piece& piece) override;
  [[nodiscard]] bool buffered() const override { return ended_in_; }
  // The reader has seen the end.
  [[nodiscard]] bool ended() const override { return ended_in_ && in_.empty(); }
  [[nodiscard]] bool trailers(std::vector<Field>& fields) const override;
  // Makes a read that is under way give up.
  void hurry() {
    hurried_ = true;
    readable_.notify();
  }

  // Until a head has come (kOk), or why not.
  Awaitable<Io> wait_head(Millis timeout);
  // The head that came first and has not been taken.
  struct Block {
    H2Head head;
    bool end = false;
  };
  [[nodiscard]] bool has_head() const { return !heads_.empty(); }
  Block take_head();

  // Sends bytes as DATA; returns when the connection has taken them. `end` closes our half, with
  // trailers if there are any (they are copied).
  Awaitable<Io> write(std::string_view bytes, bool end, const HeadText& trailers, Millis timeout);
  // The same, but ends early (kOk) when a head has come: whoever has answered may not want the
  // rest.
  Awaitable<Io> write_until_head(std::string_view bytes, bool end, Millis timeout);
  // Both directions at once. Nothing more is sent or delivered.
  void reset(std::uint32_t error_code);
  // Nobody reads or writes here any more. An end that is on its way still goes out, and only then
  // is the peer told that the rest of its half is not wanted (RFC 9113 section 8.1); without an end
  // the stream is broken off.
  void finish();
  // Called once if the stream ends before we have ended it, from inside the connection's run():
  // must not wait. Empty: nobody wants to know any more.
  void when_gone(std::function<void()> call) { when_gone_ = std::move(call); }

  // The peer, the connection or we have ended the stream before its time, or both halves are done.
  [[nodiscard]] bool closed() const { return closed_; }
  // Of RST_STREAM; 0 when there was none.
  [[nodiscard]] std::uint32_t error_code() const { return error_code_; }

 private:
  friend class H2Connection;
  void abandon();
  void on_closed(std::uint32_t error_code);
  void consume_current();
  Awaitable<Io> put(std::string_view bytes, bool end, const HeadText& trailers, Millis timeout);
  [[nodiscard]] Io why_broken() const;

  H2Connection* connection_;  // null once the connection has gone
  std::int32_t id_;

  // What the library delivers goes into in_; the reader works on current_, which then stays put.
  ReadBuffer in_;
  ReadBuffer current_;
  std::size_t unconsumed_ = 0;  // bytes of current_ that the window does not know to be free
  std::size_t taken_ = 0;       // bytes that the reader has done with
  bool grown_ = false;          // the window has
  std::deque<Block> heads_;
  H2Head collecting_;
  bool final_head_seen_ = false;  // the next block is the trailers
  std::string trailer_text_;
  std::vector<Field> trailers_;
  bool trailers_sound_ = true;
  bool ended_in_ = false;
  Signal readable_;

  std::string_view pending_;  // of the coroutine in write()
  bool end_pending_ = false;
  HeadText trailers_out_;
  bool writing_ = false;
  bool until_head_ = false;
  bool deferred_ = false;     // the library waits for bytes
  bool sent_end_ = false;     // the library has been given the end
  bool end_on_wire_ = false;  // and has written it
  bool finishing_ = false;
  Signal writable_;

  bool closed_ = false;
  bool abandoned_ = false;
  bool answered_ = false;  // a final head has gone out
  bool hurried_ = false;
  std::uint32_t error_code_ = 0;
  std::function<void()> when_gone_;
};
using H2StreamPtr = std::shared_ptr<H2Stream>;

}  // namespace av::proxy
