#pragma once
// External stores: what keeps secrets instead of this store (1Password, HashiCorp Vault...). Here
// is how one is named and referred to; what talks to them is src/source.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"

namespace av::vault {

// Words that a kind of store defines: URLs, accounts, the path of a program. Not secret.
using StoreSettings = std::map<std::string, std::string, std::less<>>;
// What it was paired with, and what it wants kept: tokens, keys, the state of a channel. Sealed
// together.
using StoreSecrets = std::map<std::string, Secret, std::less<>>;

struct ExternalStore {
  std::string uid;
  std::string name;  // of the vault; as a service's
  std::string kind;  // of the table in source/kinds.h
  StoreSettings settings;
  std::string account;  // as the store calls who is paired; for people
  std::int64_t paired_ms = 0;
};

// A value in an external store. `item` is what is fetched at once and cached, `field` a part of it;
// both canonical, as the kind's parser made them.
struct SourceRef {
  std::string store_uid;
  std::string item;  // of a mapping, also as in SourceQuery::Choice
  std::string field;
  auto operator<=>(const SourceRef&) const = default;
};

// Why a store gave nothing.
struct StoreFailure {
  enum class Why : std::uint8_t {
    kNotFound,     // it answered: there is no such item, or no such field
    kDenied,       // it takes our token no longer, or the token may not read this
    kLocked,       // a person must unlock it first
    kUnreachable,  // no connection, or the program could not be run
    kTimeout,
    kBusy,       // it asks to be asked later; see retry_ms
    kMalformed,  // its answer is not one
    kRefused,    // it may not be asked: an address that is not to be talked to, a changed program
    kInvalid,    // the reference or a setting is wrong
  };
  Why why = Why::kUnreachable;
  // For people: what happened, one line, without a final stop; never any part of a secret, and of
  // what the store said no more than a short, printable excerpt.
  std::string message;
  std::string hint;  // what to type or do next; may be empty
  std::int64_t retry_ms = 0;
};
[[nodiscard]] std::string_view to_string(StoreFailure::Why why);  // "not_found", "denied"...

// Values of one item that are wanted together, so that they fit each other.
struct SourceQuery {
  struct Choice {
    std::string store_uid;
    // Empty: the one that the store has for `host`. "{host}" in it stands for the host; see
    // host_reference.h.
    std::string item;
    std::vector<std::string> fields;  // one for each of `keys`
  };
  std::vector<std::string> keys;  // credentials, as the snapshot names them
  std::vector<Choice> choices;    // the preferred one first
  std::string host;               // canonical
};
struct FetchedItem {
  std::vector<std::shared_ptr<const Secret>> values;  // one for each of the query's keys
  std::uint64_t version = 0;                          // another one for other values
  std::int64_t until_ms = 0;                          // of the steady clock: ask again from then on
  std::size_t choice = 0;                             // which one it was
};
using FetchResult = Expected<FetchedItem, StoreFailure>;

// Texts that can be kept: UTF-8 without NUL, at most 64 KiB each. kInvalid.
[[nodiscard]] Status check_settings(const StoreSettings& settings);
// One JSON object and back; of settings that have been checked.
[[nodiscard]] std::string settings_to_json(const StoreSettings& settings);
[[nodiscard]] Expected<StoreSettings> settings_from_json(std::string_view text);

// One flat text for sealing, and back: names and values with their lengths.
[[nodiscard]] Expected<Secret> pack(const StoreSecrets& secrets);
[[nodiscard]] Expected<StoreSecrets> unpack_store_secrets(const Secret& packed);

}  // namespace av::vault
