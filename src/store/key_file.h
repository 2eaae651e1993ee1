#pragma once
// The key file: 32 random bytes, in base64 under a line that says what it is.

#include <filesystem>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/secret.h"

namespace av::store {

// kNotFound when there is none; kLocked when its contents are off.
[[nodiscard]] Expected<Secret> read_key_file(const std::filesystem::path& path);

// Durable when it returns. Replaces what is there.
[[nodiscard]] Status write_key_file(const std::filesystem::path& path, const Secret& key);

// Makes a key file unless one is there, and returns what is in it then: of two processes that do
// it at once, both get the same key.
[[nodiscard]] Expected<Secret> ensure_key_file(const std::filesystem::path& path);

// rename(2), durable.
[[nodiscard]] Status rename_durably(const std::filesystem::path& from,
                                    const std::filesystem::path& to);
// As rename_durably, but kExists when `to` is there.
[[nodiscard]] Status rename_new_durably(const std::filesystem::path& from,
                                        const std::filesystem::path& to);
// unlink(2), durable. A file that is not there is fine.
[[nodiscard]] Status remove_durably(const std::filesystem::path& path);

// Eight bytes that tell keys apart without telling anything about them.
[[nodiscard]] crypto::Bytes key_id(const Secret& key);

}  // namespace av::store
