#include "core/locked_bytes.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <cstring>

namespace av {

LockedBytes LockedBytes::copy_of(std::string_view bytes) noexcept {
  LockedBytes out;
  if (bytes.empty()) {
    return out;
  }
  void* const pages =
      ::mmap(nullptr, bytes.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    return out;
  }
  // Both before there is anything in it. A child that is forked has no copy.
  (void)::mlock(pages, bytes.size());
  (void)::madvise(pages, bytes.size(), MADV_DONTDUMP);
  (void)::madvise(pages, bytes.size(), MADV_DONTFORK);
  out.data_ = static_cast<char*>(pages);
  out.size_ = bytes.size();
  std::memcpy(out.data_, bytes.data(), bytes.size());
  return out;
}

LockedBytes::~LockedBytes() {
  if (data_ != nullptr) {
    OPENSSL_cleanse(data_, size_);
    ::munmap(data_, size_);
  }
}

}  // namespace av
