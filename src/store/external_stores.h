#pragma once
// ExternalStores: the part of the store that knows which stores of others a vault is paired with,
// and what in it is kept there. Never a value of theirs.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "vault/external.h"
#include "vault/host_mapping.h"

namespace av::store {

class ExternalStores {
 public:
  virtual ~ExternalStores() = default;

  struct ExternalStoreInfo {
    vault::ExternalStore store;
    std::string vault;           // name
    std::uint64_t revision = 0;  // grows when it is paired anew; not with what it keeps itself
    std::int64_t ok_ms = 0;      // wall clock, as of the next three; 0: never
    std::int64_t error_ms = 0;   // later than ok_ms when the last attempt failed
    std::string error;
    std::uint64_t credentials = 0;
    std::uint64_t mappings = 0;
    std::uint64_t leases = 0;  // that nobody has given back
  };
  // By name. An empty name: of every vault.
  virtual Expected<std::vector<ExternalStoreInfo>> list_stores(std::string_view vault) = 0;
  // kNotFound with did-you-mean.
  virtual Expected<ExternalStoreInfo> get_store(std::string_view vault, std::string_view name) = 0;
  struct OpenedStore {
    vault::ExternalStore store;
    std::string vault;
    vault::StoreSecrets secrets;
  };
  virtual Expected<OpenedStore> open_store(std::string_view uid) = 0;
  // Adds, or replaces one of this name and kind; then what refers to it stays. Returns its uid,
  // which is `store.uid` for a new one. kExists: it is of another kind.
  virtual Expected<std::string> pair_store(std::string_view vault,
                                           const vault::ExternalStore& store,
                                           const vault::StoreSecrets& secrets) = 0;
  // On disk when it returns.
  virtual Status keep_store(std::string_view uid, const vault::StoreSecrets& secrets) = 0;
  // How the last attempt went; an empty error: well. Written at most once in ten minutes when
  // nothing has changed: whoever follows the store reads all of it again after each write.
  virtual Status note_store(std::string_view uid, std::string_view error) = 0;
  // Whether the store has what is referred to. Of a reference that is another one for each host
  // (host_reference.h): for `host`, which counts for the mapping of that host alone. Written when
  // it has changed.
  virtual Status note_missing(const vault::SourceRef& ref, std::string_view host, bool missing) = 0;

  // Secrets that an external store has made for a process, and takes back when it is told; see
  // lease_owner.h.
  struct LeaseInfo {
    std::string uid;
    std::string store_uid;
    std::int64_t owner = 0;
    std::int64_t ends_ms = 0;   // wall clock: the store takes it back by itself then
    std::int64_t retry_ms = 0;  // wall clock; of one that was left: not to be tried before. Else 0
  };
  // On disk when it returns: its uid. `id`: as the store calls it.
  virtual Expected<std::string> add_lease(std::string_view store_uid, std::string_view id,
                                          std::int64_t owner, std::int64_t ends_ms) = 0;
  virtual Status extend_lease(std::string_view uid, std::int64_t ends_ms) = 0;
  // It has been given back, or has ended.
  virtual Status remove_lease(std::string_view uid) = 0;
  // One that `from` has left becomes `to`'s, which tries again from `retry_ms` on. False: it is not
  // `from`'s any more.
  virtual Expected<bool> adopt_lease(std::string_view uid, std::int64_t from, std::int64_t to,
                                     std::int64_t retry_ms) = 0;
  // An empty uid: of every store. Those that have ended are forgotten first.
  virtual Expected<std::vector<LeaseInfo>> list_leases(std::string_view store_uid) = 0;
  // As the store calls it. kNotFound: it has been given back. kCorrupt.
  virtual Expected<std::string> open_lease(std::string_view uid) = 0;
  // kConflict while something refers to it, which is named.
  virtual Status remove_store(std::string_view vault, std::string_view name) = 0;

  struct Source {
    std::string store;      // name
    std::string reference;  // as it was written
    std::string item;
    std::string field;
  };
  // Makes the credential, or what it was before, one that is kept there. Whether it is new.
  virtual Expected<bool> set_source(std::string_view vault, std::string_view key,
                                    const Source& source) = 0;
  struct SourceInfo {
    std::string key;
    std::string store;  // name
    std::string reference;
    vault::SourceRef ref;
    std::int64_t missing_ms = 0;
  };
  virtual Expected<std::vector<SourceInfo>> list_sources(std::string_view vault) = 0;

  // Adds or replaces by host and store. Those of one host are asked in the order of their making.
  virtual Status put_mapping(std::string_view vault, const vault::HostMapping& mapping) = 0;
  // An empty `store`: of all. kNotFound.
  virtual Status remove_mapping(std::string_view vault, std::string_view host,
                                std::string_view store) = 0;
  virtual Expected<std::vector<vault::HostMapping>> list_mappings(std::string_view vault) = 0;
};

}  // namespace av::store
