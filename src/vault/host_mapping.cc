#include "vault/host_mapping.h"

#include <algorithm>
#include <map>

#include "core/ascii.h"
#include "core/overloaded.h"
#include "vault/field_reader.h"
#include "vault/host_reference.h"
#include "vault/preset.h"
#include "vault/service_codec.h"

namespace av::vault {
namespace {

constexpr std::string_view kValue = "VALUE";
// In the place of "*", where a host is wanted: RFC 2606 section 2.
constexpr std::string_view kStandIn = "any-host.invalid";

// Every place where the auth of a mapping names a credential.
template <typename F>
void for_each_key(AuthScheme& auth, F&& visit) {
  std::visit(Overloaded{[&](BearerAuth& a) { visit(a.token_key); },
                        [&](BasicAuth& a) {
                          visit(a.username_key);
                          visit(a.password_key);
                        },
                        [&](ApiKeyAuth& a) { visit(a.key); },
                        [&](CustomAuth& a) {
                          for (CustomAuth::Header& header : a.headers) {
                            for (TemplatePiece& piece : header.pieces) {
                              visit(piece.credential_key);
                            }
                          }
                        },
                        [](PassthroughAuth&) {}},
             auth);
}

std::string field_of(const SourceRef& ref, std::string_view key) {
  return key == kValue ? ref.field : ascii::lower(key);
}

// A template says the same twice, as text and taken apart.
void write_templates(AuthScheme& auth) {
  auto* const custom = std::get_if<CustomAuth>(&auth);
  if (custom == nullptr) {
    return;
  }
  for (CustomAuth::Header& header : custom->headers) {
    header.source.clear();
    for (const TemplatePiece& piece : header.pieces) {
      header.source +=
          piece.credential_key.empty() ? piece.text : "{{ " + piece.credential_key + " }}";
    }
  }
}

// Where on the host the catalogue's service is; empty: everywhere.
std::string path_of(std::string_view host) {
  const PresetMatch match = preset_for_host(host);
  return match.service == nullptr ? std::string() : match.service->path;
}

// With a host that a service may have.
Service as_service(Service service) {
  if (service.host == kAnyHost) {
    service.host = kStandIn;
  }
  return service;
}

bool is_usual(const Service& service) {
  const auto* const bearer = std::get_if<BearerAuth>(&service.auth);
  return bearer != nullptr && bearer->token_key == kValue;
}

// Those of "*" for the hosts that the catalogue knows a way for, where nothing else is mapped.
std::vector<HostMapping> of_catalogue(const std::vector<HostMapping>& mappings) {
  std::vector<HostMapping> out;
  const auto first = std::find_if(mappings.begin(), mappings.end(), [](const HostMapping& one) {
    return one.service.host == kAnyHost;
  });
  if (first == mappings.end() || !is_usual(first->service)) {
    return out;
  }
  std::vector<Service> mapped;
  for (const HostMapping& mapping : mappings) {
    mapped.push_back(as_service(mapping.service));
  }
  const Matcher taken(std::move(mapped));
  for (const Preset& preset : presets()) {
    for (const Service& service : preset.services) {
      const std::string_view name = service.host;
      if (!fills_reference(name.substr(name.starts_with("*.") ? 2 : 0)) ||
          preset_for_host(service.host).service != &service || taken.has_host(service.host)) {
        continue;
      }
      auto usual = mapping_service(service.host);
      if (!usual || (is_usual(*usual) && usual->path.empty())) {
        continue;
      }
      for (const HostMapping& mapping : mappings) {
        if (mapping.service.host == kAnyHost) {
          out.push_back(mapping);
          out.back().service = *usual;
        }
      }
    }
  }
  return out;
}

}  // namespace

std::string mapping_name(std::string_view host) {
  return "map:" + std::string(host);
}

Expected<Service> mapping_service(std::string_view host) {
  Service out;
  if (host == kAnyHost) {
    out.name = "map";
    out.host = kAnyHost;
    out.auth = BearerAuth{std::string(kValue)};
    return out;
  }
  AV_CHECK(set_matcher_text(out, host));
  out.name = slug_of(out.host, "map");
  out.auth = BearerAuth{std::string(kValue)};
  const PresetMatch match = preset_for_host(out.host);
  if (match.service != nullptr && std::holds_alternative<PassthroughAuth>(match.service->auth)) {
    return make_error(ErrorCode::kInvalid,
                      "requests to " + out.host + " carry their credential outside of the headers",
                      "a service puts it there: agent-vault vault credential set KEY --from "
                      "REFERENCE, then agent-vault vault service add --host " +
                          out.host);
  }
  if (out.path.empty()) {
    out.path = path_of(out.host);
  }
  if (match.service != nullptr && match.service->credential_keys().size() == 1) {
    out.auth = match.service->auth;
    for_each_key(out.auth, [](std::string& key) {
      if (!key.empty()) {
        key = kValue;
      }
    });
    write_templates(out.auth);
    out.allow_quoted_placeholders = match.service->allow_quoted_placeholders;
  }
  AV_CHECK(check_mapping(out));
  return out;
}

Status check_mapping(const Service& service) {
  AV_CHECK(check_service(as_service(service)));
  // The catalogue's path: the rest of such a host is somebody else's.
  const bool path = service.path.empty() || service.path == path_of(service.host);
  const bool plain = path && service.port == 0 && service.methods.empty() && service.env.empty() &&
                     service.substitutions.empty() && service.expires_ms == 0 &&
                     service.max_uses == 0 && service.tls == UpstreamTls{};
  if (!plain) {
    return make_error(ErrorCode::kInvalid, "a mapping has a host and a way to authenticate",
                      "for a path, a method or more, make a service with a credential from there:"
                      " agent-vault vault credential set KEY --from REFERENCE");
  }
  return {};
}

std::string mapping_to_json(const Service& service) {
  return service_to_json(as_service(service));
}

Expected<Service> mapping_from_json(std::string_view text) {
  AV_TRY(Service out, service_from_json(text));
  if (out.host == kStandIn) {
    out.host = kAnyHost;
  }
  return out;
}

void add_mappings(PolicySnapshot& snapshot, const std::vector<HostMapping>& mappings) {
  std::vector<Service> services;
  std::map<std::string, std::size_t, std::less<>> by_host;  // index in services
  const auto add = [&](const HostMapping& mapping, const std::string& name) {
    const auto [known, is_new] = by_host.try_emplace(mapping.service.host, services.size());
    if (is_new) {
      services.push_back(mapping.service);
      services.back().name = name;
    }
    // A key of its own for each field, that no credential of the vault can have.
    Service& service = services[known->second];
    const auto own = [&](const std::string& key) { return name + "/" + key; };
    Service as_written = mapping.service;
    if (!is_new) {
      as_written.auth = service.auth;
    }
    for (const std::string& key : as_written.credential_keys()) {
      const std::size_t slash = key.rfind('/');
      const std::string field = slash == std::string::npos ? key : key.substr(slash + 1);
      SealedCredential& credential = snapshot.credentials[own(field)];
      credential.key = own(field);
      SourceRef source{mapping.ref.store_uid, mapping.ref.item, field_of(mapping.ref, field)};
      if (std::find(credential.sources.begin(), credential.sources.end(), source) ==
          credential.sources.end()) {
        credential.sources.push_back(std::move(source));
      }
    }
    if (is_new) {
      for_each_key(service.auth, [&](std::string& key) {
        if (!key.empty()) {
          key = own(key);
        }
      });
    }
  };
  for (const HostMapping& mapping : mappings) {
    add(mapping, mapping_name(mapping.service.host));
  }
  for (const HostMapping& mapping : of_catalogue(mappings)) {
    add(mapping, mapping_name(kAnyHost));
  }
  snapshot.has_sources = snapshot.has_sources || !services.empty();
  const auto any = by_host.find(kAnyHost);
  if (any != by_host.end()) {
    const auto at = services.begin() + static_cast<std::ptrdiff_t>(any->second);
    snapshot.any_host = std::move(*at);
    services.erase(at);
  }
  snapshot.mappings = Matcher(std::move(services));
}

}  // namespace av::vault
