#pragma once
// OtlpClient: POSTs to a collector (http_client.h).

#include <string>
#include <string_view>
#include <utility>

#include "cmd/http_client.h"

namespace av::cmd {

using CollectorUrl = HttpUrl;
using CollectorReply = HttpReply;
// "http[s]://HOST[:PORT][/PATH]". `add_path`: /v1/logs goes behind the path, unless it is there.
[[nodiscard]] Expected<CollectorUrl> parse_collector_url(std::string_view text, bool add_path);

// Lines "Name: value", to go into the head of each request; empty lines and those that begin with #
// are left out. kInvalid, without the line itself, for anything else.
[[nodiscard]] Status append_headers(SecretBuffer& out, std::string_view lines);

class OtlpClient {
 public:
  // `ca_file`: roots beside those of the system; may be empty.
  static Expected<OtlpClient> create(CollectorUrl url, SecretBuffer headers,
                                     const std::string& ca_file);
  [[nodiscard]] Expected<CollectorReply> post(std::string_view body) {
    return http_.send("POST", url().path, body);
  }
  [[nodiscard]] const CollectorUrl& url() const { return http_.peer().url; }

 private:
  explicit OtlpClient(HttpClient http) : http_(std::move(http)) {}
  HttpClient http_;
};

}  // namespace av::cmd
