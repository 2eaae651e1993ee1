#pragma once
// Upload: copies a request's body upstream beside the response, in a coroutine of its own. Whoever
// owns it waits for stop() before anything it refers to goes away.

#include <optional>
#include <span>
#include <string_view>

#include "core/clock.h"
#include "proxy/downstream.h"
#include "proxy/fault.h"
#include "proxy/io.h"
#include "proxy/request_body_filter.h"
#include "proxy/upstream_exchange.h"

namespace av::proxy {

class Upload {
 public:
  // `client` and `clock` must outlive it.
  Upload(Executor executor, Downstream& client, const Clock& clock)
      : executor_(executor), client_(client), clock_(clock), done_(executor) {}
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  // All of the body, taken from the client already; for start() to send.
  void begin_with(std::string_view body) { taken_ = body; }
  // Begins to copy to `upstream` through `filter`; both must outlive the copying, as must `head`,
  // the fields that were sent: a trailer of the same name is dropped, or a server that merges
  // trailers would let it take the place of an injected field. Gives the request up when the filter
  // fails.
  void start(UpstreamExchange& upstream, RequestBodyFilter& filter, const HeadText& head);
  // Ends it: the upstream's exchange is given up, and a client that goes on sending is read for
  // `patience` at most.
  Awaitable<void> stop(Millis patience);
  // What came with the head, or is read and thrown away, counts too.
  void count(std::size_t size) { bytes_ += size; }

  [[nodiscard]] bool running() const { return running_; }
  // Nothing of the request was withheld from the upstream.
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] bool malformed() const { return malformed_; }
  [[nodiscard]] bool client_broke() const { return client_broke_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  Awaitable<void> copy(UpstreamExchange& upstream, RequestBodyFilter& filter);
  Awaitable<bool> send(UpstreamExchange& upstream, RequestBodyFilter& filter,
                       std::string_view bytes, bool end, std::span<const Field> fields);
  [[nodiscard]] bool in_head(std::string_view name) const;

  Executor executor_;
  Downstream& client_;
  const Clock& clock_;
  UpstreamExchange* upstream_ = nullptr;
  const HeadText* head_ = nullptr;
  Signal done_;
  std::optional<std::string_view> taken_;
  std::uint64_t bytes_ = 0;
  bool running_ = false;
  bool stopping_ = false;  // by us: a read that gives up says nothing about the client
  bool complete_ = true;
  bool malformed_ = false;
  bool client_broke_ = false;
};

}  // namespace av::proxy
