#pragma once
// Users: the people of a broker, by e-mail address, and what they may do. Types and the rules of
// what is well-formed; store/people.h keeps them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace av::vault {

// Of the instance. An owner lists every vault and manages people and settings; to use a vault both
// need a membership in it.
enum class InstanceRole : std::uint8_t { kMember, kOwner };
// In a vault, each more than the one before: send traffic and raise proposals; use, set and reveal
// credentials and decide proposals; everything.
enum class VaultRole : std::uint8_t { kProxy, kMember, kAdmin };

[[nodiscard]] std::string_view to_string(InstanceRole role);  // "member", "owner"
[[nodiscard]] std::string_view to_string(VaultRole role);     // "proxy", "member", "admin"
[[nodiscard]] std::optional<InstanceRole> instance_role_from_string(std::string_view text);
[[nodiscard]] std::optional<VaultRole> vault_role_from_string(std::string_view text);

struct User {
  std::string uid;    // made by the store: a new account of an old address is another one
  std::string email;  // in lower case
  InstanceRole role = InstanceRole::kMember;
  std::int64_t created_ms = 0;
  std::int64_t disabled_ms = 0;  // 0: it is not
  // It registered by itself and no owner has let it in yet; disabled until then.
  bool waiting = false;
  bool has_password = false;  // others sign in elsewhere
  [[nodiscard]] bool active() const { return disabled_ms == 0; }
};

struct Membership {
  std::string vault;  // name
  VaultRole role = VaultRole::kProxy;
};

// An address in lower case. ASCII only, so that no two that look the same differ; kInvalid when it
// is no address.
[[nodiscard]] Expected<std::string> canonical_email(std::string_view text);
// "example.com", in lower case; a list of them says who may register.
[[nodiscard]] Expected<std::string> canonical_email_domain(std::string_view text);
[[nodiscard]] std::string_view domain_of(std::string_view canonical_email);

// What a program says of itself (label, User-Agent), cut to `limit` bytes and made fit to be shown:
// no control characters, no bytes that are not UTF-8.
[[nodiscard]] std::string shown_label(std::string_view text, std::size_t limit);

}  // namespace av::vault
