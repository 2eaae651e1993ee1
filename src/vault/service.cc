#include "vault/service.h"

#include <algorithm>
#include <set>

#include "core/ascii.h"
#include "core/encoding.h"
#include "core/overloaded.h"
#include "vault/names.h"
#include "vault/placeholder.h"
#include "vault/service_pattern.h"

namespace av::vault {
namespace {

using ascii::is_alpha;
using ascii::is_digit;
using ascii::is_unreserved;
using ascii::is_word;
using ascii::lower;

constexpr std::size_t kMinPlaceholder = 4;
constexpr std::size_t kMaxPlaceholder = 256;
constexpr std::size_t kMaxHeaderName = 128;
constexpr std::size_t kMaxTemplate = 4096;
constexpr std::size_t kMaxCaPem = std::size_t{64} << 10;

Error invalid(std::string message, std::string hint = {}) {
  return make_error(ErrorCode::kInvalid, std::move(message), std::move(hint));
}

std::string quoted(std::string_view text) {
  return "\"" + encoding::printable(text.substr(0, 80)) + "\"";
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), ascii::is_token_char);
}

// What may stand in a field value: RFC 9110 section 5.5 without obs-text.
bool is_field_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= ' ' && c < 0x7f) || c == '\t'; });
}

// These frame the message or belong to the connection: an injected one would break both.
Status check_header_name(std::string_view name) {
  if (!is_token(name) || name.size() > kMaxHeaderName) {
    return invalid("header name " + quoted(name) + " is malformed",
                   "use letters, digits and hyphens, like X-Api-Key");
  }
  static const std::set<std::string, std::less<>> kForbidden = {
      "host",    "content-length", "transfer-encoding", "connection", "te",
      "trailer", "upgrade",        "keep-alive",        "expect"};
  const std::string folded = lower(name);
  if (kForbidden.count(folded) != 0 || folded.substr(0, 6) == "proxy-") {
    return invalid("header " + quoted(name) + " belongs to the connection and cannot be injected");
  }
  return {};
}

Status check_auth(const BearerAuth& auth) {
  return check_credential_key(auth.token_key);
}

Status check_auth(const BasicAuth& auth) {
  if (auth.username_key.empty() == auth.username_literal.empty()) {
    return invalid("basic auth needs either a credential or a literal for its user",
                   "set one of \"username\" and \"user\"");
  }
  if (!auth.username_key.empty()) {
    AV_CHECK(check_credential_key(auth.username_key));
  }
  // RFC 7617 section 2: "a user-id containing a colon character is invalid".
  if (!is_field_text(auth.username_literal) ||
      auth.username_literal.find(':') != std::string::npos) {
    return invalid("user of basic auth has a colon or an unprintable character");
  }
  return auth.password_key.empty() ? Status() : check_credential_key(auth.password_key);
}

Status check_auth(const ApiKeyAuth& auth) {
  AV_CHECK(check_credential_key(auth.key));
  if (auth.query.empty()) {
    AV_CHECK(check_header_name(auth.header));
    if (!is_field_text(auth.prefix) || auth.prefix.size() > kMaxHeaderName) {
      return invalid("prefix of the api-key has an unprintable character or is too long");
    }
    return {};
  }
  if (!auth.prefix.empty()) {
    return invalid("an api-key in the query cannot have a prefix");
  }
  if (auth.query.size() > kMaxHeaderName ||
      !std::all_of(auth.query.begin(), auth.query.end(), is_unreserved)) {
    return invalid("query parameter " + quoted(auth.query) +
                   " has a character other than letters, digits and -._~");
  }
  return {};
}

Status check_auth(const CustomAuth& auth) {
  std::set<std::string> names;
  bool names_credential = false;
  for (const CustomAuth::Header& header : auth.headers) {
    AV_CHECK(check_header_name(header.name));
    if (!names.insert(lower(header.name)).second) {
      return invalid("header " + quoted(header.name) + " is given twice");
    }
    AV_TRY(const CustomAuth::Header parsed, parse_header_template(header.name, header.source));
    const auto same = [](const TemplatePiece& a, const TemplatePiece& b) {
      return a.text == b.text && a.credential_key == b.credential_key;
    };
    if (!std::equal(parsed.pieces.begin(), parsed.pieces.end(), header.pieces.begin(),
                    header.pieces.end(), same)) {
      return make_error(ErrorCode::kInternal, "header template and its pieces differ");
    }
    names_credential = names_credential || std::any_of(header.pieces.begin(), header.pieces.end(),
                                                       [](const TemplatePiece& p) {
                                                         return !p.credential_key.empty();
                                                       });
  }
  if (!names_credential) {
    return invalid("custom auth names no credential",
                   "write a header like {\"Authorization\": \"Token {{ MY_TOKEN }}\"}");
  }
  return {};
}

