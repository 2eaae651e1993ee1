#pragma once
// Query: the parameters of a request's query, decoded once, as forms write them ("+" is a space).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/expected.h"

namespace av::api {

class Query {
 public:
  // kInvalid: a bad escape, a control character, or a parameter named twice, of which two readers
  // might take different ones.
  static Expected<Query> parse(std::string_view text);

  // Empty when it is absent.
  [[nodiscard]] std::string_view get(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
  // "true" or "1"; false when it is absent.
  [[nodiscard]] bool flag(std::string_view name) const;
  // A number from `least` to `most`; `otherwise` when it is absent. kInvalid when it is neither.
  [[nodiscard]] Expected<std::int64_t> number(std::string_view name, std::int64_t least,
                                              std::int64_t most, std::int64_t otherwise) const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

// "%2F" and the like decoded; "+" too where `plus_is_space`. Empty when an escape is malformed or
// something decodes to a control character.
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space);

}  // namespace av::api
