#pragma once
// What a person takes away from a proposal, as options of `proposal approve`.

#include <cstdint>
#include <string>

#include "cmd/option_set.h"
#include "core/expected.h"
#include "vault/proposal.h"

namespace av::cmd {

struct NarrowOptions {
  std::string service;
  std::string host;
  std::string path;
  std::string methods;  // with commas
  std::string time;
  std::uint64_t uses = 0;
};
// `options` must outlive the set.
void add_narrow_options(OptionSet& app, NarrowOptions& options);
// kUsage where a word is not what the option takes; whether it narrows, the store says.
[[nodiscard]] Expected<vault::Narrowing> narrowing_of(const NarrowOptions& options);
// "get, POST" -> {"GET", "POST"}.
[[nodiscard]] std::vector<std::string> split_words(std::string_view text);

}  // namespace av::cmd
