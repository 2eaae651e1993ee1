#pragma once
// StoreCheck: whether an external store works and has what is referred to. Values are fetched to
// see that they are there, and are nowhere to be had from here.

#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "source/provider.h"
#include "store/external_stores.h"

namespace av::api {

// What refers to one store, by what it is called here: a credential, a host.
struct StoreReference {
  std::string what;
  vault::SourceRef ref;
};
// Those that name an item; what a store finds by the host is found when a request comes.
[[nodiscard]] std::vector<StoreReference> references_of(
    const std::string& store_uid, const std::vector<store::ExternalStores::SourceInfo>& sources,
    const std::vector<vault::HostMapping>& mappings);

struct StoreCheck {
  std::string what;                        // "works", or what refers to it
  std::optional<source::Failure> failure;  // none: good
  std::string words;                       // who is paired, "is there"
  std::optional<vault::SourceRef> ref;     // whose answer it is
};
// Blocks. The first one is about the store; when it does not work there are no others. What has not
// been looked at after `most` is a failure of its own: kTimeout.
[[nodiscard]] std::vector<StoreCheck> check_store(source::Provider& provider,
                                                  const std::vector<StoreReference>& references,
                                                  const Clock& clock, Millis most);
// Notes in the store what came of it.
void note_checks(store::ExternalStores& store, const std::string& store_uid,
                 const std::vector<StoreCheck>& checks);

}  // namespace av::api
