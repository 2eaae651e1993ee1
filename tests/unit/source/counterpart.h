#pragma once
// Counterpart: a fake store of tests/support, run as it is, and an Http port that talks to it over
// loopback. What the fake refuses as strictly as the real store would shows in the test. One
// process of each serves all cases, and forgets everything in between: to start one takes longer
// than a case.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/fs.h"
#include "source/ports.h"

namespace av::test {

// HTTP/1.1 in the clear, a connection for each request.
class SocketHttp final : public source::Http {
 public:
  source::Result<source::HttpAnswer> send(const source::HttpRequest& request) override;
};

class Counterpart {
 public:
  explicit Counterpart(const std::string& script);
  Counterpart(const Counterpart&) = delete;
  Counterpart& operator=(const Counterpart&) = delete;
  // No request that it has seen had a secret in its URL.
  ~Counterpart();

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  nlohmann::json control(const std::string& name, const nlohmann::json& body);
  [[nodiscard]] nlohmann::json look(const std::string& name);
  // How many requests so far had a path with that in it.
  [[nodiscard]] int count(const std::string& part);
  SocketHttp http;

 private:
  nlohmann::json ask(const std::string& method, const std::string& name, const std::string& body);
  int port_ = 0;
};

}  // namespace av::test
