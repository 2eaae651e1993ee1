#pragma once
// People with browsers, and a provider that answers from a script.

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>

#include "oauth/http_port.h"
#include "unit/api/accounts_fixture.h"

namespace av::test {

// Shared between the test and the pool's threads.
class Script {
 public:
  struct Said {
    int status = 200;
    std::string body;
  };
  struct Seen {
    std::string url;
    std::string body;
    std::string authorization;
  };
  void on(const std::string& url, int status, const std::string& body) {
    const std::lock_guard lock(mutex_);
    pages_[url] = {status, body};
  }
  // Whoever asks for this page waits until let_go().
  void hold(const std::string& url) {
    const std::lock_guard lock(mutex_);
    held_ = url;
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    held_.clear();
    changed_.notify_all();
  }
  void wait_until_asked(const std::string& url) {
    std::unique_lock lock(mutex_);
    const bool asked = changed_.wait_for(lock, std::chrono::seconds(20), [&] {
      return std::any_of(seen_.begin(), seen_.end(),
                         [&](const Seen& one) { return one.url == url; });
    });
    REQUIRE(asked);
  }
  void fail(ErrorCode code) {
    const std::lock_guard lock(mutex_);
    failure_ = code;
  }
  [[nodiscard]] std::vector<Seen> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  Expected<oauth::HttpAnswer> answer(const oauth::HttpRequest& request) {
    std::unique_lock lock(mutex_);
    seen_.push_back(
        {request.url, std::string(request.body.view()), std::string(request.authorization.view())});
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return held_ != request.url; });
    if (failure_) {
      return make_error(*failure_, "this address is not to be talked to");
    }
    const auto found = pages_.find(request.url);
    oauth::HttpAnswer out;
    out.status = found == pages_.end() ? 404 : found->second.status;
    out.content_type = "application/json";
    out.body = secret(found == pages_.end() ? "{}" : found->second.body);
    return out;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Said> pages_;
  std::vector<Seen> seen_;
  std::optional<ErrorCode> failure_;
  std::condition_variable changed_;
  std::string held_;
};

class ScriptPort final : public oauth::HttpPort {
 public:
  explicit ScriptPort(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  Expected<oauth::HttpAnswer> send(const oauth::HttpRequest& request) override {
    return script_->answer(request);
  }

 private:
  std::shared_ptr<Script> script_;
};

// The value of a parameter of a URL's query, as it stands there.
inline std::string parameter(const std::string& url, const std::string& name) {
  for (const char* const before : {"?", "&"}) {
    const std::size_t at = url.find(before + name + "=");
    if (at != std::string::npos) {
      const std::size_t begin = at + name.size() + 2;
      return url.substr(begin, url.find('&', begin) - begin);
    }
  }
  return {};
}

class BrowserFixture : public AccountsFixture {
 public:
  using Refreshed = std::function<void(vault::RefreshResult)>;

  BrowserFixture() {
    options().refresh_token = [this](const vault::TokenName& name, std::uint64_t /*known*/,
                                     Refreshed done) { refresh(name, std::move(done)); };
    options().provider_http = [script = script] {
      return Expected<std::unique_ptr<oauth::HttpPort>>(std::make_unique<ScriptPort>(script));
    };
  }
  ~BrowserFixture() { stop(); }

  static std::string flow_cookie_of(const Got& got) {
    const std::string field = got.field("Set-Cookie");
    REQUIRE(field.starts_with("av_flow="));
    CHECK(field.find("; HttpOnly; SameSite=Lax") != std::string::npos);
    return field.substr(8, field.find(';') - 8);
  }
  // The provider has sent a browser back.
  Got back(const std::string& path, const std::string& query, const std::string& flow_cookie,
           const std::string& cookie = {}) {
    Sent sent;
    sent.flow_cookie = flow_cookie;
    sent.cookie = cookie;
    return ask("GET", path + "?" + query, "", sent);
  }

  std::function<void(const vault::TokenName&, Refreshed)> refresh;
  std::shared_ptr<Script> script = std::make_shared<Script>();
};

}  // namespace av::test
