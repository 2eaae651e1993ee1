#pragma once
// The ways in which servers read one path. Internal to vault, but for `rule test`, which shows
// them.

#include <string>
#include <string_view>
#include <vector>

namespace av::vault {

// Of a canonical path, in lower case, each once: escapes read (also those behind escaped percent
// signs, and two-byte forms of ASCII, which old decoders accept), %2F as data or as a slash, with
// or without ";parameters", with slashes merged or not, without a slash at the end. Most paths have
// one; no path has more than 32.
[[nodiscard]] std::vector<std::string> path_readings(std::string_view path);

// The same of a pattern. Its stars stay what they are; so does the slash behind one at the end,
// because "/x/*" covers more than "/x/*/".
[[nodiscard]] std::vector<std::string> pattern_readings(std::string_view pattern);

// Two of the steps: each segment without what follows its first ";"; one slash for several.
[[nodiscard]] std::string without_parameters(const std::string& path);
[[nodiscard]] std::string with_merged_slashes(const std::string& path);

}  // namespace av::vault
