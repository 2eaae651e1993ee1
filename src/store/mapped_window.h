#pragma once
// MappedWindow: the stretch of a journal that is being written to, as memory.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace av::store {

// File systems on which a block that has been allocated can be written to. Those that copy on write
// may run out of space then, and a store into a mapping has no other way to say so than SIGBUS.
[[nodiscard]] bool keeps_its_blocks(int fd);

// A stretch of the journal that lines are copied into, without a system call for each. What is in
// it is the kernel's at once, as with write(). Its blocks are the file's beforehand, so a full disk
// shows when it is opened and not as a SIGBUS.
class MappedWindow {
 public:
  // From wherever it is opened, this much fits.
  static constexpr std::size_t kMostFits = std::size_t{192} << 10;

  MappedWindow() = default;
  ~MappedWindow() { close(); }
  MappedWindow(const MappedWindow&) = delete;
  MappedWindow& operator=(const MappedWindow&) = delete;

  // From the page that holds `offset` on. 0, or errno.
  int open(int fd, off_t offset) {
    close();
    const off_t begin = offset - offset % kPage;
    if (::fallocate(fd, 0, begin, kWindow) != 0) {
      return errno;
    }
    void* const mapped =
        ::mmap(nullptr, static_cast<std::size_t>(kWindow), PROT_WRITE, MAP_SHARED, fd, begin);
    if (mapped == MAP_FAILED) {
      return errno;
    }
    bytes_ = static_cast<char*>(mapped);
    begin_ = begin;
    return 0;
  }
  void close() {
    if (bytes_ != nullptr) {
      ::munmap(bytes_, static_cast<std::size_t>(kWindow));
      bytes_ = nullptr;
    }
  }
  [[nodiscard]] bool holds(off_t offset, std::size_t size) const {
    return bytes_ != nullptr && offset + static_cast<off_t>(size) <= begin_ + kWindow;
  }
  void put(off_t offset, std::string_view text) {
    std::memcpy(bytes_ + (offset - begin_), text.data(), text.size());
  }

 private:
  // How much of it is mapped, and asked of the file system, at a time; from a multiple of any page.
  static constexpr off_t kWindow = 256 << 10;
  static constexpr off_t kPage = 64 << 10;

  char* bytes_ = nullptr;
  off_t begin_ = 0;
};

}  // namespace av::store
