#include "vault/service_reader.h"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "core/clock.h"
#include "vault/field_reader.h"

namespace av::vault {
namespace {

using Json = TextTree::Json;

Expected<AuthScheme> read_bearer(const Fields& fields) {
  static constexpr std::array<std::string_view, 2> kKnown = {"type", "token"};
  AV_CHECK(fields.only(kKnown));
  BearerAuth auth;
  AV_CHECK(fields.required_text("token", auth.token_key));
  return AuthScheme(std::move(auth));
}

Expected<AuthScheme> read_basic(const Fields& fields) {
  static constexpr std::array<std::string_view, 4> kKnown = {"type", "username", "user",
                                                             "password"};
  AV_CHECK(fields.only(kKnown));
  BasicAuth auth;
  AV_CHECK(fields.text("username", auth.username_key));
  AV_CHECK(fields.text("user", auth.username_literal));
  AV_CHECK(fields.text("password", auth.password_key));
  return AuthScheme(std::move(auth));
}

Expected<AuthScheme> read_api_key(const Fields& fields) {
  static constexpr std::array<std::string_view, 5> kKnown = {"type", "key", "header", "prefix",
                                                             "query"};
  AV_CHECK(fields.only(kKnown));
  ApiKeyAuth auth;
  AV_CHECK(fields.required_text("key", auth.key));
  AV_CHECK(fields.text("header", auth.header));
  AV_CHECK(fields.text("prefix", auth.prefix));
  AV_CHECK(fields.text("query", auth.query));
  if (fields.find("query") != nullptr && (auth.query.empty() || fields.find("header") != nullptr)) {
    return auth.query.empty() ? fields.wrong("query", "is empty")
                              : fields.wrong("query", "and \"header\" exclude one another");
  }
  return AuthScheme(std::move(auth));
}

Expected<AuthScheme> read_custom(const TextTree& tree, const Fields& fields) {
  static constexpr std::array<std::string_view, 2> kKnown = {"type", "headers"};
  AV_CHECK(fields.only(kKnown));
  const Json* headers = fields.find("headers");
  if (headers == nullptr || !headers->is_object() || headers->empty()) {
    return fields.wrong("headers", "must be a table of header names and templates");
  }
  CustomAuth auth;
  const std::string path = fields.path_of("headers");
  for (const auto& [name, value] : headers->items()) {
    const std::string at = TextTree::member(path, name);
    if (!value.is_string()) {
      return tree.error_at(at, "the template of a header must be a string");
    }
    auto header = parse_header_template(name, value.get<std::string>());
    if (!header) {
      return tree.error_at(at, header.error().message, header.error().hint);
    }
    auth.headers.push_back(std::move(*header));
  }
  return AuthScheme(std::move(auth));
}

Expected<AuthScheme> read_passthrough(const Fields& fields) {
  static constexpr std::array<std::string_view, 1> kKnown = {"type"};
  AV_CHECK(fields.only(kKnown));
  return AuthScheme(PassthroughAuth{});
}

Expected<AuthScheme> read_auth(const TextTree& tree, const Json& node, const std::string& path) {
  static constexpr std::array<std::string_view, 5> kTypes = {"bearer", "basic", "api-key", "custom",
                                                             "passthrough"};
  if (!node.is_object()) {
    return tree.error_at(path, "\"auth\" must be a table with a \"type\"");
  }
  const Fields fields(tree, node, path);
  std::string type;
  AV_CHECK(fields.required_text("type", type));
  if (type == "bearer") {
    return read_bearer(fields);
  }
  if (type == "basic") {
    return read_basic(fields);
  }
  if (type == "api-key") {
    return read_api_key(fields);
  }
  if (type == "custom") {
    return read_custom(tree, fields);
  }
  if (type == "passthrough") {
    return read_passthrough(fields);
  }
  return fields.wrong("type", "names no way to authenticate",
                      suggestion(type, kTypes, "the types are"));
}

Status read_surfaces(const Fields& fields, Substitution& out) {
  std::vector<std::string> places;
  AV_CHECK(fields.texts("in", places));
  if (fields.find("in") == nullptr) {
    return {};
  }
  out.surfaces = 0;
  for (const std::string& place : places) {
    const auto* known = std::find_if(kSurfaces.begin(), kSurfaces.end(),
                                     [&](Surface s) { return to_string(s) == place; });
    if (known == kSurfaces.end()) {
      std::vector<std::string_view> names;
      for (const Surface surface : kSurfaces) {
        names.push_back(to_string(surface));
      }
      return fields.wrong("in", "names a place that there is not",
                          suggestion(place, names, "the places are"));
    }
    out.surfaces = static_cast<std::uint8_t>(out.surfaces | static_cast<std::uint8_t>(*known));
  }
  return {};
}

Status read_substitutions(const TextTree& tree, const Fields& service, Service& out) {
  static constexpr std::array<std::string_view, 4> kKnown = {"key", "placeholder", "in",
                                                             "max_count"};
  const Json* list = service.find("substitutions");
  if (list == nullptr) {
    return {};
  }
  if (!list->is_array()) {
    return service.wrong("substitutions", "must be a list");
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Fields fields(tree, (*list)[i], TextTree::element(service.path_of("substitutions"), i));
    AV_CHECK(fields.only(kKnown));
    Substitution substitution;
    AV_CHECK(fields.required_text("key", substitution.credential_key));
    AV_CHECK(fields.required_text("placeholder", substitution.placeholder));
    AV_CHECK(read_surfaces(fields, substitution));
    if (const Json* count = fields.find("max_count")) {
      constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();
      const bool fits = count->is_number_integer() && *count >= 0 && *count <= kMost;
      if (!fits) {
        return fields.wrong("max_count", "must be a whole number, 0 for no limit");
      }
      substitution.max_count = count->get<std::uint32_t>();
    }
    out.substitutions.push_back(std::move(substitution));
  }
  return {};
}

Status read_env(const Fields& service, Service& out) {
  const Json* env = service.find("env");
  if (env == nullptr) {
    return {};
  }
  if (!env->is_object()) {
    return service.wrong("env", "must be a table of variables and credential names");
  }
  for (const auto& [variable, key] : env->items()) {
    if (!key.is_string()) {
      return service.wrong("env", "must be a table of variables and credential names");
    }
    out.env[variable] = key.get<std::string>();
  }
  return {};
}

Status read_end(const Fields& service, Service& out) {
  constexpr std::uint32_t kMostUses = 1'000'000;
  std::string expires;
  AV_CHECK(service.text("expires", expires));
  if (service.find("expires") != nullptr) {
    const auto time = parse_rfc3339(expires);
    if (!time || *time == 0) {
      return service.wrong("expires", "must be a time by RFC 3339, like 2030-01-31T12:00:00Z");
    }
    out.expires_ms = *time;
  }
  AV_CHECK(service.number("uses", 1, kMostUses, out.max_uses));
  return service.text("grant", out.grant);
}

Status read_tls(const TextTree& tree, const Fields& service, Service& out) {
  static constexpr std::array<std::string_view, 3> kKnown = {"certificate", "key", "ca"};
  const Json* tls = service.find("tls");
  if (tls == nullptr) {
    return {};
  }
  const Fields fields(tree, *tls, service.path_of("tls"));
  AV_CHECK(fields.only(kKnown));
  AV_CHECK(fields.text("certificate", out.tls.certificate_key));
  AV_CHECK(fields.text("key", out.tls.private_key_key));
  return fields.text("ca", out.tls.ca_pem);
}

}  // namespace

Expected<Service> read_service(const TextTree& tree, const Json& node, const std::string& path) {
  static constexpr std::array<std::string_view, 16> kKnown = {"name",
                                                              "host",
                                                              "enabled",
                                                              "auth",
                                                              "substitutions",
                                                              "env",
                                                              "expires",
                                                              "uses",
                                                              "grant",
                                                              "methods",
                                                              "allow_http",
                                                              "placeholder",
                                                              "allow_uninspected",
                                                              "allow_quoted_placeholders",
                                                              "drop_cookies",
                                                              "tls"};
  const Fields fields(tree, node, path);
  AV_CHECK(fields.only(kKnown));
  Service service;
  std::string host;
  AV_CHECK(fields.required_text("host", host));
  if (const Status split = set_matcher_text(service, host); !split) {
    return tree.error_at(fields.path_of("host"), split.error().message, split.error().hint);
  }
  service.name = slug_of(service.matcher_text(), "service");
  AV_CHECK(fields.text("name", service.name));
  AV_CHECK(fields.flag("enabled", service.enabled));
  AV_CHECK(fields.flag("allow_http", service.allow_http));
  AV_CHECK(fields.flag("allow_uninspected", service.allow_uninspected));
  AV_CHECK(fields.flag("allow_quoted_placeholders", service.allow_quoted_placeholders));
  AV_CHECK(fields.flag("drop_cookies", service.drop_cookies));
  AV_CHECK(fields.text("placeholder", service.placeholder_shape));
  AV_CHECK(fields.texts("methods", service.methods));
  make_upper(service.methods);
  const Json* auth = fields.find("auth");
  if (auth == nullptr) {
    return fields.wrong("auth", "is missing",
                        "for a client that authenticates itself write {\"type\": \"passthrough\"}");
  }
  AV_TRY(service.auth, read_auth(tree, *auth, fields.path_of("auth")));
  AV_CHECK(read_substitutions(tree, fields, service));
  AV_CHECK(read_env(fields, service));
  AV_CHECK(read_end(fields, service));
  AV_CHECK(read_tls(tree, fields, service));
  if (const Status checked = check_service(service); !checked) {
    return tree.error_at(path, checked.error().message, checked.error().hint);
  }
  return service;
}

}  // namespace av::vault
