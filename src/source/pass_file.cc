#include "source/pass_file.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "core/ascii.h"
#include "source/one_time_code.h"

namespace av::source {
namespace {

constexpr std::size_t kMostKeys = 64;
constexpr std::size_t kMostKey = 128;

std::string_view line_of(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  return line;
}

bool key(std::string_view text) {
  return !text.empty() && text.size() <= kMostKey &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return ascii::is_word(c) || c == '-' || c == '.' || c == ' '; });
}

Failure full() {
  return failure(Failure::Why::kMalformed, "the protected memory for secrets is full");
}

Result<void> put(Record& record, std::string name, std::string_view value) {
  if (record.fields.count(name) != 0) {
    return {};
  }
  auto secret = Secret::copy_of(value);
  if (!secret) {
    return full();
  }
  record.fields.emplace(std::move(name), std::move(*secret));
  return {};
}

}  // namespace

Result<Record> pass_record(const Secret& entry) {
  return entry.reveal([](std::string_view text) -> Result<Record> {
    Record out;
    const std::string_view first = line_of(text);
    if (!first.empty()) {
      AV_CHECK(put(out, {}, first));
    }
    while (!text.empty() && out.fields.size() <= kMostKeys) {
      const std::string_view line = line_of(text);
      const std::size_t colon = line.find(':');
      // "https://..." is an address, not a key.
      if (colon == std::string_view::npos || line.substr(colon).starts_with("://")) {
        continue;
      }
      const std::string_view name = ascii::trim(line.substr(0, colon));
      const std::string_view value = ascii::trim(line.substr(colon + 1));
      if (key(name) && !value.empty()) {
        AV_CHECK(put(out, ascii::lower(name), value));
      }
    }
    return out;
  });
}

Result<Record> pass_code(const Secret& entry, std::int64_t wall_ms) {
  return entry.reveal([&](std::string_view text) -> Result<Record> {
    while (!text.empty()) {
      const std::string_view line = ascii::trim(line_of(text));
      // By itself, or as the value of a key ("totp: otpauth://...").
      const std::size_t at = line.find("otpauth://");
      if (at == std::string_view::npos || (at != 0 && line[at - 1] != ' ' && line[at - 1] != ':')) {
        continue;
      }
      auto uri = Secret::copy_of(line.substr(at));
      if (!uri) {
        return full();
      }
      std::optional<TotpCode> code = totp_code(*uri, wall_ms);
      if (!code) {
        return failure(Failure::Why::kInvalid, "the entry's otpauth:// line cannot be read");
      }
      Record out;
      out.fields.emplace("totp", std::move(code->code));
      out.keep_ms = code->left_ms;
      return out;
    }
    return failure(Failure::Why::kNotFound, "the entry has no otpauth:// line");
  });
}

bool pass_folder(const Secret& output, std::string_view path) {
  return output.reveal([&](std::string_view text) {
    if (line_of(text) != path) {
      return false;
    }
    // The branches of tree(1): U+251C or U+2514, or in ASCII; perhaps in colour, behind an escape.
    return text.empty() || text.starts_with("\xe2\x94\x9c") || text.starts_with("\xe2\x94\x94") ||
           text.starts_with("|--") || text.starts_with("`--") || text.starts_with('\x1b');
  });
}

}  // namespace av::source
