#pragma once
// BrokerClient: requests of the broker's own, to an endpoint that a person has named. Blocking, for
// a thread of its own; a connection for each. They take the way of every request from there on:
// checked addresses, verified TLS, the user's own proxy. No redirect is followed.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/secret.h"
#include "proxy/connector.h"
#include "proxy/fault.h"
#include "proxy/head.h"

namespace av::proxy {

class BrokerClient {
 public:
  struct Options {
    ConnectorOptions connect;
    Millis answer{20'000};  // from the connection on until the whole answer is here
    std::size_t most_body = std::size_t{256} << 10;
    std::string ca_pem;  // roots beside the system's
  };
  struct Request {
    std::string_view method;
    std::string_view url;  // absolute, http or https, without fragment
    // Whole lines with CRLF; Host, Content-Length and Connection are made here.
    SecretBuffer fields;
    SecretBuffer body;
  };
  struct Answer {
    int status = 0;
    std::vector<Field> fields;  // valid until the next request
    SecretBuffer body;
  };

  // `clock` must outlive it.
  BrokerClient(Options options, const Clock& clock);
  ~BrokerClient();
  BrokerClient(const BrokerClient&) = delete;
  BrokerClient& operator=(const BrokerClient&) = delete;

  // Faults: those of the Connector, `upstream_timeout`, `upstream_closed`, `upstream_protocol`
  // (also for an answer that is too long), `bad_request` for a URL that is not one.
  [[nodiscard]] Outcome<Answer> send(const Request& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace av::proxy
