#include "core/secret.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

namespace av {
namespace {

// Power of two. Big enough for some dozens of 64 KiB values at once, well below the 8 MiB that
// RLIMIT_MEMLOCK allows by default.
constexpr std::size_t kArenaSize = std::size_t{4} << 20;
constexpr std::size_t kSmallestBlock = 32;

}  // namespace

ArenaState init_secret_arena() {
  static const ArenaState state = [] {
    switch (CRYPTO_secure_malloc_init(kArenaSize, kSmallestBlock)) {
      case 1:
        return ArenaState::kLocked;
      case 2:
        return ArenaState::kUnlocked;
      default:
        return ArenaState::kFailed;
    }
  }();
  return state;
}

Expected<Secret> Secret::with_size(std::size_t size) {
  if (size == 0) {
    return Secret();
  }
  // Without an arena OPENSSL_secure_malloc silently falls back to the plain heap: never.
  if (init_secret_arena() == ArenaState::kFailed) {
    return make_error(ErrorCode::kInternal, "no protected memory for secrets",
                      "check `ulimit -l` and free memory, then try again");
  }
  void* memory = OPENSSL_secure_zalloc(size);
  if (memory == nullptr) {
    return make_error(ErrorCode::kInternal, "the protected memory for secrets is full",
                      "too many or too large values are open at once");
  }
  return Secret(static_cast<std::uint8_t*>(memory), size);
}

Expected<Secret> Secret::copy_of(std::string_view bytes) {
  AV_TRY(Secret secret, with_size(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), secret.data_);
  return secret;
}

Expected<Secret> Secret::copy_of(std::span<const std::uint8_t> bytes) {
  return copy_of(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    Secret dying(std::move(*this));
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Secret::~Secret() {
  if (data_ != nullptr) {
    OPENSSL_secure_clear_free(data_, size_);
  }
}

void Secret::truncate(std::size_t size) noexcept {
  assert(size <= size_);
  OPENSSL_cleanse(data_ + size, size_ - size);
  // secure_clear_free wipes only `size_` bytes; the tail is wiped here.
  size_ = size;
  if (size_ == 0 && data_ != nullptr) {
    OPENSSL_secure_free(data_);
    data_ = nullptr;
  }
}

bool Secret::equals(const Secret& other) const noexcept {
  return size_ == other.size_ && CRYPTO_memcmp(data_, other.data_, size_) == 0;
}

SecretBuffer& SecretBuffer::operator=(SecretBuffer&& other) noexcept {
  if (this != &other) {
    SecretBuffer dying(std::move(*this));
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
  }
  return *this;
}

SecretBuffer::~SecretBuffer() {
  if (data_ != nullptr) {
    // All of it: callers may have written behind size_ through data().
    OPENSSL_cleanse(data_, capacity_);
    ::operator delete(data_);
  }
}

void SecretBuffer::append(std::string_view bytes) {
  if (bytes.empty()) {
    return;
  }
  if (size_ + bytes.size() > capacity_) {
    reserve(std::max(size_ + bytes.size(), capacity_ * 2));
  }
  std::memcpy(data_ + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

void SecretBuffer::reserve(std::size_t capacity) {
  if (capacity <= capacity_) {
    return;
  }
  char* grown = static_cast<char*>(::operator new(capacity));
  if (data_ != nullptr) {
    std::memcpy(grown, data_, size_);
    OPENSSL_cleanse(data_, capacity_);
    ::operator delete(data_);
  }
  data_ = grown;
  capacity_ = capacity;
}

void SecretBuffer::clear() noexcept {
  truncate(0);
}

void SecretBuffer::truncate(std::size_t size) noexcept {
  assert(size <= size_);
  if (data_ != nullptr) {
    OPENSSL_cleanse(data_ + size, size_ - size);
  }
  size_ = size;
}

}  // namespace av
