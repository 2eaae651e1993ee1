#pragma once
// Fields: typed access to the members of one table of a text, with errors that point at them.
// Internal to the codecs.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "vault/text_tree.h"

namespace av::vault {

class Fields {
 public:
  using Json = TextTree::Json;
  // `node` stands at `path` in `tree`; both must outlive this.
  Fields(const TextTree& tree, const Json& node, std::string path)
      : tree_(tree), node_(node), path_(std::move(path)) {}

  // A table, and no member but these.
  [[nodiscard]] Status only(std::span<const std::string_view> known) const;
  [[nodiscard]] const Json* find(std::string_view key) const;  // null when absent
  [[nodiscard]] std::string path_of(std::string_view key) const {
    return TextTree::member(path_, key);
  }
  // "\"key\" why", at the member, or at the table when it is not there.
  [[nodiscard]] Error wrong(std::string_view key, std::string_view why,
                            std::string hint = {}) const;

  // These leave `out` alone when the member is absent.
  [[nodiscard]] Status text(std::string_view key, std::string& out) const;
  [[nodiscard]] Status flag(std::string_view key, bool& out) const;
  [[nodiscard]] Status texts(std::string_view key, std::vector<std::string>& out) const;
  // A whole number from `least` to `most`.
  [[nodiscard]] Status number(std::string_view key, std::uint32_t least, std::uint32_t most,
                              std::uint32_t& out) const;

  [[nodiscard]] Status required_text(std::string_view key, std::string& out) const;

 private:
  const TextTree& tree_;
  const Json& node_;
  std::string path_;
};

// kInvalid, pointing at the first member of `node` that is not among `known`.
[[nodiscard]] Status check_members(const TextTree& tree, const TextTree::Json& node,
                                   const std::string& path,
                                   std::span<const std::string_view> known);
// "did you mean "x"?", or "`what`: a, b, c".
[[nodiscard]] std::string suggestion(std::string_view word, std::span<const std::string_view> known,
                                     std::string_view what);

void make_upper(std::vector<std::string>& words);
// "*.example.com/v1/*" -> "example-com-v1": a name where none was given; at most 64 characters.
// `what` comes in front when fewer than three are left.
[[nodiscard]] std::string slug_of(std::string_view text, std::string_view what);

}  // namespace av::vault
