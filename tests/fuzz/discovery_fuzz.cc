// Any metadata: what is taken leads to https only, and is that of the server that was asked. The
// first line is the WWW-Authenticate of a 401, the answers follow, separated by lines of "--".

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/oauth_port.h"
#include "fuzz/require.h"
#include "oauth/provider.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av;
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 64 * 1024) {
    return 0;
  }
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(text.find('\n'), text.size());
  const std::string challenge(text.substr(0, line));
  text.remove_prefix(std::min(line + 1, text.size()));
  std::vector<std::string> parts = {""};
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("\n--\n"), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 4, text.size()));
  }

  class Port : public fuzz::PartsPort {
   public:
    using PartsPort::PartsPort;
    Expected<oauth::HttpAnswer> send(const oauth::HttpRequest& request) override {
      // Asked of an https URL, nothing but https is talked to.
      require(request.url.starts_with("https://"));
      auto out = PartsPort::send(request);
      if (first_ && !www_authenticate.empty()) {
        out->status = 401;
      }
      first_ = false;
      return out;
    }

   private:
    bool first_ = true;
  };
  Port port(parts);
  port.www_authenticate = challenge;
  const auto found = oauth::discover(port, "https://id.example.com/tenant");
  if (!found) {
    fuzz::require_printable(found.error().message, 4096);
    return 0;
  }
  const vault::OauthClient& client = found->client;
  require(!client.token_url.empty());
  for (const std::string* url :
       {&client.issuer, &client.authorization_url, &client.token_url, &client.device_url,
        &client.revocation_url, &found->registration_url, &found->jwks_url, &found->resource}) {
    require(url->empty() ||
            (url->starts_with("https://") && vault::check_endpoint(*url, "url").has_value()));
  }
  require(!found->resource.empty() || client.issuer.starts_with("https://id.example.com"));
  vault::OauthClient whole = client;
  whole.client_id = "x";
  require(vault::check_oauth_client(whole).has_value());
  return 0;
}
