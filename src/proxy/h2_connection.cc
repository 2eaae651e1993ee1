#include "proxy/h2_connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstdlib>
#include <cstring>

#include "proxy/h2_fields.h"
#include "proxy/wiping_memory.h"

namespace av::proxy {
namespace {

constexpr std::size_t kWriteBatch = std::size_t{64} << 10;
constexpr std::size_t kMaxQueuedFrames = 256;
constexpr std::size_t kMaxQueuedInterim = 64;
constexpr std::size_t kMaxSentHead = std::size_t{8} << 20;
constexpr Millis kWriteStall{5 * 60'000};
constexpr Millis kLongWait{60 * 60'000};
constexpr Millis kLastWrite{2'000};

}  // namespace

bool RateLimit::allows(std::int64_t now_ms) {
  // A second at a time: fractions would be lost to rounding.
  const std::int64_t seconds = (now_ms - refilled_ms_) / 1000;
  if (seconds > 0) {
    left_ = std::min<std::int64_t>(burst_, left_ + seconds * per_second_);
    refilled_ms_ += seconds * 1000;
  }
  return left_-- > 0;
}

struct H2Connection::Callbacks {
  static H2Connection& self(void* user) { return *static_cast<H2Connection*>(user); }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return self(user).on_begin_headers(*frame);
  }
  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                    std::uint8_t /*flags*/, void* user) {
    return self(user).on_header(*frame,
                                std::string_view(reinterpret_cast<const char*>(name), name_size),
                                std::string_view(reinterpret_cast<const char*>(value), value_size));
  }
  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* header, void* user) {
    return self(user).on_begin_frame(*header);
  }
  static int frame_recv(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return self(user).on_frame(*frame);
  }
  static int data_chunk(nghttp2_session*, std::uint8_t /*flags*/, std::int32_t stream_id,
                        const std::uint8_t* data, std::size_t size, void* user) {
    return self(user).on_data(stream_id,
                              std::string_view(reinterpret_cast<const char*>(data), size));
  }
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return self(user).on_frame_sent(*frame);
  }
  static int invalid_frame(nghttp2_session*, const nghttp2_frame*, int /*error*/, void* user) {
    return self(user).on_invalid_frame();
  }
  static int stream_close(nghttp2_session*, std::int32_t stream_id, std::uint32_t error_code,
                          void* user) {
    return self(user).on_stream_close(stream_id, error_code);
  }
  static ssize_t read(nghttp2_session*, std::int32_t /*stream_id*/, std::uint8_t* out,
                      std::size_t size, std::uint32_t* flags, nghttp2_data_source* source,
                      void* user) {
    return self(user).read_data(*static_cast<H2Stream*>(source->ptr), out, size, *flags);
  }

  static nghttp2_data_provider provider(H2Stream& stream) {
    nghttp2_data_provider provider{};
    provider.source.ptr = &stream;
    provider.read_callback = read;
    return provider;
  }
};

H2Connection::H2Connection(Role role, Executor executor, Stream& stream, ReadBuffer& buffer,
                           const DeadlineList& deadlines, H2Limits limits, OnRequest on_request)
    : role_(role),
      executor_(executor),
      stream_(stream),
      buffer_(buffer),
      deadlines_(deadlines),
      limits_(limits),
      on_request_(std::move(on_request)),
      resets_(limits.resets_burst, limits.resets_per_second),
      idle_frames_(limits.idle_frames_burst, limits.idle_frames_per_second),
      writer_(executor),
      drained_(executor),
      ready_(executor),
      last_received_ms_(deadlines.now_ms()) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) {
    std::abort();  // out of memory
  }
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, Callbacks::begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::header);
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, Callbacks::begin_frame);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::frame_recv);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::data_chunk);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, Callbacks::frame_sent);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, Callbacks::invalid_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::stream_close);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);  // priorities are ignored: nothing to remember
  nghttp2_option_set_max_outbound_ack(option, 256);
  // Rendered, a head may be larger than any that we take: values have up to a mebibyte.
  nghttp2_option_set_max_send_header_block_length(option, kMaxSentHead);
  nghttp2_mem memory = wiping_memory();
  const int made = role == Role::kServer
                       ? nghttp2_session_server_new3(&session_, callbacks, this, option, nullptr)
                       : nghttp2_session_client_new3(&session_, callbacks, this, option, &memory);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  if (made != 0) {
    std::abort();  // out of memory
  }
  start();
}

H2Connection::~H2Connection() {
  let_go_of_streams();
  nghttp2_session_del(session_);
}

