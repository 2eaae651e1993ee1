#include "vault/user.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/encoding.h"

namespace av::vault {
namespace {

// RFC 5321 section 4.5.3.1; a path of 256 octets includes the brackets.
constexpr std::size_t kMaxAddress = 254;
constexpr std::size_t kMaxLocalPart = 64;
constexpr std::size_t kMaxDomain = 253;
constexpr std::size_t kMaxDomainLabel = 63;

// RFC 5322 section 3.2.3, without the quoted form, which nobody has.
bool is_atext(char c) {
  return ascii::is_word(c) || std::string_view("!#$%&'*+-/=?^`{|}~").find(c) != std::string::npos;
}

// Parts between dots, none of them empty.
template <typename Part>
bool dotted(std::string_view text, Part good) {
  for (;;) {
    const std::size_t dot = text.find('.');
    if (!good(text.substr(0, dot))) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(dot + 1);
  }
}

bool is_local_part(std::string_view text) {
  return text.size() <= kMaxLocalPart && dotted(text, [](std::string_view atom) {
           return !atom.empty() && std::all_of(atom.begin(), atom.end(), is_atext);
         });
}

bool is_domain(std::string_view text) {
  return text.size() <= kMaxDomain && dotted(text, [](std::string_view label) {
           return !label.empty() && label.size() <= kMaxDomainLabel && label.front() != '-' &&
                  label.back() != '-' && std::all_of(label.begin(), label.end(), [](char c) {
                    return (ascii::is_word(c) && c != '_') || c == '-';
                  });
         });
}

}  // namespace

std::string_view to_string(InstanceRole role) {
  switch (role) {
    case InstanceRole::kMember:
      return "member";
    case InstanceRole::kOwner:
      return "owner";
  }
  return "member";
}

std::string_view to_string(VaultRole role) {
  switch (role) {
    case VaultRole::kProxy:
      return "proxy";
    case VaultRole::kMember:
      return "member";
    case VaultRole::kAdmin:
      return "admin";
  }
  return "proxy";
}

std::optional<InstanceRole> instance_role_from_string(std::string_view text) {
  for (const InstanceRole role : {InstanceRole::kMember, InstanceRole::kOwner}) {
    if (text == to_string(role)) {
      return role;
    }
  }
  return std::nullopt;
}

std::optional<VaultRole> vault_role_from_string(std::string_view text) {
  for (const VaultRole role : {VaultRole::kProxy, VaultRole::kMember, VaultRole::kAdmin}) {
    if (text == to_string(role)) {
      return role;
    }
  }
  return std::nullopt;
}

Expected<std::string> canonical_email(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (text.size() > kMaxAddress || at == std::string_view::npos ||
      !is_local_part(text.substr(0, at)) || !is_domain(text.substr(at + 1))) {
    return make_error(ErrorCode::kInvalid,
                      "\"" + encoding::printable(text.substr(0, 80)) + "\" is no e-mail address",
                      "like alice@example.com, in plain letters");
  }
  return ascii::lower(text);
}

Expected<std::string> canonical_email_domain(std::string_view text) {
  if (!is_domain(text)) {
    return make_error(ErrorCode::kInvalid,
                      "\"" + encoding::printable(text.substr(0, 80)) + "\" is no domain",
                      "like example.com, without the @");
  }
  return ascii::lower(text);
}

std::string_view domain_of(std::string_view canonical_email) {
  return canonical_email.substr(canonical_email.rfind('@') + 1);
}

std::string shown_label(std::string_view text, std::size_t limit) {
  std::string_view kept = text.substr(0, limit);
  // A character that was cut in two is not UTF-8 any more.
  for (int i = 0; i < 3 && kept.size() < text.size() && !encoding::is_utf8(kept); ++i) {
    kept.remove_suffix(kept.empty() ? 0 : 1);
  }
  if (!encoding::is_utf8(kept)) {
    return {};
  }
  std::string out;
  std::copy_if(kept.begin(), kept.end(), std::back_inserter(out),
               [](char c) { return !ascii::is_control(c); });
  return out;
}

}  // namespace av::vault
