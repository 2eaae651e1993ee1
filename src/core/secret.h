#pragma once
// Secret and SecretBuffer: the only types that may hold credential values, keys and tokens.
//
// Secret lives in OpenSSL's secure arena (locked against swap, excluded from core dumps, guard
// pages around it), is move-only, cannot be printed, compared with == or serialised, and is wiped
// by its destructor. Its bytes are lent to a function, never returned:
//     secret.reveal([&](std::string_view bytes) { ... });
// `reveal` is greppable on purpose: every call site is a place to review.
//
// SecretBuffer is ordinary heap that is wiped when it grows and when it dies. It carries bytes that
// are on their way out (a request head with an injected value, a value being read from a terminal).
//
// Honest limit: OpenSSL's and the kernel's own buffers see plaintext too (SECURITY.md).
//
// Threads: the arena is safe to use from any thread; one object belongs to one thread at a time.

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/expected.h"

namespace av {

enum class ArenaState {
  kLocked,    // in RAM only
  kUnlocked,  // the arena works, but RLIMIT_MEMLOCK forbids locking it: it could be swapped
  kFailed,    // no arena: refuse to handle secrets
};

// Creates the arena; call once from main before any thread exists. Later calls return the state.
ArenaState init_secret_arena();

class Secret {
 public:
  // An empty secret holds nothing and needs no memory.
  Secret() noexcept = default;
  // `size` zero bytes, to be filled through writable(). kInternal when the arena is exhausted.
  static Expected<Secret> with_size(std::size_t size);
  static Expected<Secret> copy_of(std::string_view bytes);
  static Expected<Secret> copy_of(std::span<const std::uint8_t> bytes);

  Secret(Secret&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] Expected<Secret> clone() const { return copy_of(view()); }
  // Drops the tail, wiping it. `size` must not exceed size().
  void truncate(std::size_t size) noexcept;

  template <typename F>
  decltype(auto) reveal(F&& use) const {
    return std::forward<F>(use)(view());
  }
  // For filling a fresh secret (decrypt, read).
  [[nodiscard]] std::span<std::uint8_t> writable() noexcept { return {data_, size_}; }

  // Constant time in the contents; the lengths may differ and are not hidden.
  [[nodiscard]] bool equals(const Secret& other) const noexcept;

 private:
  Secret(std::uint8_t* data, std::size_t size) noexcept : data_(data), size_(size) {}
  [[nodiscard]] std::string_view view() const noexcept {
    return {reinterpret_cast<const char*>(data_), size_};
  }
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

std::ostream& operator<<(std::ostream&, const Secret&) = delete;
template <typename Json>
void to_json(Json&, const Secret&) = delete;

class SecretBuffer {
 public:
  SecretBuffer() noexcept = default;
  SecretBuffer(SecretBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  SecretBuffer& operator=(SecretBuffer&& other) noexcept;
  SecretBuffer(const SecretBuffer&) = delete;
  SecretBuffer& operator=(const SecretBuffer&) = delete;
  ~SecretBuffer();

  void append(std::string_view bytes);
  void append(const Secret& secret) {
    secret.reveal([this](std::string_view bytes) { append(bytes); });
  }
  void push_back(char c) { append(std::string_view(&c, 1)); }
  void reserve(std::size_t capacity);
  // Wipes the contents; keeps the memory for reuse.
  void clear() noexcept;
  // Drops the tail, wiping it.
  void truncate(std::size_t size) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::string_view view() const noexcept { return {data_, size_}; }
  [[nodiscard]] char* data() noexcept { return data_; }
  [[nodiscard]] Expected<Secret> to_secret() const { return Secret::copy_of(view()); }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

std::ostream& operator<<(std::ostream&, const SecretBuffer&) = delete;
template <typename Json>
void to_json(Json&, const SecretBuffer&) = delete;

}  // namespace av
