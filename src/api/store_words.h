#pragma once
// External stores in JSON, the same from the command and from the API; and which store a reference
// is of.

#include <string>
#include <string_view>
#include <vector>

#include "api/reply.h"
#include "api/store_check.h"
#include "source/kinds.h"
#include "store/external_stores.h"
#include "vault/host_mapping.h"

namespace av::api {

using StoreInfo = store::ExternalStores::ExternalStoreInfo;
using StoreInfos = std::vector<StoreInfo>;
using SourceInfos = std::vector<store::ExternalStores::SourceInfo>;
using Mappings = std::vector<vault::HostMapping>;

// RFC 3339; null for what has never happened.
[[nodiscard]] Json time_or_null(std::int64_t wall_ms);
// "new", "works", "failing"
[[nodiscard]] std::string_view state_of(const StoreInfo& info);
[[nodiscard]] Json store_json(const StoreInfo& info);
[[nodiscard]] Json kind_json(const source::Kind& kind);
[[nodiscard]] Json mapping_json(const vault::HostMapping& mapping);
// What refers to a store: {credential|host, reference, missing_since}.
[[nodiscard]] Json references_json(const std::string& store, const SourceInfos& sources,
                                   const Mappings& mappings);
[[nodiscard]] Json check_json(const std::string& store, const StoreCheck& check);
[[nodiscard]] Json listed_json(const source::Listed& item);

// The store that a reference is of: the one named, or the only one of its scheme.
struct FoundReference {
  StoreInfo info;
  std::string item;
  std::string field;
};
[[nodiscard]] Expected<FoundReference> find_reference(const StoreInfos& stores,
                                                      std::string_view vault,
                                                      const std::string& reference,
                                                      std::string_view store_name);
// The one that can tell by itself what it has for a host.
[[nodiscard]] Expected<StoreInfo> find_by_host(const StoreInfos& stores,
                                               std::string_view store_name, std::string_view host);
// What is written of a mapping, with the store that it is of. An empty reference: by the host.
[[nodiscard]] Expected<vault::HostMapping> make_mapping(const StoreInfos& stores,
                                                        std::string_view vault,
                                                        vault::Service service,
                                                        const std::string& reference,
                                                        std::string_view store_name);

// kNotFound -> kNotFound, and so on; the message with who says it in front.
[[nodiscard]] Error error_of(const source::Failure& failure, std::string_view who);
// "external_store_denied" 403...
[[nodiscard]] proxy::Fault fault_of(const source::Failure& failure, std::string_view who);

}  // namespace av::api