Status check_auth(const PassthroughAuth&) {
  return {};
}

Status check_substitutions(const std::vector<Substitution>& substitutions) {
  constexpr unsigned kAllSurfaces = 31;
  for (auto it = substitutions.begin(); it != substitutions.end(); ++it) {
    AV_CHECK(check_credential_key(it->credential_key));
    const std::string& text = it->placeholder;
    const std::string name = "placeholder " + quoted(text);
    if (text.size() < kMinPlaceholder || text.size() > kMaxPlaceholder) {
      return invalid(name + " is shorter than 4 or longer than 256 characters");
    }
    if (!std::all_of(text.begin(), text.end(), is_unreserved)) {
      return invalid(name + " has a character other than letters, digits and -._~");
    }
    // Otherwise an ordinary word in a request would be replaced.
    const bool unusual =
        text.find("__") != std::string::npos || !std::all_of(text.begin(), text.end(), is_word);
    const bool readable =
        std::any_of(text.begin(), text.end(), [](char c) { return is_alpha(c) || is_digit(c); });
    if (!unusual || !readable) {
      return invalid(name + " could be an ordinary word", "write it like __MY_TOKEN__");
    }
    if (it->surfaces == 0 || (it->surfaces & ~kAllSurfaces) != 0) {
      return invalid(name + " has no place to be substituted in",
                     "choose from path, query, header, body, websocket");
    }
    for (auto other = substitutions.begin(); other != it; ++other) {
      if (other->placeholder == text) {
        return invalid(name + " is used twice");
      }
      if (other->placeholder.find(text) != std::string::npos ||
          text.find(other->placeholder) != std::string::npos) {
        return invalid(name + " and " + quoted(other->placeholder) + " contain one another");
      }
    }
  }
  return {};
}

Status check_methods(const std::vector<std::string>& methods) {
  for (auto it = methods.begin(); it != methods.end(); ++it) {
    if (!is_token(*it) || std::any_of(it->begin(), it->end(), ascii::is_lower)) {
      return invalid("method " + quoted(*it) + " is malformed", "write it like GET");
    }
    if (std::find(methods.begin(), it, *it) != it) {
      return invalid("method " + *it + " is given twice");
    }
  }
  return {};
}

// Variables that steer the child process itself must not be ours to fill with nonsense.
bool is_reserved_variable(std::string_view name) {
  return name == "PATH" || name == "HOME" || name == "SHELL" || name == "IFS" ||
         name.substr(0, 3) == "LD_" || name.substr(0, 12) == "AGENT_VAULT_" ||
         (name.size() > 6 && lower(name.substr(name.size() - 6)) == "_proxy");
}

Status check_env(const Service& service) {
  const std::vector<std::string> keys = service.credential_keys();
  for (const auto& [variable, key] : service.env) {
    if (variable.empty() || is_digit(variable.front()) ||
        !std::all_of(variable.begin(), variable.end(), is_word)) {
      return invalid("environment variable name " + quoted(variable) + " is malformed");
    }
    if (is_reserved_variable(variable)) {
      return invalid("environment variable " + variable + " cannot hold a placeholder");
    }
    AV_CHECK(check_credential_key(key));
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      return invalid("environment variable " + variable + " stands for " + key +
                         ", which the service does not use",
                     keys.empty() ? "" : "the service uses " + keys.front());
    }
  }
  return {};
}

Status check_grant(const Service& service) {
  constexpr std::size_t kMaxGrant = 64;
  if (service.max_uses != 0 && service.expires_ms == 0) {
    // Counters that nobody touches are forgotten some day (limit_table.h).
    return invalid("a number of \"uses\" needs \"expires\" beside it",
                   "like \"expires\": \"2030-01-31T12:00:00Z\"");
  }
  if (service.grant.size() > kMaxGrant ||
      !std::all_of(service.grant.begin(), service.grant.end(), is_unreserved)) {
    return invalid(
        "\"grant\" has more than 64 characters, or others than letters, digits and -._~");
  }
  return {};
}

Status check_tls(const UpstreamTls& tls) {
  if (!tls.certificate_key.empty()) {
    AV_CHECK(check_credential_key(tls.certificate_key));
  }
  if (!tls.private_key_key.empty()) {
    AV_CHECK(check_credential_key(tls.private_key_key));
    if (tls.certificate_key.empty()) {
      return invalid("\"tls\" names a private key without a certificate",
                     "name the credential with the certificate as \"certificate\"");
    }
  }
  if (tls.ca_pem.empty()) {
    return {};
  }
  if (tls.ca_pem.size() > kMaxCaPem) {
    return invalid("the certificates of \"tls\" are larger than 64 KiB");
  }
  if (tls.ca_pem.find("PRIVATE KEY") != std::string::npos) {
    return invalid("\"ca\" of \"tls\" holds a private key", "only public certificates go there");
  }
  if (tls.ca_pem.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    return invalid("\"ca\" of \"tls\" is not a PEM certificate");
  }
  return {};
}

