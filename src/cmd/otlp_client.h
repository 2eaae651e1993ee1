#pragma once
// OtlpClient: POSTs to a collector, one connection for each, blocking, with certificates verified.
//
// Not a library's: the one of the distribution (cpp-httplib) is a shared object whose relocations
// would add five milliseconds to the start of every run, and its headers are strings that nobody
// wipes. What is needed here is one request whose answer the proxy's own strict parser reads.

#include <string>
#include <string_view>

#include "core/expected.h"
#include "core/ossl.h"
#include "core/secret.h"

namespace av::cmd {

struct CollectorUrl {
  bool tls = true;
  std::string host;  // without brackets
  std::string port;
  std::string path;
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool is_loopback() const;
};
// "http[s]://HOST[:PORT][/PATH]". `add_path`: /v1/logs goes behind the path, unless it is there.
[[nodiscard]] Expected<CollectorUrl> parse_collector_url(std::string_view text, bool add_path);

// Lines "Name: value", to go into the head of each request; empty lines and those that begin with #
// are left out. kInvalid, without the line itself, for anything else.
[[nodiscard]] Status append_headers(SecretBuffer& out, std::string_view lines);

struct CollectorReply {
  int status = 0;
  std::string retry_after;
  std::string body;  // at most 64 KiB
};

class OtlpClient {
 public:
  // `ca_file`: roots beside those of the system; may be empty.
  static Expected<OtlpClient> create(CollectorUrl url, SecretBuffer headers,
                                     const std::string& ca_file);
  // kNetwork: could not be reached, or did not answer in time; worth another try. kCrypto: its
  // certificate is not good.
  [[nodiscard]] Expected<CollectorReply> post(std::string_view body);
  [[nodiscard]] const CollectorUrl& url() const { return url_; }

 private:
  OtlpClient(CollectorUrl url, SecretBuffer headers, ossl::SslCtx context)
      : url_(std::move(url)), headers_(std::move(headers)), context_(std::move(context)) {}
  CollectorUrl url_;
  SecretBuffer headers_;
  ossl::SslCtx context_;  // null: without TLS
};

}  // namespace av::cmd
