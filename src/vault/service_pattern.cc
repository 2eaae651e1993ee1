#include "vault/service_pattern.h"

#include "core/ascii.h"
#include "core/encoding.h"
#include "vault/canonical.h"
#include "vault/service.h"

namespace av::vault {
namespace {

constexpr std::size_t kMaxPath = 256;

Error invalid(std::string message, std::string hint = {}) {
  return make_error(ErrorCode::kInvalid, std::move(message), std::move(hint));
}

std::string quoted(std::string_view text) {
  return "\"" + encoding::printable(text.substr(0, 80)) + "\"";
}

}  // namespace

Status check_host_pattern(std::string_view host) {
  const bool wildcard = host.substr(0, 2) == "*.";
  const std::string_view name = wildcard ? host.substr(2) : host;
  if (name.find('*') != std::string_view::npos) {
    return invalid("host pattern " + quoted(host) + " has a * that is not a whole first label",
                   "write *.example.com, or one service per host");
  }
  const auto canonical = canonical_host(name);
  if (!canonical) {
    return invalid("host pattern " + quoted(host) + ": " + canonical.error().message,
                   canonical.error().hint);
  }
  if (*canonical != name) {
    return invalid("host pattern " + quoted(host) + " is not in canonical form",
                   "write " + (wildcard ? "*." + *canonical : *canonical));
  }
  // A host name cannot end in a number, so this is an address.
  const bool is_address = name.front() == '[' || ascii::is_digit(name.back());
  if (wildcard && is_address) {
    return invalid("host pattern " + quoted(host) + " has a wildcard before an address");
  }
  const bool is_local = name == "localhost" && !wildcard;
  if (!is_address && !is_local && name.find('.') == std::string_view::npos) {
    return invalid("host pattern " + quoted(host) +
                       (wildcard ? " covers a whole top-level domain" : " has only one label"),
                   "write the full name, like api.example.com");
  }
  return {};
}

Status check_path_pattern(std::string_view path) {
  if (path.empty()) {
    return {};
  }
  const std::string name = "path pattern " + quoted(path);
  if (path.front() != '/') {
    return invalid(name + " does not begin with a slash");
  }
  if (path.size() > kMaxPath) {
    return invalid("path pattern is longer than 256 characters");
  }
  if (path.find("**") != std::string_view::npos) {
    return invalid(name + " has two stars in a row", "one * spans slashes already");
  }
  if (path.find('?') != std::string_view::npos) {
    return invalid(name + " has a question mark", "a pattern covers the path only, not the query");
  }
  const auto canonical = canonical_target(path);
  if (!canonical) {
    return invalid(name + ": " + canonical.error().message, canonical.error().hint);
  }
  // Requests are matched in canonical form, so another spelling could never match.
  if (canonical->path != path) {
    return invalid(name + " is not in canonical form", "write " + canonical->path);
  }
  return {};
}

std::string Service::matcher_text() const {
  std::string out = host;
  if (port != 0) {
    out += ":" + std::to_string(port);
  }
  return out + path;
}

Expected<MatcherParts> split_matcher_text(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme != std::string_view::npos && scheme < text.find('/')) {
    return invalid(
        "host pattern " + quoted(text) + " has a scheme in front",
        "write host[:port][/path], like " + encoding::printable(text.substr(scheme + 3, 80)));
  }
  const std::size_t slash = text.find('/');
  std::string_view authority = text.substr(0, slash);
  const bool wildcard = authority.substr(0, 2) == "*.";
  if (wildcard) {
    authority.remove_prefix(2);
  }
  if (authority.find('*') != std::string_view::npos) {
    AV_CHECK(check_host_pattern(text.substr(0, slash)));
  }
  // With a colon outside brackets the port is mandatory; without one any default will do.
  const std::size_t bracket = authority.rfind(']');
  const bool has_port = authority.find(':', bracket == std::string_view::npos ? 0 : bracket) !=
                        std::string_view::npos;
  const auto parsed = parse_authority(authority, 443);
  if (!parsed) {
    return invalid("host pattern " + quoted(text) + ": " + parsed.error().message,
                   parsed.error().hint);
  }
  MatcherParts out;
  out.host = wildcard ? "*." + parsed->host : parsed->host;
  out.port = has_port ? parsed->port : std::uint16_t{0};
  out.path = slash == std::string_view::npos ? std::string() : std::string(text.substr(slash));
  AV_CHECK(check_host_pattern(out.host));
  AV_CHECK(check_path_pattern(out.path));
  return out;
}

Status set_matcher_text(Service& service, std::string_view text) {
  AV_TRY(MatcherParts parts, split_matcher_text(text));
  service.host = std::move(parts.host);
  service.port = parts.port;
  service.path = std::move(parts.path);
  return {};
}

}  // namespace av::vault
