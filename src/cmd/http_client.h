#pragma once
// HttpClient: requests to one server, one connection for each, blocking, with certificates
// verified.
//
// Not a library's: the one of the distribution (cpp-httplib) is a shared object whose relocations
// would add five milliseconds to the start of every run, and its headers are strings that nobody
// wipes. What is needed here is one request whose answer the proxy's own strict parser reads.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/expected.h"
#include "core/ossl.h"
#include "core/secret.h"

namespace av::cmd {

struct HttpUrl {
  bool tls = true;
  std::string host;  // without brackets
  std::string port;
  std::string path;  // "/" at least
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool is_loopback() const;
};
// "http[s]://HOST[:PORT][/PATH]"; kUsage, `what` being what it is not.
[[nodiscard]] Expected<HttpUrl> parse_http_url(std::string_view text, std::string_view what);

struct HttpPeer {
  HttpUrl url;
  std::string name;        // in messages: "the collector"
  std::string hint;        // when it cannot be reached
  std::string roots_hint;  // when its certificate, or the file with its roots, is not good
  int answer_seconds = 30;
  std::size_t most_body = std::size_t{64} << 10;  // of an answer; what is beyond is cut off
};

struct HttpReply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  SecretBuffer body;  // it may be an answer with a token or a value in it
  // Of the first of that name, in any case; empty when there is none.
  [[nodiscard]] std::string_view field(std::string_view name) const;
};

class HttpClient {
 public:
  // `headers`: whole lines with CRLF, sent with each request. `ca_files`: roots beside those of the
  // system, in PEM.
  static Expected<HttpClient> create(HttpPeer peer, SecretBuffer headers,
                                     const std::vector<std::string>& ca_files);
  // `target`: path and query. A `body` is JSON. kNetwork: could not be
  // reached, or did not answer in time; worth another try. kCrypto: its certificate is not good.
  [[nodiscard]] Expected<HttpReply> send(std::string_view method, std::string_view target,
                                         std::string_view body);
  [[nodiscard]] const HttpPeer& peer() const { return peer_; }

 private:
  HttpClient(HttpPeer peer, SecretBuffer headers, ossl::SslCtx context)
      : peer_(std::move(peer)), headers_(std::move(headers)), context_(std::move(context)) {}
  HttpPeer peer_;
  SecretBuffer headers_;
  ossl::SslCtx context_;  // null: without TLS
};

}  // namespace av::cmd
