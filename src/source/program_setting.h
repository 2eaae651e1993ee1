#pragma once
// The program of a paired store, out of its settings: NAME is its path, NAME.sha256 its digest.

#include <string>
#include <string_view>
#include <vector>

#include "source/kinds.h"
#include "source/ports.h"
#include "vault/external.h"

namespace av::source {

struct Program {
  std::string path;
  std::string digest;
  [[nodiscard]] Command command() const;
};

// kInvalid when it is no absolute path, or the digest is none.
[[nodiscard]] Result<Program> program_setting(const vault::ExternalStore& store,
                                              std::string_view name);

// Where the programs of a store run: rows for the table of a kind that has one.
inline constexpr Setting kIsolationSetting = {
    .name = "isolation",
    .help =
        "store: its program runs as a command does at that level; off: as the user (for a "
        "machine on which no agent can write this user's files)",
    .fallback = "store"};
[[nodiscard]] constexpr Setting share_setting(std::string_view fallback) {
  return {.name = "share",
          .help = "what of the machine its program needs, as --share of run; names with commas",
          .fallback = fallback};
}

struct HelperIsolation {
  bool isolated = true;
  std::vector<std::string> shares;  // whether there are such is for the caller to say
};
// Of a store that was paired before there were such settings, too. kInvalid.
[[nodiscard]] Result<HelperIsolation> helper_isolation(const Kind& kind,
                                                       const vault::ExternalStore& store);

// A setting; empty when it is not there.
[[nodiscard]] std::string setting(const vault::ExternalStore& store, std::string_view name);

}  // namespace av::source
