#pragma once
// An entry of a password store (passwordstore.org, "Data organization"): the first line is the
// password, "key: value" lines follow, and an otpauth:// line (pass-otp).

#include "core/secret.h"
#include "source/provider.h"

namespace av::source {

// The password as the field "", and the fields by their keys in lower case; of keys that stand
// twice, the first. At most 64 keys.
[[nodiscard]] Result<Record> pass_record(const Secret& entry);
// The one-time code as the field "totp". kNotFound without an otpauth:// line.
[[nodiscard]] Result<Record> pass_code(const Secret& entry, std::int64_t wall_ms);
// What `pass show` prints for a folder: its name, and a tree.
[[nodiscard]] bool pass_folder(const Secret& output, std::string_view path);

}  // namespace av::source
