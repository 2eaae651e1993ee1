// Hosts that a person maps to a store, and mappings as they are kept: what is taken makes a service
// whose every key is a credential that can be fetched, from each store.

#include <cstdint>
#include <string>

#include "core/encoding.h"
#include "fuzz/require.h"
#include "vault/host_mapping.h"
#include "vault/service_codec.h"

using namespace av;

namespace {

void look_at(const vault::Service& service) {
  vault::PolicySnapshot snapshot;
  std::vector<vault::HostMapping> mappings(2);
  for (std::size_t i = 0; i < mappings.size(); ++i) {
    mappings[i].service = service;
    mappings[i].store = "store";
    mappings[i].ref = {"xst_" + std::to_string(i), "item", "Field"};
  }
  vault::add_mappings(snapshot, mappings);
  const auto& made = snapshot.mappings.services();
  require(snapshot.has_sources && made.size() == 1);
  require(made[0].name == vault::mapping_name(service.host));
  for (const std::string& key : made[0].credential_keys()) {
    require(key.starts_with(made[0].name + "/"));
    const auto found = snapshot.credentials.find(key);
    require(found != snapshot.credentials.end() && found->second.sources.size() == 2);
    require(found->second.sources[0].field == found->second.sources[1].field);
  }
  require(snapshot.credentials.size() == made[0].credential_keys().size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 16 * 1024) {
    return 0;
  }
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto service = vault::mapping_service(text);
  if (service) {
    require(!service->host.empty() && service->host.size() <= 260);
    require(encoding::printable(service->host) == service->host);
    require(vault::check_mapping(*service).has_value());
    const auto again = vault::mapping_service(service->host);
    require(again && again->host == service->host);
    look_at(*service);
  } else {
    require(!service.error().message.empty());
    require(encoding::printable(service.error().message) == service.error().message);
  }
  const auto kept = vault::service_from_json(text);
  if (kept && vault::check_mapping(*kept)) {
    const auto again = vault::service_from_json(vault::service_to_json(*kept));
    require(again && again->host == kept->host);
    look_at(*kept);
  }
  return 0;
}
