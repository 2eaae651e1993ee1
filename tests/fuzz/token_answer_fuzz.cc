// Any answer of a provider: what is taken as tokens could stand in a request, what is refused has
// words that a terminal may show. The first line says "STATUS TYPE".

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fuzz/oauth_port.h"
#include "fuzz/require.h"
#include "oauth/authorization.h"
#include "oauth/provider.h"
#include "oauth/token_endpoint.h"

namespace {

using namespace av;
using namespace av::fuzz;

void look_at(const oauth::TokenFailure& failure) {
  require(!failure.code.empty());
  require_printable(failure.code, 64);
  require_printable(failure.message, 512);
  require(failure.retry_after_s >= 0);
}

void look_at(const oauth::TokenResult& result) {
  if (!result) {
    look_at(result.error());
    return;
  }
  require(!result->access_token.empty());
  require_visible(result->access_token, '!');
  require_visible(result->refresh_token, ' ');
  require_visible(result->id_token, '!');
  require(result->expires_in_s >= 0);
  require(result->scopes.size() <= 200);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > oauth::kMostBody) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(text.find('\n'), text.size());
  const std::string head(text.substr(0, line));
  const std::string body(text.substr(std::min(line + 1, text.size())));
  PartsPort port({body, body, body});
  port.status = std::atoi(head.c_str());
  const std::size_t blank = head.find(' ');
  port.content_type = blank == std::string::npos ? "" : head.substr(blank + 1);

  vault::OauthClient client;
  client.flow = vault::OauthFlow::kDevice;
  client.token_url = "https://id.example.com/token";
  client.device_url = "https://id.example.com/device";
  client.client_id = "client";
  vault::OauthSecrets secrets;
  secrets.refresh_token = secret("rt-0123456789abcdef");
  look_at(oauth::TokenEndpoint(port, client, secrets).refresh());

  const auto device = oauth::begin_device(port, client, secrets);
  if (device) {
    require(!device->device_code.empty() && !device->user_code.empty());
    require_printable(device->user_code, 64);
    require(vault::check_endpoint(device->verification_uri, "uri").has_value());
    require(device->verification_uri_complete.empty() ||
            vault::check_endpoint(device->verification_uri_complete, "uri").has_value());
    require(device->interval_s > 0 && device->expires_in_s > 0);
  } else {
    look_at(device.error());
  }

  oauth::Discovered server;
  server.client = client;
  server.registration_url = "https://id.example.com/register";
  const auto registered = oauth::register_client(port, server, {});
  if (registered) {
    require(!registered->client_id.empty());
    require_printable(registered->client_id, 512);
    require(registered->auth == vault::ClientAuth::kNone || !registered->client_secret.empty());
  }
  return 0;
}
