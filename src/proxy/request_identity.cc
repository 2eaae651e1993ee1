#include "proxy/request_identity.h"

#include "core/ascii.h"

namespace av::proxy {
namespace {

Fault misdirected(std::string message) {
  Fault fault;
  fault.status = 421;
  fault.code = "misdirected_request";
  fault.message = std::move(message);
  fault.help = "the host of CONNECT, of TLS (SNI) and of the request must be one and the same";
  return fault;
}

Outcome<vault::Target> canonical(std::string_view target, std::string_view method) {
  if (target == "*" && method != "OPTIONS") {
    return bad_request("only OPTIONS may ask about *");
  }
  if (target == "*") {
    vault::Target star;
    star.path = "*";
    return star;
  }
  auto canonical = vault::canonical_target(target);
  if (!canonical) {
    return bad_request(canonical.error().message);
  }
  return std::move(*canonical);
}

// RFC 9110 section 8.3; without a type Rack takes a POST's body for a form.
bool may_be_form(const RequestHead& head) {
  if (!iequals(head.method, "POST") || head.body == BodyKind::kNone) {
    return false;
  }
  bool typed = false;
  for (const Field& field : head.fields) {
    if (same_variable(field.name, "content-type")) {
      typed = true;
      const std::string type = ascii::lower(field.value);
      if (type.find("x-www-form") != std::string::npos ||
          type.find("multipart") != std::string::npos) {
        return true;
      }
    }
  }
  return !typed;
}

}  // namespace

Fault bad_request(std::string message) {
  Fault fault;
  fault.status = 400;
  fault.code = "bad_request";
  fault.message = std::move(message);
  return fault;
}

Outcome<vault::RequestIdentity> identity_in_tunnel(const TunnelIdentity& tunnel,
                                                   const RequestHead& head) {
  if (tunnel.sni) {
    const auto name = vault::canonical_host(*tunnel.sni);
    if (!name || *name != tunnel.authority.host) {
      return misdirected("the name in TLS (SNI) is not " + tunnel.authority.host);
    }
  }
  vault::RequestIdentity identity;
  identity.scheme = tunnel.scheme;
  identity.authority = tunnel.authority;
  identity.method = head.method;
  identity.form = may_be_form(head);
  const std::string_view target = head.target;
  if (head.method == "CONNECT" || (!target.starts_with('/') && target != "*")) {
    return bad_request("inside a tunnel the request target must be a path");
  }
  if (head.http2 && head.scheme != vault::to_string(tunnel.scheme)) {
    return misdirected("the scheme of the request is not that of the tunnel");
  }
  if (!head.host.empty()) {
    const auto host = vault::parse_authority(head.host, vault::default_port(tunnel.scheme));
    if (!host || *host != tunnel.authority) {
      return misdirected("the Host field is not " +
                         vault::to_string(tunnel.authority, tunnel.scheme));
    }
  }
  AV_TRY(identity.target, canonical(target, head.method));
  return identity;
}

Outcome<vault::RequestIdentity> identity_of_absolute_form(const RequestHead& head) {
  vault::RequestIdentity identity;
  std::string_view rest = head.target;
  // RFC 9110 section 4.2: the scheme is case-insensitive.
  if (rest.size() > 7 && iequals(rest.substr(0, 7), "http://")) {
    identity.scheme = vault::Scheme::kHttp;
    rest.remove_prefix(7);
  } else if (rest.size() > 8 && iequals(rest.substr(0, 8), "https://")) {
    identity.scheme = vault::Scheme::kHttps;
    rest.remove_prefix(8);
  } else {
    return bad_request("the proxy serves CONNECT, http:// and https:// targets");
  }
  const std::size_t end = rest.find_first_of("/?#");
  auto authority =
      vault::parse_authority(rest.substr(0, end), vault::default_port(identity.scheme));
  if (!authority) {
    return bad_request(authority.error().message);
  }
  identity.authority = std::move(*authority);
  identity.method = head.method;
  identity.form = may_be_form(head);
  if (!head.host.empty()) {
    const auto host = vault::parse_authority(head.host, vault::default_port(identity.scheme));
    if (!host || *host != identity.authority) {
      return misdirected("the Host field is not " +
                         vault::to_string(identity.authority, identity.scheme));
    }
  }
  std::string target(end == std::string_view::npos ? std::string_view() : rest.substr(end));
  if (!target.starts_with('/')) {
    target.insert(0, 1, '/');
  }
  AV_TRY(identity.target, canonical(target, head.method));
  return identity;
}

}  // namespace av::proxy