// Every key that auth, substitutions and TLS name; empty ones and repetitions too.
template <typename Visit>
void for_each_key(const Service& service, const Visit& visit) {
  std::visit(Overloaded{[&](const BearerAuth& a) { visit(a.token_key); },
                        [&](const BasicAuth& a) {
                          visit(a.username_key);
                          visit(a.password_key);
                        },
                        [&](const ApiKeyAuth& a) { visit(a.key); },
                        [&](const CustomAuth& a) {
                          for (const CustomAuth::Header& header : a.headers) {
                            for (const TemplatePiece& piece : header.pieces) {
                              visit(piece.credential_key);
                            }
                          }
                        },
                        [](const PassthroughAuth&) {}},
             service.auth);
  for (const Substitution& substitution : service.substitutions) {
    visit(substitution.credential_key);
  }
  visit(service.tls.certificate_key);
  visit(service.tls.private_key_key);
}

}  // namespace

std::string_view auth_type_name(const AuthScheme& auth) {
  return std::visit(
      Overloaded{[](const BearerAuth&) { return std::string_view("bearer"); },
                 [](const BasicAuth&) { return std::string_view("basic"); },
                 [](const ApiKeyAuth&) { return std::string_view("api-key"); },
                 [](const CustomAuth&) { return std::string_view("custom"); },
                 [](const PassthroughAuth&) { return std::string_view("passthrough"); }},
      auth);
}

std::string_view to_string(Surface surface) {
  switch (surface) {
    case Surface::kPath:
      return "path";
    case Surface::kQuery:
      return "query";
    case Surface::kHeader:
      return "header";
    case Surface::kBody:
      return "body";
    case Surface::kWebSocket:
      return "websocket";
  }
  return "";
}

std::vector<std::string> Service::credential_keys() const {
  std::vector<std::string> keys;
  for_each_key(*this, [&keys](const std::string& key) {
    if (!key.empty() && std::find(keys.begin(), keys.end(), key) == keys.end()) {
      keys.push_back(key);
    }
  });
  return keys;
}

bool Service::uses(std::string_view key) const {
  bool found = false;
  for_each_key(*this, [&](const std::string& known) { found = found || known == key; });
  return found && !key.empty();
}

std::optional<Service::FoundSubstitution> Service::find_substitution(std::string_view text,
                                                                     Surface surface) const {
  std::optional<FoundSubstitution> best;
  for (std::size_t i = 0; i < substitutions.size(); ++i) {
    const std::size_t at = substitutions[i].in(surface) ? text.find(substitutions[i].placeholder)
                                                        : std::string_view::npos;
    if (at != std::string_view::npos && (!best || at < best->at)) {
      best = FoundSubstitution{at, i};
    }
  }
  return best;
}

Expected<CustomAuth::Header> parse_header_template(std::string name, std::string source) {
  if (!is_field_text(source) || source.size() > kMaxTemplate) {
    return invalid("template of header " + quoted(name) +
                   " has an unprintable character or is too long");
  }
  CustomAuth::Header header{std::move(name), std::move(source), {}};
  std::string_view rest = header.source;
  while (!rest.empty()) {
    const std::size_t open = rest.find("{{");
    if (open != 0) {
      header.pieces.push_back(TemplatePiece{std::string(rest.substr(0, open)), {}});
    }
    if (open == std::string_view::npos) {
      break;
    }
    const std::size_t close = rest.find("}}", open);
    if (close == std::string_view::npos) {
      return invalid("template of header " + quoted(header.name) + " has {{ without }}",
                     "write {{ MY_TOKEN }}");
    }
    std::string_view key = rest.substr(open + 2, close - open - 2);
    const std::size_t first = key.find_first_not_of(" \t");
    const std::size_t last = key.find_last_not_of(" \t");
    key = first == std::string_view::npos ? "" : key.substr(first, last - first + 1);
    AV_CHECK(check_credential_key(key));
    header.pieces.push_back(TemplatePiece{{}, std::string(key)});
    rest.remove_prefix(close + 2);
  }
  return header;
}

Status check_service(const Service& service) {
  AV_CHECK(check_slug("service", service.name));
  AV_CHECK(check_host_pattern(service.host));
  AV_CHECK(check_path_pattern(service.path));
  AV_CHECK(check_methods(service.methods));
  AV_CHECK(std::visit([](const auto& auth) { return check_auth(auth); }, service.auth));
  AV_CHECK(check_substitutions(service.substitutions));
  AV_CHECK(check_env(service));
  AV_CHECK(check_grant(service));
  AV_CHECK(check_tls(service.tls));
  return check_placeholder_shape(service.placeholder_shape);
}

}  // namespace av::vault
