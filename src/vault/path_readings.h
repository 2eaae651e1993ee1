#pragma once
// The ways in which servers read one path. Internal to vault, but for `rule test`, which shows
// them.

#include <string>
#include <string_view>
#include <vector>

namespace av::vault {

// Of a canonical path, in lower case, each once: escapes read (also those behind escaped percent
// signs, and forms of ASCII in several bytes, which old decoders accept), %2F as data or as a
// slash, with or without ";parameters", with and without what follows an escaped "?" or "#", with
// dots and blanks at the end of segments or without (Windows), with slashes merged or not, without
// a slash at the end. Most paths have one; no path has more than 128.
[[nodiscard]] std::vector<std::string> path_readings(std::string_view path);

// The same of a pattern. Its stars stay what they are; so does the slash behind one at the end,
// because "/x/*" covers more than "/x/*/".
[[nodiscard]] std::vector<std::string> pattern_readings(std::string_view pattern);

// Steps: each segment without what follows its first ";"; without dots and blanks at its end; one
// slash for several.
[[nodiscard]] std::string without_parameters(const std::string& path);
[[nodiscard]] std::string without_odd_ends(const std::string& path);
[[nodiscard]] std::string with_merged_slashes(const std::string& path);

// Of a canonical path: all of these at once, with what their escapes stand for.
[[nodiscard]] std::string lax_reading(std::string_view path);

}  // namespace av::vault
