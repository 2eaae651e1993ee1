#pragma once
// H2Connection: HTTP/2 (RFC 9113) on one Stream, as server towards a client or as client towards an
// upstream. nghttp2 is the codec; this class owns its session, moves bytes between it and the
// socket, and keeps what a peer can make us hold or do within limits.
//
// run() is one coroutine for reading; it starts another for writing. Frames that are produced in
// one turn of the event loop go out in one write.

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>

#include "proxy/body.h"
#include "proxy/h2_stream.h"
#include "proxy/io.h"
#include "proxy/stream.h"

namespace av::proxy {

// What a peer may cost us.
struct H2Limits {
  std::uint32_t concurrent_streams = 128;
  // Bytes of each stream that are received and not yet passed on: at first, and once its reader has
  // shown that it keeps up.
  std::int32_t stream_window = 64 << 10;
  std::int32_t grown_window = 64 << 10;
  // Bytes in flight, of all streams. What has arrived counts against its stream alone, so a reader
  // that is stuck stops no other.
  std::int32_t connection_window = 128 * (64 << 10);
  int resets_burst = 200;  // RST_STREAM from the peer, refilled per second
  int resets_per_second = 50;
  int idle_frames_burst = 1000;  // frames that carry nothing: empty DATA, PING, SETTINGS, PRIORITY
  int idle_frames_per_second = 200;
  int continuations = 16;  // frames of one header block
};

// A bucket of tokens: how often something may happen.
class RateLimit {
 public:
  RateLimit(int burst, int per_second) : burst_(burst), per_second_(per_second), left_(burst) {}
  [[nodiscard]] bool allows(std::int64_t now_ms);
  // Once more, for something that makes it legitimate.
  void refund() { left_ += left_ < burst_ ? 1 : 0; }

 private:
  int burst_;
  int per_second_;
  std::int64_t left_;
  std::int64_t refilled_ms_ = 0;
};

class H2Connection {
 public:
  enum class Role : std::uint8_t { kServer, kClient };
  // Called for each request, on the worker, from inside run(), when all that was received with the
  // head has been taken in: a short message is complete then. Must not wait.
  using OnRequest = std::function<void(H2StreamPtr)>;

  // `stream`, `buffer` and `deadlines` must outlive the object.
  H2Connection(Role role, Executor executor, Stream& stream, ReadBuffer& buffer,
               const DeadlineList& deadlines, H2Limits limits, OnRequest on_request);
  ~H2Connection();
  H2Connection(const H2Connection&) = delete;
  H2Connection& operator=(const H2Connection&) = delete;

  // Until the connection has ended and every stream has been let go. `idle`: how long it may be
  // without streams.
  Awaitable<void> run(Millis idle);

  // Client: a new stream, or null when there is no room. `fields` of kind kHttp1Only are left out,
  // kSecret are never indexed. `end`: there is no body.
  struct RequestLine {
    std::string_view method;
    std::string_view scheme;
    std::string_view authority;
    std::string_view target;
  };
  [[nodiscard]] H2StreamPtr open(const RequestLine& line, const HeadText& fields, bool end);
  [[nodiscard]] bool can_open() const;
  // Client: until the server has said how many streams it takes, or the connection has ended.
  Awaitable<void> wait_ready(Millis timeout);
  // The server has ended the connection because it wants HTTP/1.1 (RFC 9113 section 7).
  [[nodiscard]] bool http1_required() const { return http1_required_; }
  // Server: the head of a response. `end`: there is no body. False when the stream has gone.
  bool respond(H2Stream& stream, int status, const HeadText& fields, bool end);
  bool respond_interim(H2Stream& stream, int status, const HeadText& fields);

  // No more streams; those under way may finish.
  void shut_down();
  // Ends at once: every stream breaks.
  void close();
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] std::size_t open_streams() const { return streams_.size(); }
  // Nothing has been received for this long.
  [[nodiscard]] std::int64_t silent_ms() const;
  // Asks for a sign of life; silent_ms() shows whether it came.
  void ping();

 private:
  friend class H2Stream;
  struct Callbacks;
  void start();
  Awaitable<void> write_loop();
  bool collect_output();
  void wake_writer() { writer_.notify(); }
  void fail(std::uint32_t error_code);
  void let_go_of_streams();
  [[nodiscard]] bool has_exchanges() const;
  void hand_over_requests();
  void resume(H2Stream& stream);
  void consumed(std::int32_t stream_id, std::size_t size);
  void grow_window(H2Stream& stream);
  void reset_stream(std::int32_t stream_id, std::uint32_t error_code);

  // From the library's callbacks.
  int on_begin_headers(const nghttp2_frame& frame);
  int on_header(const nghttp2_frame& frame, std::string_view name, std::string_view value);
  int on_begin_frame(const nghttp2_frame_hd& header);
  int on_frame(const nghttp2_frame& frame);
  int on_headers_done(const nghttp2_frame& frame);
  int on_data(std::int32_t stream_id, std::string_view bytes);
  int on_frame_sent(const nghttp2_frame& frame);
  int on_invalid_frame();
  int on_stream_close(std::int32_t stream_id, std::uint32_t error_code);
  ssize_t read_data(H2Stream& stream, std::uint8_t* out, std::size_t size, std::uint32_t& flags);

  Role role_;
  Executor executor_;
  Stream& stream_;
  ReadBuffer& buffer_;
  const DeadlineList& deadlines_;
  H2Limits limits_;
  OnRequest on_request_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, H2StreamPtr> streams_;
  std::vector<H2StreamPtr> left_behind_;  // the library still knows their addresses
  std::vector<H2StreamPtr> arrived_;      // requests of the bytes that are being taken in
  std::size_t held_ = 0;                  // bytes received that nobody has taken
  RateLimit resets_;
  RateLimit idle_frames_;
  int continuations_ = 0;
  SecretBuffer out_;
  Signal writer_;
  Signal drained_;
  Signal ready_;
  std::int64_t last_received_ms_ = 0;
  bool writer_running_ = false;
  bool reading_done_ = false;
  bool failing_ = false;
  bool closed_ = false;
  bool opened_ = false;         // a stream, at least
  bool settings_seen_ = false;  // the peer's
  bool http1_required_ = false;
};

}  // namespace av::proxy
