#pragma once
// ApiClient: an agent-vault server, spoken to with a token: the broker of the run that this process
// is part of, or a `serve` elsewhere.

#include <optional>
#include <string>
#include <string_view>

#include "cmd/http_client.h"
#include "cmd/remote.h"
#include "core/expected.h"
#include "core/secret.h"

namespace av::cmd {

class ApiClient {
 public:
  // Nothing when no address is set. The errors of find_remote().
  static Expected<std::optional<ApiClient>> from_environment(const Context& context);
  static Expected<ApiClient> create(const Remote& remote);
  // The same server with another token; an empty one: as nobody. 0 seconds: as long as the longest
  // poll takes.
  static Expected<ApiClient> create(const HttpUrl& url, const std::vector<std::string>& ca_files,
                                    const Secret& token, int answer_seconds = 0);

  // The body of a 2xx. Else what the server says, with the code that fits its status. `body`: JSON,
  // or nothing.
  [[nodiscard]] Expected<std::string> get(std::string_view target);
  [[nodiscard]] Expected<std::string> post(std::string_view target, const Secret& json);
  [[nodiscard]] Expected<std::string> send(std::string_view method, std::string_view target,
                                           std::string_view body = {});
  // With its head, and the body in memory that is wiped.
  [[nodiscard]] Expected<HttpReply> exchange(std::string_view method, std::string_view target,
                                             std::string_view body = {});
  [[nodiscard]] const HttpUrl& url() const { return http_.peer().url; }

 private:
  explicit ApiClient(HttpClient http) : http_(std::move(http)) {}
  HttpClient http_;
};

}  // namespace av::cmd
