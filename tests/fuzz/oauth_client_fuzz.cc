// Any text as a client: what is accepted survives being written, and can begin an attempt whose URL
// is one. The same bytes as packed secrets.

#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/oauth_port.h"
#include "fuzz/require.h"
#include "oauth/authorization.h"
#include "vault/oauth.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av;
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 64 * 1024) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto secrets = vault::unpack_oauth_secrets(fuzz::secret(text))) {
    const auto packed = vault::pack(*secrets);
    require(packed && packed->equals(fuzz::secret(text)));
  }
  const auto client = vault::oauth_client_from_json(text);
  if (!client) {
    require(client.error().code == ErrorCode::kInvalid);
    return 0;
  }
  const std::string json = vault::oauth_client_to_json(*client);
  const auto again = vault::oauth_client_from_json(json);
  require(again && vault::oauth_client_to_json(*again) == json);
  const auto attempt = oauth::begin_code(*client, "http://127.0.0.1:1/callback");
  if (attempt) {
    for (const char c : attempt->url) {
      require(c > ' ' && c < '\x7f');
    }
    attempt->verifier.reveal([&](std::string_view verifier) {
      require(attempt->url.find(verifier) == std::string::npos);
    });
  }
  return 0;
}
