#include "store/key_file.h"

#include <fcntl.h>
#include <stdio.h>  // renameat2
#include <unistd.h>

#include <cerrno>

#include "core/encoding.h"
#include "core/fs.h"

namespace av::store {
namespace {

constexpr std::string_view kHeader = "agent-vault key file, version 1\n";

Status flush_directory_of(const std::filesystem::path& path) {
  const auto directory = path.parent_path();
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) {
    return errno_error(errno, "cannot flush " + directory.string());
  }
  return {};
}

Error malformed(const std::filesystem::path& path) {
  return make_error(ErrorCode::kLocked, path.string() + " is not an agent-vault key file",
                    "put back the key file that this store was made with");
}

}  // namespace

Expected<Secret> read_key_file(const std::filesystem::path& path) {
  AV_TRY(const Secret text, fs::read_secret_file(path, 4096));
  return text.reveal([&](std::string_view bytes) -> Expected<Secret> {
    if (bytes.substr(0, kHeader.size()) != kHeader) {
      return malformed(path);
    }
    bytes.remove_prefix(kHeader.size());
    if (!bytes.empty() && bytes.back() == '\n') {
      bytes.remove_suffix(1);
    }
    AV_TRY(Secret key, Secret::with_size(encoding::base64_decoded_bound(bytes.size())));
    const auto size = encoding::from_base64(bytes, key.writable());
    if (!size || *size != crypto::kKeySize) {
      return malformed(path);
    }
    key.truncate(*size);
    return key;
  });
}

Status write_key_file(const std::filesystem::path& path, const Secret& key) {
  SecretBuffer text;
  text.reserve(128);
  text.append(kHeader);
  key.reveal([&](std::string_view bytes) { encoding::append_base64(text, bytes); });
  text.push_back('\n');
  return fs::replace_file(path, text.view());
}

Expected<Secret> ensure_key_file(const std::filesystem::path& path) {
  Expected<Secret> existing = read_key_file(path);
  if (existing || existing.error().code != ErrorCode::kNotFound) {
    return existing;
  }
  AV_TRY(const Secret key, crypto::random_secret(crypto::kKeySize));
  const std::filesystem::path fresh = path.string() + ".init-" + crypto::random_hex(6);
  AV_CHECK(write_key_file(fresh, key));
  const Status placed = rename_new_durably(fresh, path);
  if (!placed) {
    ::unlink(fresh.c_str());
    if (placed.error().code != ErrorCode::kExists) {
      return placed.error();
    }
  }
  return read_key_file(path);
}

Status rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return errno_error(errno, "cannot rename " + from.string());
  }
  return flush_directory_of(to);
}

Status rename_new_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  int result = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
    // The file system does not know the flag; a hard link refuses to replace as well.
    result = ::link(from.c_str(), to.c_str());
    if (result == 0) {
      ::unlink(from.c_str());
    }
  }
  if (result != 0) {
    if (errno == EEXIST) {
      return make_error(ErrorCode::kExists, to.string() + " exists");
    }
    return errno_error(errno, "cannot create " + to.string());
  }
  return flush_directory_of(to);
}

Status remove_durably(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return errno_error(errno, "cannot remove " + path.string());
  }
  return flush_directory_of(path);
}

crypto::Bytes key_id(const Secret& key) {
  const crypto::Digest digest = key.reveal([](std::string_view bytes) {
    return crypto::sha256("agent-vault key id, version 1\n", bytes);
  });
  return {digest.begin(), digest.begin() + 8};
}

}  // namespace av::store
