#pragma once
// The ports of a store in memory: an Http that asks a function, a clock that a test moves.

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/secret.h"
#include "source/ports.h"

namespace av::test {

inline Secret secret(std::string_view text) {
  init_secret_arena();
  auto out = Secret::copy_of(text);
  REQUIRE(out);
  return std::move(*out);
}

inline std::string shown(const Secret& value) {
  return value.reveal([](std::string_view bytes) { return std::string(bytes); });
}

class MovedClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return 1'700'000'000'000 + now_.load(); }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::milliseconds(now_.load()));
  }
  void pass_s(std::int64_t seconds) { now_ += seconds * 1000; }

 private:
  std::atomic<std::int64_t> now_{1'000'000};
};

struct Seen {
  std::string method;
  std::string url;
  std::string fields;
  std::string body;
};

struct Reply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string retry_after;
};

class FakeHttp final : public source::Http {
 public:
  using Answer = std::function<Reply(const Seen&)>;
  explicit FakeHttp(Answer answer) : answer_(std::move(answer)) {}

  source::Result<source::HttpAnswer> send(const source::HttpRequest& request) override {
    Seen one{request.method, request.url, std::string(request.fields.view()),
             std::string(request.body.view())};
    {
      const std::lock_guard lock(mutex_);
      seen_.push_back(one);
    }
    const Reply reply = answer_(one);
    source::HttpAnswer out;
    out.status = reply.status;
    out.content_type = reply.content_type;
    out.retry_after = reply.retry_after;
    auto body = Secret::copy_of(reply.body);
    if (!body) {
      return source::failure(source::Failure::Why::kMalformed, "too long");
    }
    out.body = std::move(*body);
    return out;
  }
  [[nodiscard]] std::vector<Seen> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  Answer answer_;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
};

}  // namespace av::test
