#include "vault/path_readings.h"

#include <algorithm>
#include <array>

#include "core/ascii.h"
#include "core/utf8.h"

namespace av::vault {

std::string without_parameters(const std::string& text) {
  std::string out;
  bool in_parameter = false;
  for (const char c : text) {
    in_parameter = c != '/' && (in_parameter || c == ';');
    if (!in_parameter) {
      out.push_back(c);
    }
  }
  return out;
}

std::string with_merged_slashes(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c != '/' || !out.ends_with('/')) {
      out.push_back(c);
    }
  }
  return out;
}

std::string without_odd_ends(const std::string& text) {
  std::string out;
  const auto cut = [&] {
    while (out.ends_with('.') || out.ends_with(' ')) {
      out.pop_back();
    }
  };
  for (const char c : text) {
    if (c == '/') {
      cut();
    }
    out.push_back(c);
  }
  cut();
  return out.empty() ? "/" : out;
}

std::string up_to_query(const std::string& text) {
  std::string out = text.substr(0, text.find_first_of("?#"));
  return out.empty() ? "/" : out;
}

std::string lax_reading(std::string_view path) {
  std::string out;
  for (std::size_t at = 0; at < path.size(); ++at) {
    const std::string_view escape = path.substr(at, 3);
    const char meant = escape == "%20"   ? ' '
                       : escape == "%23" ? '#'
                       : escape == "%3B" ? ';'
                       : escape == "%3F" ? '?'
                                         : '\0';
    out.push_back(meant == '\0' ? path[at] : meant);
    at += meant == '\0' ? 0 : 2;
  }
  return with_merged_slashes(without_odd_ends(up_to_query(without_parameters(out))));
}

namespace {

void append_byte(std::string& out, char byte) {
  // What is told apart from its escape by some servers only is read in a step of its own.
  if (byte == '/') {
    out += "%2f";
  } else if (byte == '%') {
    out += "%25";
  } else {
    out.push_back(ascii::lower(byte));
  }
}

// Lower case, one layer of escapes read but for %2F and %25.
std::string unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool escape = text[at] == '%' && at + 2 < text.size() &&
                        ascii::hex_value(text[at + 1]) >= 0 && ascii::hex_value(text[at + 2]) >= 0;
    if (!escape) {
      out.push_back(ascii::lower(text[at]));
      continue;
    }
    const int value = ascii::hex_value(text[at + 1]) * 16 + ascii::hex_value(text[at + 2]);
    const char byte = static_cast<char>(value);
    at += 2;
    char meant = 0;
    const std::size_t lead = overlong_lead(out, byte, meant);
    out.resize(out.size() - lead);
    append_byte(out, lead == 0 ? byte : meant);
  }
  return out;
}

std::string with(std::string_view text, std::string_view what, char by) {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  for (std::size_t found = text.find(what); found != std::string_view::npos;
       found = text.find(what, at)) {
    out += text.substr(at, found - at);
    out.push_back(by);
    at = found + what.size();
  }
  out += text.substr(at);
  return out;
}

std::string with_all_layers_read(const std::string& text) {
  constexpr int kMaxLayers = 8;  // canonical_target() refuses paths with more than a few
  std::string out = text;
  for (int layer = 0; layer < kMaxLayers && out.find("%25") != std::string::npos; ++layer) {
    out = unescaped(with(out, "%25", '%'));
  }
  return out;
}

std::string with_slashes_read(const std::string& text) {
  return with(text, "%2f", '/');
}

std::string without_last_slash(const std::string& text) {
  std::string out = text;
  while (out.size() > 1 && out.ends_with('/')) {
    out.pop_back();
  }
  return out;
}

std::string pattern_without_last_slash(const std::string& text) {
  std::string out = without_last_slash(text);
  return out.ends_with('*') ? text : out;
}

using Step = std::string (*)(const std::string&);

std::vector<std::string> all_readings(std::string_view path, Step last_slash) {
  std::vector<std::string> readings;
  const auto also = [&](Step step) {
    for (std::size_t at = 0, count = readings.size(); at < count; ++at) {
      std::string other = step(readings[at]);
      if (std::find(readings.begin(), readings.end(), other) == readings.end()) {
        readings.push_back(std::move(other));
      }
    }
  };
  const bool ordinary = path.find_first_of("%;") == std::string_view::npos &&
                        path.find("//") == std::string_view::npos &&
                        path.find("./") == std::string_view::npos && !path.ends_with('.');
  if (ordinary) {
    readings.push_back(ascii::lower(path));
  } else {
    readings.push_back(unescaped(path));
    for (const Step step :
         std::array<Step, 6>{with_all_layers_read, with_slashes_read, without_parameters,
                             up_to_query, without_odd_ends, with_merged_slashes}) {
      also(step);
    }
  }
  if (!ordinary || path.ends_with('/')) {
    also(last_slash);
  }
  return readings;
}

}  // namespace

std::vector<std::string> path_readings(std::string_view path) {
  return all_readings(path, without_last_slash);
}

std::vector<std::string> pattern_readings(std::string_view pattern) {
  return all_readings(pattern, pattern_without_last_slash);
}

}  // namespace av::vault
