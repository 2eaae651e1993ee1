#pragma once
// ApiClient: the agent-vault that AGENT_VAULT_ADDR names, spoken to with AGENT_VAULT_TOKEN: the
// broker of the run that this process is part of, or a `serve` elsewhere.

#include <optional>
#include <string>
#include <string_view>

#include "cmd/http_client.h"
#include "core/expected.h"
#include "core/secret.h"

namespace av::cmd {

class ApiClient {
 public:
  // Nothing when AGENT_VAULT_ADDR is not set. kUsage: without a token, or in clear to another
  // machine, where the token could be read on the way.
  static Expected<std::optional<ApiClient>> from_environment();
  // The body of a 2xx. Else what the server says, with the code that fits its status.
  [[nodiscard]] Expected<std::string> get(std::string_view target);
  [[nodiscard]] Expected<std::string> post(std::string_view target, const Secret& json);

 private:
  explicit ApiClient(HttpClient http) : http_(std::move(http)) {}
  [[nodiscard]] Expected<std::string> call(std::string_view method, std::string_view target,
                                           std::string_view body);
  HttpClient http_;
};

}  // namespace av::cmd
