#include "source/op_reference.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/ascii.h"

namespace av::source {
namespace {

constexpr std::string_view kScheme = "op://";
constexpr std::size_t kMostReference = 1024;
constexpr std::size_t kMostPart = 256;
constexpr std::array<std::string_view, 10> kAttributes = {
    "value", "otp", "type", "id", "purpose", "title", "label", "content", "name", "size"};

Failure invalid(std::string message, std::string hint = {}) {
  return failure(Failure::Why::kInvalid, std::move(message), std::move(hint));
}

bool op_char(char c) {
  return ascii::is_word(c) || c == '-' || c == '.' || c == ' ';
}

Result<std::string> part_of(std::string_view text, std::string_view what) {
  const std::string name = std::string(what);
  if (text.empty()) {
    return invalid("the " + name + " in the reference is empty");
  }
  if (text.size() > kMostPart) {
    return invalid("the " + name + " in the reference is longer than 256 characters");
  }
  const auto bad = std::find_if_not(text.begin(), text.end(), op_char);
  if (bad != text.end()) {
    const std::string shown = ascii::is_control(*bad) || static_cast<unsigned char>(*bad) > 0x7e
                                  ? "a character"
                                  : "\"" + std::string(1, *bad) + "\"";
    return invalid("the " + name + " has " + shown + ", which a reference cannot hold",
                   "refer to it by its id: `op item get ITEM --format json` shows the ids");
  }
  if (!op_name(text)) {
    return invalid("the " + name + " begins or ends with a blank, or is dots only",
                   "refer to it by its id");
  }
  return std::string(text);
}

Result<void> query_of(std::string_view query, OpReference& out) {
  const std::size_t equals = query.find('=');
  const std::string_view name = query.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : query.substr(equals + 1);
  if (name == "attribute" || name == "attr") {
    if (std::find(kAttributes.begin(), kAttributes.end(), value) == kAttributes.end()) {
      return invalid("the reference asks for an attribute that there is not",
                     "?attribute=otp gives a one-time code");
    }
    out.attribute = value == "value" ? std::string() : std::string(value);
    return {};
  }
  if (name == "ssh-format" && value == "openssh") {
    out.format = std::string(value);
    return {};
  }
  return invalid("behind \"?\" a reference has attribute=NAME or ssh-format=openssh only");
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t end = text.find('/');
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return out;
    }
    text.remove_prefix(end + 1);
  }
}

Result<std::string_view> behind_scheme(std::string_view text) {
  if (!text.starts_with(kScheme)) {
    return invalid("a reference to 1Password begins with op://");
  }
  if (text.size() > kMostReference) {
    return invalid("the reference is longer than 1024 characters");
  }
  return text.substr(kScheme.size());
}

std::string lower_path(const OpReference& reference) {
  return ascii::lower(reference.section.empty() ? reference.field
                                                : reference.section + "/" + reference.field);
}

}  // namespace

bool op_id(std::string_view text) {
  return text.size() == 26 && std::all_of(text.begin(), text.end(), [](char c) {
           return ascii::is_lower(c) || ascii::is_digit(c);
         });
}

bool op_name(std::string_view name) {
  return !name.empty() && name.size() <= kMostPart && name.front() != ' ' && name.back() != ' ' &&
         name.find_first_not_of('.') != std::string_view::npos &&
         std::all_of(name.begin(), name.end(), op_char);
}

Result<OpReference> parse_op_reference(std::string_view text) {
  AV_TRY(std::string_view rest, behind_scheme(text));
  OpReference out;
  const std::size_t mark = rest.find('?');
  if (mark != std::string_view::npos) {
    AV_CHECK(query_of(rest.substr(mark + 1), out));
    rest = rest.substr(0, mark);
  }
  const auto parts = split(rest);
  if (parts.size() < 3 || parts.size() > 4) {
    return invalid("a reference has a vault, an item, a section if need be, and a field",
                   "op://Vault/Item/field or op://Vault/Item/Section/field");
  }
  AV_TRY(out.vault, part_of(parts[0], "vault"));
  AV_TRY(out.item, part_of(parts[1], "item"));
  if (parts.size() == 4) {
    AV_TRY(out.section, part_of(parts[2], "section"));
  }
  AV_TRY(out.field, part_of(parts.back(), "field"));
  return out;
}

Result<OpReference> parse_op_folder(std::string_view text) {
  AV_TRY(std::string_view rest, behind_scheme(text));
  while (!rest.empty() && rest.back() == '/') {
    rest.remove_suffix(1);
  }
  const auto parts = split(rest);
  if (parts.size() > 2) {
    return invalid("vaults and items have something below them, fields have not",
                   "op://Vault or op://Vault/Item");
  }
  OpReference out;
  AV_TRY(out.vault, part_of(parts[0], "vault"));
  if (parts.size() == 2) {
    AV_TRY(out.item, part_of(parts[1], "item"));
    if (out.item.front() == '-') {
      return invalid("an item whose name begins with \"-\" looks like an option",
                     "refer to it by its id");
    }
  }
  return out;
}

Result<Reference> parse_op(std::string_view text) {
  AV_TRY(const OpReference parsed, parse_op_reference(text));
  Reference out;
  out.item = parsed.vault + "/" + parsed.item + "/";
  out.item += (parsed.section.empty() ? "" : parsed.section + "/") + parsed.field;
  if (!parsed.attribute.empty()) {
    out.item += "?attribute=" + parsed.attribute;
  }
  if (!parsed.format.empty()) {
    out.item += "?ssh-format=" + parsed.format;
  }
  return out;
}

Result<Reference> parse_op_connect(std::string_view text) {
  AV_TRY(const OpReference parsed, parse_op_reference(text));
  if (!parsed.format.empty() || (!parsed.attribute.empty() && parsed.attribute != "otp")) {
    return invalid("a Connect server gives values and one-time codes only",
                   "leave out what is behind \"?\", or ask for ?attribute=otp");
  }
  Reference out;
  out.item = parsed.vault + "/" + parsed.item + (parsed.attribute.empty() ? "" : "?attribute=otp");
  out.field = lower_path(parsed);
  return out;
}

}  // namespace av::source
