#include "vault/form_text.h"

#include <algorithm>

#include "core/ascii.h"

namespace av::vault {
namespace {

constexpr std::size_t kMostParts = 1000;
constexpr std::size_t kLongestHead = 8192;
constexpr std::size_t kLongestParameter = 256;
constexpr std::size_t kMostNames = 16;  // of one part

bool same_ignoring_case(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(),
                    [](char a, char b) { return ascii::lower(a) == b; });
}

bool begins_head(std::string_view line) {
  constexpr std::string_view kContent = "content-";
  if (!same_ignoring_case(line.substr(0, kContent.size()), kContent)) {
    return false;
  }
  const std::string_view rest = line.substr(kContent.size(), 20);
  return same_ignoring_case(rest.substr(0, 11), "disposition") ||
         same_ignoring_case(rest.substr(0, 4), "type") ||
         same_ignoring_case(rest.substr(0, 17), "transfer-encoding");
}

// In lower case, with lines that go on in the next one joined.
std::string unfolded(std::string_view head) {
  std::string out;
  for (const char c : head) {
    if ((c == ' ' || c == '\t') && out.ends_with('\n')) {
      out.back() = ' ';
    } else if (c != '\r') {
      out.push_back(ascii::lower(c));
    }
  }
  return out;
}

// What stands behind "=" at `at`: a token, or a quoted string with its backslashes read.
std::string parameter(std::string_view text, std::size_t at) {
  at = std::min(text.find_first_not_of(" \t", at), text.size());
  if (at == text.size()) {
    return {};
  }
  const char quote = text[at] == '"' || text[at] == '\'' ? text[at] : '\0';
  std::string out;
  for (at += quote == '\0' ? 0 : 1; at < text.size() && out.size() < kLongestParameter; ++at) {
    const char c = text[at];
    if (quote != '\0' ? c == quote : c == ';' || c == '\n' || c == ' ') {
      break;
    }
    if (c == '\\' && at + 1 < text.size()) {
      ++at;
    }
    out.push_back(text[at]);
  }
  return out;
}

std::vector<std::string> names_in(std::string_view head) {
  std::vector<std::string> out;
  constexpr std::string_view kName = "name";
  for (std::size_t at = head.find(kName); at != std::string_view::npos && out.size() < kMostNames;
       at = head.find(kName, at + 1)) {
    const bool own =
        at == 0 || std::string_view(" \t;\n\"'").find(head[at - 1]) != std::string_view::npos;
    std::size_t next = head.find_first_not_of("* \t0", at + kName.size());  // name*, name*0*
    if (!own || next == std::string_view::npos || head[next] != '=') {
      continue;
    }
    std::string value = parameter(head, next + 1);
    // RFC 8187: charset'language'value, escaped.
    const std::size_t extended = value.rfind('\'');
    if (extended != std::string::npos) {
      out.push_back(form_decoded(std::string_view(value).substr(extended + 1)));
    }
    out.push_back(form_decoded(value));
    out.push_back(std::move(value));
  }
  return out;
}

bool is_plain(std::string_view head) {
  for (std::size_t at = head.find("charset"); at != std::string_view::npos;
       at = head.find("charset", at + 1)) {
    const std::size_t equals = head.find_first_not_of(" \t*", at + 7);
    if (equals == std::string_view::npos || head[equals] != '=') {
      return false;
    }
    const std::string name = parameter(head, equals + 1);
    if (name != "utf-8" && name != "utf8" && name != "us-ascii") {
      return false;
    }
  }
  constexpr std::string_view kEncoding = "content-transfer-encoding";
  for (std::size_t at = head.find(kEncoding); at != std::string_view::npos;
       at = head.find(kEncoding, at + 1)) {
    const std::size_t colon = head.find(':', at);
    std::string_view word =
        colon == std::string_view::npos ? std::string_view() : head.substr(colon + 1);
    word = ascii::trim(word.substr(0, word.find('\n')));
    if (word != "7bit" && word != "8bit" && word != "binary") {
      return false;
    }
  }
  return true;
}

// Where the head that begins here ends: behind the empty line, or where there is none.
std::size_t end_of_head(std::string_view text) {
  const std::size_t crlf = text.find("\r\n\r\n");
  const std::size_t lf = text.find("\n\n");
  if (crlf == std::string_view::npos && lf == std::string_view::npos) {
    return text.size();
  }
  return crlf < lf ? crlf + 4 : lf + 2;
}

}  // namespace

std::string form_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool escape = text[at] == '%' && at + 2 < text.size() &&
                        ascii::hex_value(text[at + 1]) >= 0 && ascii::hex_value(text[at + 2]) >= 0;
    if (escape) {
      out.push_back(
          static_cast<char>(ascii::hex_value(text[at + 1]) * 16 + ascii::hex_value(text[at + 2])));
      at += 2;
    } else {
      out.push_back(text[at] == '+' ? ' ' : text[at]);
    }
  }
  return out;
}

std::vector<FormPart> form_parts(std::string_view body) {
  std::vector<FormPart> out;
  std::size_t at = 0;
  while (at < body.size()) {
    const std::size_t line_end = std::min(body.find('\n', at), body.size());
    if (!begins_head(body.substr(at, line_end - at))) {
      at = line_end + 1;
      continue;
    }
    const std::string_view rest = body.substr(at);
    // A head is searched for its end once, however many fields it has.
    const std::size_t size = std::min(end_of_head(rest.substr(0, kLongestHead)), rest.size());
    const std::string head = unfolded(rest.substr(0, size));
    FormPart part;
    part.names = names_in(head);
    part.behind = rest.substr(size);
    part.plain = is_plain(head) && out.size() + 1 < kMostParts;
    if (part.names.size() >= kMostNames || out.size() + 1 == kMostParts) {
      part.names.emplace_back(kAnyName);
      part.plain = false;
    }
    out.push_back(std::move(part));
    if (out.size() == kMostParts) {
      return out;
    }
    at += size;
  }
  return out;
}

bool names_other_charset(std::string_view body) {
  constexpr std::string_view kField = "_charset_";
  constexpr std::size_t kNear = 120;  // to its value, in a form of either kind
  for (std::size_t at = body.find(kField); at != std::string_view::npos;
       at = body.find(kField, at + 1)) {
    const std::string near = ascii::lower(body.substr(at + kField.size(), kNear));
    const std::size_t word = near.find_first_not_of("=\"'; \r\n\t");
    if (word == std::string::npos || !(std::string_view(near).substr(word).starts_with("utf-8") ||
                                       std::string_view(near).substr(word).starts_with("utf8"))) {
      return true;
    }
  }
  return false;
}

}  // namespace av::vault