void H2Connection::start() {
  std::array<nghttp2_settings_entry, 5> settings{};
  std::size_t count = 0;
  const auto set = [&](std::int32_t id, std::uint32_t value) {
    settings[count].settings_id = id;
    settings[count++].value = value;
  };
  set(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(limits_.stream_window));
  set(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(kMaxHeadSize));
  if (role_ == Role::kServer) {
    set(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.concurrent_streams);
    set(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);  // RFC 8441
    set(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1);
  } else {
    set(NGHTTP2_SETTINGS_ENABLE_PUSH, 0);
  }
  (void)nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), count);
  (void)nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                              limits_.connection_window);
}

Awaitable<void> H2Connection::run(Millis idle) {
  writer_running_ = true;
  asio::co_spawn(executor_, write_loop(), asio::detached);
  Turns turns(executor_);
  while (!closed_ && !failing_) {
    co_await turns.take();
    if (buffer_.empty()) {
      if (nghttp2_session_want_read(session_) == 0) {
        break;  // the last word has been said while others had their turn
      }
      buffer_.release();
      const Io io = co_await fill(stream_, buffer_, idle);
      const bool over = nghttp2_session_want_read(session_) == 0;
      if (io == Io::kTimeout && !over && has_exchanges()) {
        continue;
      }
      if (io != Io::kOk || over) {
        break;
      }
    }
    last_received_ms_ = deadlines_.now_ms();
    const ssize_t taken = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const std::uint8_t*>(buffer_.data()), buffer_.size());
    buffer_.consume(buffer_.size());
    hand_over_requests();
    wake_writer();
    if (taken < 0 && taken != NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
      // The library's own limits: acknowledgements that nobody reads, frames of one header block.
      fail(NGHTTP2_ENHANCE_YOUR_CALM);
    }
    if (taken < 0 || nghttp2_session_want_read(session_) == 0) {
      break;
    }
    // A peer that does not read what it makes us say is not read either.
    while (!closed_ && nghttp2_session_get_outbound_queue_size(session_) > kMaxQueuedFrames) {
      const bool drained = co_await drained_.wait(kWriteStall);
      if (!drained) {
        close();
      }
    }
  }
  if (!closed_ && nghttp2_session_want_read(session_) != 0) {
    (void)nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
  }
  reading_done_ = true;
  let_go_of_streams();
  wake_writer();
  for (bool in_time = true; writer_running_ && in_time;) {
    in_time = co_await drained_.wait(kLastWrite);
  }
  close();
  while (writer_running_) {
    (void)co_await drained_.wait(kLongWait);
  }
}

// Streams whose head is complete; one that waits for the rest of its head keeps nothing open.
bool H2Connection::has_exchanges() const {
  return std::any_of(streams_.begin(), streams_.end(), [this](const auto& item) {
    return role_ == Role::kClient || item.second->final_head_seen_;
  });
}

void H2Connection::hand_over_requests() {
  for (H2StreamPtr& stream : arrived_) {
    if (stream->closed_) {
      stream->abandon();  // taken back already
    } else {
      on_request_(std::move(stream));
    }
  }
  arrived_.clear();
}

// Moves frames from the library into out_. False when the library has failed.
bool H2Connection::collect_output() {
  while (out_.size() < kWriteBatch) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size < 0) {
      return false;
    }
    if (size == 0) {
      return true;
    }
    out_.append(
        std::string_view(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size)));
  }
  return true;
}

Awaitable<void> H2Connection::write_loop() {
  while (!closed_) {
    if (!collect_output()) {
      break;
    }
    if (out_.empty()) {
      if (reading_done_) {
        break;
      }
      if (nghttp2_session_want_read(session_) == 0) {
        stream_.hurry_read();  // the last word has been said; the reader may end
      }
      (void)co_await writer_.wait(kLongWait);
      continue;
    }
    const Io io = co_await stream_.write_all(out_.view(), kWriteStall);
    out_.clear();
    drained_.notify();
    if (io != Io::kOk) {
      break;
    }
  }
  writer_running_ = false;
  if (!reading_done_) {
    close();  // the reader notices
  }
  drained_.notify();
}

void H2Connection::let_go_of_streams() {
  for (auto& [id, stream] : streams_) {
    stream->connection_ = nullptr;
    stream->on_closed(NGHTTP2_NO_ERROR);
    left_behind_.push_back(std::move(stream));
  }
  streams_.clear();
  ready_.notify();
}

void H2Connection::close() {
  if (!closed_) {
    closed_ = true;
    stream_.close();
    writer_.notify();
    drained_.notify();
  }
}

void H2Connection::fail(std::uint32_t error_code) {
  failing_ = true;  // nothing more is read
  (void)nghttp2_session_terminate_session(session_, error_code);
  wake_writer();
}

