#pragma once
// Service: which requests get which credential, and how. A service names credentials by key; it
// never holds a value. JSON and TOML shape: service_codec.h and agent-vault-services(5).

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/expected.h"

namespace av::vault {

// `Authorization: Bearer <token>`
struct BearerAuth {
  std::string token_key;
};
// `Authorization: Basic base64(user:password)` (RFC 7617). The user is a credential or, for git
// hosts that want a fixed one ("x-access-token"), a literal.
struct BasicAuth {
  std::string username_key;      // empty when the user is the literal
  std::string username_literal;  // empty when the user is a credential
  std::string password_key;      // empty: no password
};
// `<header>: <prefix><key>`, or query parameter `<query>=<key>`.
struct ApiKeyAuth {
  std::string key;
  std::string header = "Authorization";
  std::string prefix;
  std::string query;  // when set, the key goes there and not into a header
};
// Header templates such as `Token token={{ PAGERDUTY_TOKEN }}`, split at parse time.
struct TemplatePiece {
  std::string text;            // literal, or
  std::string credential_key;  // a credential when not empty
};
struct CustomAuth {
  struct Header {
    std::string name;
    std::string source;  // as written
    std::vector<TemplatePiece> pieces;
  };
  std::vector<Header> headers;
};
// The client's own authentication passes; substitutions may still apply.
struct PassthroughAuth {};

using AuthScheme = std::variant<BearerAuth, BasicAuth, ApiKeyAuth, CustomAuth, PassthroughAuth>;
[[nodiscard]] std::string_view auth_type_name(const AuthScheme& auth);

enum class Surface : std::uint8_t {
  kPath = 1,
  kQuery = 2,
  kHeader = 4,
  kBody = 8,
  kWebSocket = 16
};
inline constexpr std::array<Surface, 5> kSurfaces = {
    Surface::kPath, Surface::kQuery, Surface::kHeader, Surface::kBody, Surface::kWebSocket};
// As service files write it: "path", "query", "header", "body", "websocket".
[[nodiscard]] std::string_view to_string(Surface surface);

struct Substitution {
  std::string credential_key;
  std::string placeholder;
  std::uint8_t surfaces =
      static_cast<std::uint8_t>(Surface::kPath) | static_cast<std::uint8_t>(Surface::kQuery);
  std::uint32_t max_count = 0;  // occurrences in one request; 0: no limit
  [[nodiscard]] bool in(Surface s) const { return (surfaces & static_cast<std::uint8_t>(s)) != 0; }
};

// TLS towards the upstream, beyond the system's roots.
struct UpstreamTls {
  std::string certificate_key;  // credential with a PEM certificate chain; empty: none is shown
  std::string private_key_key;  // credential with its PEM key; empty: it is in the first one
  std::string ca_pem;           // extra roots for this service only, public certificates
  bool operator==(const UpstreamTls&) const = default;
};

struct Service {
  std::string name;
  // "api.example.com" or "*.example.com": one label, never more.
  std::string host;
  std::uint16_t port = 0;  // 0: the default port, https only
  std::string path;        // "" everything; "/x/*" = "/x" and below; "*" elsewhere spans slashes
  std::vector<std::string> methods;  // upper case; empty: all
  bool enabled = true;
  // Wall clock; from then on policy treats it as not there. 0: never.
  std::int64_t expires_ms = 0;
  // How many requests it serves in all, of whatever run; 0: any number. Needs an end.
  std::uint32_t max_uses = 0;
  std::string grant;  // what the uses are counted under, with the vault and the name; may be empty
  bool allow_http = false;  // may be sent over cleartext http://
  // Responses in a form that cannot be searched for the credential pass instead of being refused.
  bool allow_uninspected = false;
  // Bodies and messages may quote placeholders of the run that are not substituted there: a
  // conversation with a model does, as soon as the agent has looked at its environment.
  bool allow_quoted_placeholders = false;
  bool drop_cookies = false;  // Set-Cookie does not reach the agent
  UpstreamTls tls;
  AuthScheme auth = PassthroughAuth{};
  std::vector<Substitution> substitutions;
  // Environment variable -> credential key whose placeholder the child finds there.
  std::map<std::string, std::string> env;
  // Shape of that placeholder: literal text with one "{N}" that becomes N random characters.
  std::string placeholder_shape;

  // Every key that auth and substitutions name, once each, in order of appearance.
  [[nodiscard]] std::vector<std::string> credential_keys() const;
  // Whether `key` is among them; allocates nothing.
  [[nodiscard]] bool uses(std::string_view key) const;
  // The leftmost placeholder in `text` that is substituted in that place; of two at one place, the
  // one that is declared first. Who counts them and who replaces them must see the same.
  struct FoundSubstitution {
    std::size_t at = 0;
    std::size_t index = 0;  // in substitutions
  };
  [[nodiscard]] std::optional<FoundSubstitution> find_substitution(std::string_view text,
                                                                   Surface surface) const;
  // The joined form that people write: host[:port][/path].
  [[nodiscard]] std::string matcher_text() const;
};

// Splits "host[:port][/path]" into the three fields, canonical; checks the pattern rules.
[[nodiscard]] Status set_matcher_text(Service& service, std::string_view text);

// Splits a header template at its `{{ KEY }}`s; checks the keys, not the header name.
[[nodiscard]] Expected<CustomAuth::Header> parse_header_template(std::string name,
                                                                 std::string source);

// All rules of a single service: names, pattern, header names (RFC 9110 tokens, not framing or
// hop-by-hop fields), placeholders (4 or more unreserved characters with "__" or similar).
[[nodiscard]] Status check_service(const Service& service);

}  // namespace av::vault
