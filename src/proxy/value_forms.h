#pragma once
// The literal forms in which an injected value is looked for. What the guard reads by itself
// (escapes in any mixture, hex, line breaks in base64) needs no forms.

#include <cstddef>
#include <functional>
#include <string_view>

namespace av::proxy {

// Long values are looked for in segments, which bounds how much of a stream must be held back.
constexpr std::size_t kValueSegment = 512;

enum class FormKind { kPlain, kEncoded };

// Calls `add` with each form of a value. What `add` is lent is wiped afterwards.
//
// kPlain, by line: the line itself, in segments; with "+" for spaces; as it reads when escapes that
// it happens to contain are decoded, or eaten by text around it.
// kEncoded: base64 in both alphabets at each of three alignments; each line in UTF-16.
//
// No form contains a line feed. Forms and lines below `shortest` bytes are left out.
void for_each_form(std::string_view value, std::size_t shortest,
                   const std::function<void(std::string_view, FormKind)>& add);

}  // namespace av::proxy
