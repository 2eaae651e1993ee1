#include "vault/canonical.h"

#include <array>

#include "core/ascii.h"
#include "core/utf8.h"

namespace av::vault {
namespace {

using ascii::hex_value;
using ascii::is_control;
using ascii::is_unreserved;

constexpr std::string_view kHexUpper = "0123456789ABCDEF";

Error invalid(std::string message) {
  return make_error(ErrorCode::kInvalid, std::move(message));
}

// RFC 3986 section 3.3: pchar without the escapes, and the slash.
constexpr std::array<bool, 256> make_path_table() {
  std::array<bool, 256> table{};
  for (const char c :
       std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
                        "!$&'()*+,;=:@/")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
constexpr std::array<bool, 256> kPathChar = make_path_table();
bool is_path_char(char c) {
  return kPathChar[static_cast<unsigned char>(c)];
}

void append_escape(std::string& out, char c) {
  const auto u = static_cast<unsigned char>(c);
  out.push_back('%');
  out.push_back(kHexUpper[u >> 4U]);
  out.push_back(kHexUpper[u & 15U]);
}

// One layer of escapes read, and the overlong UTF-8 spellings of ASCII that some decoders still
// accept. False when nothing changed.
bool unescape_once(std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    const int high = c == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low >= 0) {
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    char meant = 0;
    const std::size_t lead = overlong_lead(out, c, meant);
    out.resize(out.size() - lead);
    out.push_back(lead == 0 ? c : meant);
  }
  const bool changed = out != text;
  text = std::move(out);
  return changed;
}

// Would a server that reads escapes (however often), drops ";parameters" or takes a backslash for
// a slash see "." or ".." somewhere in this one segment?
bool hides_dot_segment(std::string_view segment) {
  if (segment.find_first_of("%;") == std::string_view::npos) {
    return false;
  }
  // Nobody needs more layers; without a limit a long run of "%2525..." would cost quadratic time.
  constexpr int kMaxLayers = 5;
  std::string reading(segment);
  for (int layer = 0; unescape_once(reading); ++layer) {
    if (layer == kMaxLayers) {
      return true;
    }
  }
  std::string_view rest = reading;
  for (;;) {
    const std::size_t end = rest.find_first_of("/\\");
    std::string_view part = rest.substr(0, end);
    part = part.substr(0, part.find(';'));
    // Windows leaves blanks at the end away.
    part = part.substr(0, part.find_last_not_of(' ') + 1);
    if (part == "." || part == ".." || part.substr(0, part.find_first_of("?#")) == "..") {
      return true;
    }
    if (end == std::string_view::npos) {
      return false;
    }
    rest.remove_prefix(end + 1);
  }
}

// Escapes and characters in their one spelling; the slashes stay where they are.
Expected<std::string> normalise_escapes(std::string_view raw) {
  std::string out;
  out.reserve(raw.size() + 16);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const char c = raw[i];
    if (is_control(c)) {
      return invalid("path has a control character");
    }
    if (c == '\\') {
      return invalid("path has a backslash");
    }
    if (c != '%') {
      if (is_path_char(c)) {
        out.push_back(c);
      } else {
        append_escape(out, c);
      }
      continue;
    }
    const int high = i + 2 < raw.size() ? hex_value(raw[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(raw[i + 2]) : -1;
    if (low < 0) {
      return invalid("path has a percent sign without two hexadecimal digits");
    }
    const char byte = static_cast<char>(high * 16 + low);
    i += 2;
    if (is_control(byte)) {
      return invalid("path has an escaped control character");
    }
    if (byte == '\\') {
      return invalid("path has an escaped backslash");
    }
    if (is_unreserved(byte)) {
      out.push_back(byte);
    } else {
      append_escape(out, byte);
    }
  }
  return out;
}

// RFC 3986 section 5.2.4 for an absolute path.
Expected<std::string> resolve_dots(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  std::string_view rest = path.substr(1);
  for (;;) {
    const std::size_t end = rest.find('/');
    const std::string_view segment = rest.substr(0, end);
    const bool last = end == std::string_view::npos;
    if (segment == "." || segment == "..") {
      if (segment == "..") {
        const std::size_t cut = out.rfind('/');
        out.resize(cut == std::string::npos ? 0 : cut);
      }
      if (last) {
        out.push_back('/');
      }
    } else {
      if (hides_dot_segment(segment)) {
        return invalid("path has a segment that some servers read as \".\" or \"..\"");
      }
      out.push_back('/');
      out.append(segment);
    }
    if (last) {
      return out;
    }
    rest.remove_prefix(end + 1);
  }
}

// Most paths are canonical already; they cost one pass.
bool is_plainly_canonical(std::string_view path) {
  char previous = 0;
  for (const char c : path) {
    if (!is_path_char(c) || c == ';' || (c == '.' && previous == '/')) {
      return false;
    }
    previous = c;
  }
  return true;
}

Expected<std::string> canonical_path(std::string_view raw) {
  const auto leading_slashes = [] {
    return invalid("path begins with two slashes");  // another reader would see a host there
  };
  if (raw.size() >= 2 && raw[1] == '/') {
    return leading_slashes();
  }
  if (is_plainly_canonical(raw)) {
    return std::string(raw);
  }
  AV_TRY(const std::string normal, normalise_escapes(raw));
  AV_TRY(std::string path, resolve_dots(normal));
  if (path.size() >= 2 && path[1] == '/') {
    return leading_slashes();
  }
  return path;
}

// Kept byte for byte, as its syntax is the server's own; only what cannot stand in a request line
// is escaped.
Expected<std::string> canonical_query(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (const char c : raw) {
    if (is_control(c)) {
      return invalid("query has a control character");
    }
    if (c == ' ' || static_cast<unsigned char>(c) >= 0x80) {
      append_escape(out, c);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace

std::string Target::to_string() const {
  std::string out;
  out.reserve(path.size() + query.size() + 1);
  out = path;
  if (has_query) {
    out.push_back('?');
    out += query;
  }
  return out;
}

Expected<Target> canonical_target(std::string_view origin_form) {
  Target target;
  if (origin_form == "*") {
    target.path = "*";
    return target;
  }
  if (origin_form.empty() || origin_form.front() != '/') {
    return invalid("request target does not begin with a slash");
  }
  if (origin_form.find('#') != std::string_view::npos) {
    return invalid("request target has a fragment");
  }
  const std::size_t mark = origin_form.find('?');
  AV_TRY(target.path, canonical_path(origin_form.substr(0, mark)));
  if (mark != std::string_view::npos) {
    target.has_query = true;
    AV_TRY(target.query, canonical_query(origin_form.substr(mark + 1)));
  }
  return target;
}

}  // namespace av::vault
