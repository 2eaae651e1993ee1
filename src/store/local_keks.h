#pragma once
// The ways to keep the KEK that need nothing but this machine's files and a person's memory: a key
// file, a passphrase (Argon2id, RFC 9106), the variable SECRET_ENCRYPTION_KEY.

#include <filesystem>
#include <memory>

#include "core/fs.h"
#include "core/secret.h"
#include "vault/kek_source.h"

namespace av::store {

// A new KEK goes to `key.new`, is named by the committed row, and is renamed over `key`. So
// whatever the row names is in one of the two, and a `key.new` that was not committed is renamed by
// nobody.
[[nodiscard]] std::shared_ptr<const vault::KekSource> make_file_kek(const fs::Paths& paths);
// The key file of a store that is being made: of two processes that do it at once, both get the
// same key.
[[nodiscard]] Expected<vault::KekSource::Protected> first_file_kek(const fs::Paths& paths);

// Its descriptor: "t=3 m=65536 p=4", and the salt in hex on a line of its own.
[[nodiscard]] std::shared_ptr<const vault::KekSource> make_passphrase_kek();

// `key`: decoded; empty when the variable is not set.
[[nodiscard]] std::shared_ptr<const vault::KekSource> make_environment_kek(Secret key);

}  // namespace av::store
