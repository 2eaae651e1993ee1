// Hosts that a person maps to a store, and mappings as they are kept: what is taken makes a service
// whose every key is a credential that can be fetched, from each store.

#include <cstdint>
#include <string>

#include "core/encoding.h"
#include "fuzz/require.h"
#include "vault/host_mapping.h"
#include "vault/host_reference.h"

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
  require(snapshot.has_sources);
  const bool any = service.host == vault::kAnyHost;
  require(any == snapshot.any_host.has_value());
  require(any || snapshot.mappings.services().size() == 1);
  const vault::Service& made = any ? *snapshot.any_host : snapshot.mappings.services()[0];
  require(made.name == vault::mapping_name(service.host));
  for (const std::string& key : made.credential_keys()) {
    require(key.starts_with(made.name + "/"));
    const auto found = snapshot.credentials.find(key);
    require(found != snapshot.credentials.end() && found->second.sources.size() == 2);
    require(found->second.sources[0].field == found->second.sources[1].field);
  }
  require(snapshot.credentials.size() == made.credential_keys().size());
}

// What an agent names as a host changes one part of a reference and nothing around it.
void look_at_host(const std::string& host) {
  const std::string item = "before/{host}/behind";
  const std::string filled = vault::fill_host(item, host);
  require(filled.empty() != vault::fills_reference(host));
  if (filled.empty()) {
    return;
  }
  require(filled == "before/" + host + "/behind");
  require(host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string::npos);
  require(host.find("..") == std::string::npos && host.find('.') != std::string::npos);
  require(host.front() != '.' && host.front() != '-' && host.back() != '.');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 16 * 1024) {
    return 0;
  }
  const std::string text(reinterpret_cast<const char*>(data), size);
  look_at_host(text);
  if (vault::check_host_part(text)) {
    require(vault::names_host(text));
    require(!vault::names_host(vault::fill_host(text, "a.example")));
  }
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
  const auto kept = vault::mapping_from_json(text);
  if (kept && vault::check_mapping(*kept)) {
    const auto again = vault::mapping_from_json(vault::mapping_to_json(*kept));
    require(again && again->host == kept->host);
    look_at(*kept);
  }
  return 0;
}
