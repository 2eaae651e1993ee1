// Any text as another program's login file: what is taken could stand in a request, and goes
// nowhere but to that program's own provider.

#include <cstdint>
#include <string_view>

#include "fuzz/oauth_port.h"
#include "fuzz/require.h"
#include "oauth/import.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av;
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 64 * 1024) {
    return 0;
  }
  const Secret file = fuzz::secret({reinterpret_cast<const char*>(data), size});
  for (const auto import :
       {oauth::import_codex, oauth::import_claude, oauth::import_service_account}) {
    const auto login = import(file);
    if (!login) {
      continue;
    }
    require(vault::check_oauth_client(login->client).has_value());
    fuzz::require_visible(login->access_token, '!');
    fuzz::require_visible(login->secrets.refresh_token, ' ');
    fuzz::require_printable(login->email, 320);
    fuzz::require_printable(login->plan, 320);
    fuzz::require_printable(login->account, 320);
    require(login->expires_ms >= 0);
  }
  return 0;
}
