#include "vault/service_codec.h"

#include <array>
#include <set>

#include "core/clock.h"
#include "core/overloaded.h"
#include "vault/field_reader.h"
#include "vault/service_reader.h"
#include "vault/text_tree.h"
#include "vault/tree_writer.h"

namespace av::vault {
namespace {

using Json = TextTree::Json;

Json auth_to_tree(const AuthScheme& auth) {
  Json out = {{"type", auth_type_name(auth)}};
  const auto put = [&out](const char* key, const std::string& value) {
    if (!value.empty()) {
      out[key] = value;
    }
  };
  std::visit(Overloaded{[&](const BearerAuth& a) { put("token", a.token_key); },
                        [&](const BasicAuth& a) {
                          put("username", a.username_key);
                          put("user", a.username_literal);
                          put("password", a.password_key);
                        },
                        [&](const ApiKeyAuth& a) {
                          put("key", a.key);
                          put("query", a.query);
                          if (a.query.empty() && a.header != ApiKeyAuth{}.header) {
                            put("header", a.header);
                          }
                          put("prefix", a.prefix);
                        },
                        [&](const CustomAuth& a) {
                          out["headers"] = Json::object();
                          for (const CustomAuth::Header& header : a.headers) {
                            out["headers"][header.name] = header.source;
                          }
                        },
                        [](const PassthroughAuth&) {}},
             auth);
  return out;
}

Json substitution_to_tree(const Substitution& substitution) {
  Json out = {{"key", substitution.credential_key}, {"placeholder", substitution.placeholder}};
  out["in"] = Json::array();
  for (const Surface surface : kSurfaces) {
    if (substitution.in(surface)) {
      out["in"].push_back(to_string(surface));
    }
  }
  if (substitution.max_count != 0) {
    out["max_count"] = substitution.max_count;
  }
  return out;
}

Json tls_to_tree(const UpstreamTls& tls) {
  Json out = Json::object();
  const auto put = [&out](const char* key, const std::string& value) {
    if (!value.empty()) {
      out[key] = value;
    }
  };
  put("certificate", tls.certificate_key);
  put("key", tls.private_key_key);
  put("ca", tls.ca_pem);
  return out;
}

Json service_to_tree(const Service& service) {
  Json out = {{"name", service.name},
              {"host", service.matcher_text()},
              {"enabled", service.enabled},
              {"auth", auth_to_tree(service.auth)}};
  if (!service.substitutions.empty()) {
    out["substitutions"] = Json::array();
    for (const Substitution& substitution : service.substitutions) {
      out["substitutions"].push_back(substitution_to_tree(substitution));
    }
  }
  if (!service.methods.empty()) {
    out["methods"] = service.methods;
  }
  if (!service.env.empty()) {
    out["env"] = service.env;
  }
  if (service.expires_ms != 0) {
    out["expires"] = format_utc(service.expires_ms);
  }
  if (service.max_uses != 0) {
    out["uses"] = service.max_uses;
  }
  if (!service.grant.empty()) {
    out["grant"] = service.grant;
  }
  const auto put_flag = [&out](const char* name, bool value) {
    if (value) {
      out[name] = true;
    }
  };
  put_flag("allow_http", service.allow_http);
  put_flag("allow_uninspected", service.allow_uninspected);
  put_flag("allow_quoted_placeholders", service.allow_quoted_placeholders);
  put_flag("drop_cookies", service.drop_cookies);
  if (service.tls != UpstreamTls{}) {
    out["tls"] = tls_to_tree(service.tls);
  }
  if (!service.placeholder_shape.empty()) {
    out["placeholder"] = service.placeholder_shape;
  }
  return out;
}

Expected<std::vector<Service>> read_list(const TextTree& tree, const Json& list,
                                         const std::string& path) {
  if (!list.is_array()) {
    return tree.error_at(path, "\"services\" must be a list",
                         tree.is_toml ? "write [[services]]" : "");
  }
  std::vector<Service> services;
  std::set<std::string> names;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string at = TextTree::element(path, i);
    AV_TRY(Service service, read_service(tree, list[i], at));
    if (!names.insert(service.name).second) {
      return tree.error_at(at, "two services are named \"" + service.name + "\"",
                           "give each its own \"name\"");
    }
    services.push_back(std::move(service));
  }
  return services;
}

}  // namespace

Expected<Service> service_from_json(std::string_view text) {
  AV_TRY(const TextTree tree, parse_json_text(text));
  return read_service(tree, tree.root, {});
}

std::string service_to_json(const Service& service, bool pretty) {
  return dump_json(service_to_tree(service), pretty);
}

std::string services_to_json(const std::vector<Service>& services, bool pretty) {
  Json tree = {{"services", Json::array()}};
  for (const Service& service : services) {
    tree["services"].push_back(service_to_tree(service));
  }
  return dump_json(tree, pretty);
}

std::string services_to_toml(const std::vector<Service>& services) {
  std::string out = services.empty() ? "services = []\n" : "";
  for (const Service& service : services) {
    out += out.empty() ? "[[services]]\n" : "\n[[services]]\n";
    out += toml_fields(service_to_tree(service));
  }
  return out;
}

Expected<std::vector<Service>> services_from_file_text(std::string_view text) {
  static constexpr std::array<std::string_view, 1> kTop = {"services"};
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return make_error(ErrorCode::kInvalid, "the file is empty",
                      "write [[services]] tables, or `services = []` for none");
  }
  AV_TRY(const TextTree tree, parse_json_or_toml_text(text));
  if (tree.is_toml) {
    if (!tree.root.contains("services") && tree.root.contains("host")) {
      AV_TRY(Service service, read_service(tree, tree.root, {}));
      return std::vector<Service>{std::move(service)};
    }
    AV_CHECK(check_members(tree, tree.root, {}, kTop));
    if (tree.root.empty()) {
      return make_error(ErrorCode::kInvalid, "the file names no services",
                        "write [[services]] tables, or `services = []` for none");
    }
    return read_list(tree, tree.root["services"], TextTree::member({}, "services"));
  }
  if (tree.root.is_array()) {
    return read_list(tree, tree.root, {});
  }
  if (!tree.root.contains("services")) {
    AV_TRY(Service service, read_service(tree, tree.root, {}));
    return std::vector<Service>{std::move(service)};
  }
  AV_CHECK(check_members(tree, tree.root, {}, kTop));
  return read_list(tree, tree.root["services"], TextTree::member({}, "services"));
}

}  // namespace av::vault
