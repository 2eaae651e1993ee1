#pragma once
// FakePort: a provider in memory. It answers what it was told to, in turn or by URL, and remembers
// what it was asked.

#include <catch2/catch.hpp>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/secret.h"
#include "oauth/http_port.h"

namespace av::test {

inline Secret secret(std::string_view text) {
  auto out = Secret::copy_of(text);
  REQUIRE(out);
  return std::move(*out);
}

inline std::string shown(const Secret& value) {
  return value.reveal([](std::string_view bytes) { return std::string(bytes); });
}

// What an HttpAnswer is made of, copyable.
struct Reply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string retry_after;
  std::string www_authenticate;
};

inline oauth::HttpAnswer answer_of(const Reply& reply) {
  oauth::HttpAnswer out;
  out.status = reply.status;
  out.content_type = reply.content_type;
  out.retry_after = reply.retry_after;
  out.www_authenticate = reply.www_authenticate;
  out.body = secret(reply.body);
  return out;
}

inline oauth::HttpAnswer answer(int status, std::string_view body,
                                std::string_view type = "application/json") {
  return answer_of({status, std::string(body), std::string(type), {}, {}});
}

class FakePort : public oauth::HttpPort {
 public:
  struct Seen {
    std::string method;
    std::string url;
    std::string content_type;
    std::string accept;
    std::string authorization;
    std::string body;
  };

  // The next answers, in order; afterwards what `pages` has, else 404.
  FakePort& will(Reply reply) {
    queue_.push_back(std::move(reply));
    return *this;
  }
  FakePort& will(int status, std::string_view body) {
    return will(Reply{status, std::string(body), "application/json", {}, {}});
  }
  FakePort& page(std::string url, Reply reply) {
    pages_[std::move(url)] = std::move(reply);
    return *this;
  }
  FakePort& page(std::string url, std::string_view body) {
    return page(std::move(url), Reply{200, std::string(body), "application/json", {}, {}});
  }
  FakePort& fails(Error error) {
    error_ = std::move(error);
    failing_ = true;
    return *this;
  }

  Expected<oauth::HttpAnswer> send(const oauth::HttpRequest& request) override {
    seen.push_back({request.method, request.url, request.content_type, request.accept,
                    std::string(request.authorization.view()), std::string(request.body.view())});
    if (failing_) {
      return error_;
    }
    if (!queue_.empty()) {
      const Reply reply = queue_.front();
      queue_.pop_front();
      return answer_of(reply);
    }
    const auto found = pages_.find(request.url);
    return found == pages_.end() ? answer(404, "nothing here", "text/plain")
                                 : answer_of(found->second);
  }

  std::vector<Seen> seen;

 private:
  std::deque<Reply> queue_;
  std::map<std::string, Reply> pages_;
  Error error_;
  bool failing_ = false;
};

// The parameters of a form, decoded; a parameter twice fails the test.
inline std::map<std::string, std::string> form_of(std::string_view text) {
  const auto decoded = [](std::string_view part) {
    std::string out;
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (part[i] == '%') {
        out += static_cast<char>(std::stoi(std::string(part.substr(i + 1, 2)), nullptr, 16));
        i += 2;
      } else {
        out += part[i] == '+' ? ' ' : part[i];
      }
    }
    return out;
  };
  std::map<std::string, std::string> out;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    const std::size_t equals = pair.find('=');
    REQUIRE(equals != std::string_view::npos);
    REQUIRE(out.emplace(decoded(pair.substr(0, equals)), decoded(pair.substr(equals + 1))).second);
  }
  return out;
}

}  // namespace av::test
