#pragma once
// Kinds: the table of the external stores that this program can talk to. Commands, pages, API and
// documentation go by it; to add a kind is to add a row.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "source/ports.h"
#include "source/provider.h"
#include "vault/external.h"

namespace av::source {

struct Setting {
  std::string_view name;  // "url"
  std::string_view help;  // one line, for people
  bool secret = false;    // kept sealed, asked for without echo
  bool required = false;
  // Environment variable that is taken when nothing else is given, when a person pairs; may be
  // empty.
  std::string_view variable = {};
  std::string_view fallback = {};  // value when nothing is given; may be empty
  // The value given is a program's name or path: the path found, with its digest, is kept (as this
  // setting and as `NAME.sha256`).
  bool program = false;
};

// A reference as people type it, taken apart; canonical.
struct Reference {
  std::string item;
  std::string field;
};

struct Kind {
  std::string_view id;       // "1password"
  std::string_view title;    // "1Password"
  std::string_view scheme;   // of its references: "op"; several kinds may share one
  std::string_view example;  // of a reference: "op://Private/OpenAI/credential"
  std::span<const Setting> settings;
  // `text` has been found to begin with "scheme://"; kInvalid says what is wrong and where.
  Result<Reference> (*parse)(std::string_view text);
  // Checks settings and secrets, without talking to anybody. `secrets` belong to the provider from
  // here on; the ports must outlive it.
  Result<std::unique_ptr<Provider>> (*make)(const vault::ExternalStore& store,
                                            vault::StoreSecrets secrets, const Ports& ports);
  bool finds_by_host = false;  // item_of_host() tells
};

[[nodiscard]] std::span<const Kind* const> kinds();
// Its own, then those that every kind with an address has: ca, allow_net, plain_http.
[[nodiscard]] std::vector<Setting> settings_of(const Kind& kind);
// Null when there is none.
[[nodiscard]] const Kind* find_kind(std::string_view id);
// The scheme of a reference; empty when `text` is none.
[[nodiscard]] std::string_view scheme_of(std::string_view text);

}  // namespace av::source
