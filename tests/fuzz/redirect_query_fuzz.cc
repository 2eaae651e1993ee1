// Any text as what came back through the browser: a code is had only with the state of the attempt,
// and could stand in a request.

#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/oauth_port.h"
#include "fuzz/require.h"
#include "oauth/authorization.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av;
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 64 * 1024) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  vault::OauthClient client;
  client.issuer = "https://id.example.com";
  oauth::CodeAttempt attempt;
  attempt.redirect_uri = "http://127.0.0.1:8080/callback";
  attempt.state = fuzz::secret("STATE");
  const auto code = oauth::code_from_redirect(client, attempt, text);
  if (code) {
    require(!code->empty());
    fuzz::require_visible(*code, ' ');
    attempt.state = fuzz::secret("0THER");
    require(!oauth::code_from_redirect(client, attempt, text));
    attempt.state = Secret();
    require(!oauth::code_from_redirect(client, attempt, text));
    return 0;
  }
  fuzz::require_printable(code.error().message, 1024);
  return 0;
}