void H2Connection::shut_down() {
  if (!closed_) {
    (void)nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                                nullptr, 0);
    wake_writer();
  }
}

std::int64_t H2Connection::silent_ms() const {
  return deadlines_.now_ms() - last_received_ms_;
}

void H2Connection::ping() {
  if (!closed_) {
    (void)nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    wake_writer();
  }
}

bool H2Connection::can_open() const {
  const std::uint32_t theirs =
      nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return !closed_ && !reading_done_ && nghttp2_session_check_request_allowed(session_) != 0 &&
         // Until the server has said how many it takes, one; more could be refused.
         (settings_seen_ || !opened_) &&
         // Slow readers hold much on this connection: its bytes come in one line, others go
         // elsewhere.
         held_ < static_cast<std::size_t>(limits_.connection_window) / 2 &&
         streams_.size() < std::min(theirs, limits_.concurrent_streams);
}

Awaitable<void> H2Connection::wait_ready(Millis timeout) {
  bool notified = true;
  while (notified && !settings_seen_ && !reading_done_ && !closed_) {
    notified = co_await ready_.wait(timeout);
  }
}

H2StreamPtr H2Connection::open(const RequestLine& line, const HeadText& fields, bool end) {
  if (!can_open()) {
    return nullptr;
  }
  H2Fields list(fields.size() + 4);
  list.add(":method", line.method);
  list.add(":scheme", line.scheme);
  list.add(":authority", line.authority);
  // The target may carry a credential.
  list.add(":path", line.target, NGHTTP2_NV_FLAG_NO_INDEX);
  list.add_all(fields);
  auto stream = std::make_shared<H2Stream>(*this, 0, executor_);
  const nghttp2_data_provider provider = Callbacks::provider(*stream);
  const std::int32_t id = nghttp2_submit_request(session_, nullptr, list.data(), list.size(),
                                                 end ? nullptr : &provider, nullptr);
  if (id < 0) {
    return nullptr;
  }
  opened_ = true;
  stream->id_ = id;
  stream->sent_end_ = end;
  streams_.emplace(id, stream);
  wake_writer();
  return stream;
}

bool H2Connection::respond(H2Stream& stream, int status, const HeadText& fields, bool end) {
  if (stream.closed_) {
    return false;
  }
  const std::string status_text = std::to_string(status);
  H2Fields list(fields.size() + 1);
  list.add(":status", status_text);
  list.add_all(fields);
  const nghttp2_data_provider provider = Callbacks::provider(stream);
  const int result = nghttp2_submit_response(session_, stream.id_, list.data(), list.size(),
                                             end ? nullptr : &provider);
  stream.sent_end_ = end;
  if (!stream.answered_) {
    stream.answered_ = true;
    resets_.refund();  // an honest client may take back what it has an answer to
  }
  wake_writer();
  return result == 0;
}

bool H2Connection::respond_interim(H2Stream& stream, int status, const HeadText& fields) {
  if (stream.closed_) {
    return false;
  }
  if (nghttp2_session_get_outbound_queue_size(session_) > kMaxQueuedInterim) {
    return true;  // a client that does not read need not be told that it has to wait
  }
  const std::string status_text = std::to_string(status);
  H2Fields list(fields.size() + 1);
  list.add(":status", status_text);
  list.add_all(fields);
  const int result = nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream.id_, nullptr,
                                            list.data(), list.size(), nullptr);
  wake_writer();
  return result == 0;
}

void H2Connection::resume(H2Stream& stream) {
  if (stream.deferred_) {
    stream.deferred_ = false;
    (void)nghttp2_session_resume_data(session_, stream.id_);
  }
  wake_writer();
}

void H2Connection::consumed(std::int32_t stream_id, std::size_t size) {
  held_ -= std::min(held_, size);
  (void)nghttp2_session_consume_stream(session_, stream_id, size);
  wake_writer();  // there may be a WINDOW_UPDATE to send
}

// A large window is for a server that is far away. Only a stream whose reader has taken all that
// came, half a window at least, gets one: those that are stuck from the beginning hold little.
void H2Connection::grow_window(H2Stream& stream) {
  if (!stream.grown_ && limits_.grown_window > limits_.stream_window && !stream.ended_in_ &&
      stream.taken_ >= static_cast<std::size_t>(limits_.stream_window) / 2) {
    stream.grown_ = true;
    (void)nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, stream.id_,
                                                limits_.grown_window);
  }
}

void H2Connection::reset_stream(std::int32_t stream_id, std::uint32_t error_code) {
  (void)nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream_id, error_code);
  wake_writer();
}

}  // namespace av::proxy
