// A program's own login: content type, authorization and query in a line each, then the body. What
// is taken is one login, with words that a terminal may show.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/encoding.h"
#include "fuzz/oauth_port.h"
#include "fuzz/require.h"
#include "oauth/login.h"
#include "oauth/stand_in.h"

using namespace av;

namespace {

std::string_view line_of(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view out = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return out;
}

void look_at(const oauth::LoginRequest& request) {
  require(request.mark.size() == 64);
  if (!request.stand_in.empty()) {
    require(request.grant == oauth::LoginGrant::kRefresh && oauth::is_stand_in(request.stand_in));
    require(request.refresh_token.empty() && request.client_secret.empty());
    return;
  }
  require((request.grant == oauth::LoginGrant::kRefresh) == !request.refresh_token.empty());
  require(request.shown.size() <= 2'048);
  std::string_view shown = request.shown;
  while (!shown.empty()) {
    fuzz::require_printable(line_of(shown), 1'024);
  }
  require((request.client.auth == vault::ClientAuth::kPost) <= !request.client_secret.empty());
  require(vault::check_oauth_client(request.client).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 64 * 1024) {
    return 0;
  }
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  oauth::LoginText text;
  text.content_type = line_of(rest);
  text.authorization = line_of(rest);
  text.query = line_of(rest);
  text.body = rest;
  const auto request = oauth::read_login(text);
  if (request) {
    look_at(*request);
    const auto again = oauth::read_login(text);
    require(again && again->mark == request->mark);
  } else {
    require(request.error().code == ErrorCode::kInvalid ||
            request.error().code == ErrorCode::kUnsupported);
    require(encoding::printable(request.error().message) == request.error().message);
  }
  const auto* const endpoint = oauth::find_login_endpoint(rest);
  require(endpoint == nullptr || rest.starts_with("https://"));
  return 0;
}
