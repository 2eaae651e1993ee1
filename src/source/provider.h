#pragma once
// Provider: one paired external store. What every kind of store implements, and all that the rest
// of the program knows of it.
//
// Calls block, for at most a few tens of seconds, and come from several threads at once: a provider
// guards what it keeps between calls (a login, a channel) with a mutex of its own, and holds it
// across a remote call only where the store's protocol knows one call at a time.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"
#include "vault/external.h"

namespace av::source {

using Failure = vault::StoreFailure;
template <typename T>
using Result = Expected<T, Failure>;

// A secret that the store made for us and takes back by itself.
struct Lease {
  std::string id;
  std::int64_t life_ms = 0;  // from now on
  bool renewable = false;
};

// What an item holds. A store whose items are single values has one field, "".
struct Record {
  std::map<std::string, Secret, std::less<>> fields;
  // How long it may be used without asking again; the cache keeps it no longer than a minute,
  // unless there is a lease.
  std::int64_t keep_ms = 60'000;
  std::optional<Lease> lease;
};

// What is said of a store that works.
struct About {
  std::string account;  // who is paired, in the store's words; printable
  std::string detail;   // one line for people; may be empty
};

// What there is to refer to; names only.
struct Listed {
  std::string reference;           // as one would type it
  std::string title;               // in the store's words
  std::vector<std::string> hosts;  // of its URLs, canonical; may be empty
  bool folder = false;             // has more below: list it by its reference
};

class Provider {
 public:
  virtual ~Provider() = default;
  // Once, when a person pairs the store. May replace secrets by others (a one-time code by keys):
  // through Ports::keep.
  virtual Result<About> pair() = 0;
  // Whether it works now; asks the store.
  virtual Result<About> test() = 0;
  // `item` of a reference that this kind's parser made.
  virtual Result<Record> fetch(const std::string& item) = 0;
  // The item that the store itself would fill in at this canonical host; empty when it cannot tell.
  [[nodiscard]] virtual std::string item_of_host(std::string_view host) const {
    (void)host;
    return {};
  }
  // For leases of records that this provider has fetched, or an earlier one of the same store.
  virtual Result<Lease> renew(const Lease& lease);
  virtual Result<void> revoke(const Lease& lease);
  // Below `reference`, or at the top when it is empty. kInvalid: this kind cannot.
  virtual Result<std::vector<Listed>> list(const std::string& reference);
  // What the store should know before it is forgotten: a token is given back. Errors are for
  // people; it is forgotten all the same.
  virtual Result<void> disconnect() { return {}; }
};

using vault::to_string;
[[nodiscard]] Failure failure(Failure::Why why, std::string message, std::string hint = {});
// What a store or a program said, fit for a message: printable, one line, at most 160 characters.
// Only of what cannot hold a secret: an error's own text, never an answer as a whole.
[[nodiscard]] std::string excerpt(std::string_view text);
// Among the fields of a record. What a store calls nothing is its password.
template <typename Fields>
[[nodiscard]] auto find_field(const Fields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() && name == "password" ? fields.find(std::string_view()) : found;
}
// That it is not there, with the names of those that are.
template <typename Fields>
[[nodiscard]] Failure no_such_field(const Fields& fields, std::string_view name) {
  std::string names;
  for (const auto& [known, value] : fields) {
    names += (names.empty() ? "" : ", ") + excerpt(known);
  }
  return failure(Failure::Why::kNotFound, "the item has no field \"" + excerpt(name) + "\"" +
                                              (names.empty() ? "" : "; it has " + names));
}
// The value of a field; kNotFound names the fields that there are.
[[nodiscard]] Result<const Secret*> field_of(const Record& record, std::string_view field);

}  // namespace av::source
