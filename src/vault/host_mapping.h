#pragma once
// HostMapping: what an external store has for a host that no service covers. In a snapshot it is a
// service of its own, looked for last; its credentials are the fields of the item. One of the host
// "*" is for every host that no other covers: https:// on the usual port, by name (see
// host_reference.h).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "vault/external.h"
#include "vault/policy.h"
#include "vault/service.h"

namespace av::vault {

struct HostMapping {
  std::string store;      // name
  std::string reference;  // as a person wrote it; empty: what the store has for the host
  SourceRef ref;          // item empty: the same
  // Host and how it is injected. Its keys are fields of the item in upper case; VALUE is ref.field.
  Service service;
  std::int64_t missing_ms = 0;  // wall clock: since when the store does not have it; 0: it has
};

inline constexpr std::string_view kAnyHost = "*";

// `host` as in a service, without port and path, or "*". The auth is that of the catalogue for this
// host, else a bearer token. kInvalid.
[[nodiscard]] Expected<Service> mapping_service(std::string_view host);
// For one that a person has written: a host and nothing that a mapping cannot have.
[[nodiscard]] Status check_mapping(const Service& service);
// "map:api.example.com": as the audit log and the scopes of agents name it.
[[nodiscard]] std::string mapping_name(std::string_view host);
// The service of a mapping as text and back: that of "*" is none that a service may be, so it has
// another host there.
[[nodiscard]] std::string mapping_to_json(const Service& service);
[[nodiscard]] Expected<Service> mapping_from_json(std::string_view text);
// Puts them into `snapshot`: services, and credentials to be fetched. Several for one host are
// choices in this order, with the auth of the first. Hosts of the catalogue that only "*" covers
// are authenticated to as the catalogue says, unless somebody has said how.
void add_mappings(PolicySnapshot& snapshot, const std::vector<HostMapping>& mappings);

}  // namespace av::vault
