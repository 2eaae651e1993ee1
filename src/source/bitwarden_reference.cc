#include "source/bitwarden_reference.h"

#include <algorithm>
#include <span>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/reference_path.h"
#include "vault/canonical.h"

namespace av::source {
namespace {

constexpr std::string_view kScheme = "bw://";
constexpr std::size_t kMostText = 256;
constexpr std::size_t kMostField = 100;
constexpr std::string_view kCustom = "field:";
constexpr std::string_view kDomain = "domain";

struct Grammar {
  std::span<const std::string_view> kinds;
  std::span<const std::string_view> fields;
  bool custom_fields = false;
  bool uuids = false;  // identifiers are nothing else
};

Failure wrong(std::string message, std::string hint = {}) {
  return failure(Failure::Why::kInvalid, std::move(message), std::move(hint));
}

std::string listed(std::span<const std::string_view> words, std::string_view before,
                   std::string_view behind) {
  std::string out;
  for (const std::string_view word : words) {
    out += out.empty() ? "" : ", ";
    out += before;
    out += word;
    out += behind;
  }
  return out;
}

Result<std::string> decoded(std::string_view text, std::string_view what) {
  std::optional<std::string> out = unescaped(text);
  if (!out) {
    return wrong("the " + std::string(what) + " has a % that two hexadecimal digits do not follow",
                 "write a percent sign as %25");
  }
  if (out->empty() || out->size() > kMostText) {
    return wrong("the " + std::string(what) + " is empty or longer than 256 bytes");
  }
  if (!encoding::is_utf8(*out) || std::any_of(out->begin(), out->end(), ascii::is_control)) {
    return wrong("the " + std::string(what) + " has characters that are not text");
  }
  return std::move(*out);
}

Result<std::string> item_text(std::string_view kind, std::string_view text,
                              const Grammar& grammar) {
  if (kind == kDomain) {
    auto host = vault::canonical_host(text);
    if (!host) {
      return wrong("behind bw://domain/ comes a host name: " + host.error().message,
                   "as in bw://domain/github.com#password");
    }
    return std::move(*host);
  }
  if (kind == "id") {
    const bool known = grammar.uuids
                           ? is_uuid(text)
                           : !text.empty() && text.size() <= 128 &&
                                 std::all_of(text.begin(), text.end(), ascii::is_unreserved);
    if (!known) {
      return wrong("behind bw://id/ comes the identifier of an item",
                   "it looks like 01234567-89ab-cdef-0123-456789abcdef");
    }
    return grammar.uuids ? ascii::lower(text) : std::string(text);
  }
  return decoded(text, kind == "key" ? "name" : "search text");
}

Result<std::string> field_text(std::string_view text, const Grammar& grammar) {
  if (std::find(grammar.fields.begin(), grammar.fields.end(), text) != grammar.fields.end()) {
    return std::string(text);
  }
  if (grammar.custom_fields && text.starts_with(kCustom) && text.size() <= kMostField) {
    AV_TRY(const std::string name, decoded(text.substr(kCustom.size()), "name of the field"));
    return std::string(kCustom) + name;
  }
  return wrong("\"" + excerpt(text) + "\" is no field of an item",
               "behind # comes one of " + listed(grammar.fields, "", "") +
                   (grammar.custom_fields ? ", field:NAME" : ""));
}

Result<Reference> parse(std::string_view text, const Grammar& grammar) {
  if (!text.starts_with(kScheme)) {
    return wrong("a reference to Bitwarden begins with bw://");
  }
  text.remove_prefix(kScheme.size());
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::string_view kind = text.substr(0, slash);
  if (slash == text.size() ||
      std::find(grammar.kinds.begin(), grammar.kinds.end(), kind) == grammar.kinds.end()) {
    return wrong("\"" + excerpt(kind) + "\" does not say how to find the item",
                 "begin with one of " + listed(grammar.kinds, "bw://", "/"));
  }
  text.remove_prefix(slash + 1);
  const std::size_t hash = std::min(text.find('#'), text.size());
  Reference out;
  AV_TRY(const std::string item, item_text(kind, text.substr(0, hash), grammar));
  out.item = std::string(kind) + '/' + item;
  if (hash == text.size()) {
    out.field = grammar.fields.front();
  } else {
    AV_TRY(out.field, field_text(text.substr(hash + 1), grammar));
  }
  return out;
}

constexpr std::string_view kLoginKinds[] = {kDomain, "id", "search"};
constexpr std::string_view kLoginFields[] = {"password", "username", "totp", "uri", "notes"};
constexpr std::string_view kSecretKinds[] = {"id", "key"};
constexpr std::string_view kSecretFields[] = {"value", "key", "note"};

}  // namespace

Result<Reference> parse_bitwarden_access(std::string_view text) {
  Grammar grammar;
  grammar.kinds = kLoginKinds;
  grammar.fields = kLoginFields;
  return parse(text, grammar);
}

Result<Reference> parse_bitwarden_cli(std::string_view text) {
  Grammar grammar;
  grammar.kinds = kLoginKinds;
  grammar.fields = kLoginFields;
  grammar.custom_fields = true;
  grammar.uuids = true;
  return parse(text, grammar);
}

Result<Reference> parse_bitwarden_sm(std::string_view text) {
  Grammar grammar;
  grammar.kinds = kSecretKinds;
  grammar.fields = kSecretFields;
  grammar.uuids = true;
  return parse(text, grammar);
}

BitwardenItem bitwarden_item(std::string_view item) {
  const std::size_t slash = std::min(item.find('/'), item.size());
  BitwardenItem out;
  out.kind = item.substr(0, slash);
  out.text = item.substr(std::min(slash + 1, item.size()));
  return out;
}

std::string bitwarden_item_of_host(std::string_view host) {
  const auto canonical = vault::canonical_host(host);
  return canonical ? std::string(kDomain) + "/" + *canonical : std::string();
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) {
    return false;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    if (hyphen ? text[i] != '-' : ascii::hex_value(text[i]) < 0) {
      return false;
    }
  }
  return true;
}

}  // namespace av::source
