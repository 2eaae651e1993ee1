#pragma once
// LockedBytes: bytes for as long as they are needed in pages of their own: locked against swap,
// left out of core dumps, wiped at the end. For secrets that are larger than what Secret's arena
// has room for, and are read often, as texts that are searched for. Where the limit on locked
// memory is reached they are not locked (SECURITY.md says so of all secrets).

#include <cstddef>
#include <string_view>
#include <utility>

namespace av {

class LockedBytes {
 public:
  LockedBytes() noexcept = default;
  // Empty when there is no memory, or nothing to hold.
  [[nodiscard]] static LockedBytes copy_of(std::string_view bytes) noexcept;
  LockedBytes(LockedBytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  LockedBytes& operator=(LockedBytes&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  LockedBytes(const LockedBytes&) = delete;
  LockedBytes& operator=(const LockedBytes&) = delete;
  ~LockedBytes();

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  // Stays where it is when the object is moved.
  [[nodiscard]] std::string_view view() const noexcept { return {data_, size_}; }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace av
