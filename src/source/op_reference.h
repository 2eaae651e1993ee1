#pragma once
// Secret references of 1Password: op://VAULT/ITEM/[SECTION/]FIELD[?attribute=NAME]
// (developer.1password.com/docs/cli/secret-reference-syntax, op 2.39). Names or ids; letters,
// digits, "-", "_", "." and blanks; what is called otherwise is referred to by its id.

#include <string>
#include <string_view>

#include "source/kinds.h"
#include "source/provider.h"

namespace av::source {

struct OpReference {
  std::string vault;
  std::string item;
  std::string section;    // may be empty
  std::string field;      // empty where the text ends before it
  std::string attribute;  // "otp", "type"...; empty: the value
  std::string format;     // "openssh": of a private key; else empty
};

// `text` with its "op://". kInvalid says what is wrong and where.
[[nodiscard]] Result<OpReference> parse_op_reference(std::string_view text);
// "op://Vault" and "op://Vault/Item" are complete, too; of the rest only those two parts are set.
[[nodiscard]] Result<OpReference> parse_op_folder(std::string_view text);

// For the `op` program: the item is all of it, for it is read value by value; the field is empty.
[[nodiscard]] Result<Reference> parse_op(std::string_view text);
// For Connect: the item is "VAULT/ITEM", or "VAULT/ITEM?attribute=otp" for its one-time codes,
// which are kept for less long; the field is "[SECTION/]FIELD" in lower case, for references do not
// tell cases apart.
[[nodiscard]] Result<Reference> parse_op_connect(std::string_view text);

// Whether a name may stand in a reference.
[[nodiscard]] bool op_name(std::string_view name);
// 26 lower-case letters and digits: an id, not a name.
[[nodiscard]] bool op_id(std::string_view text);

}  // namespace av::source
