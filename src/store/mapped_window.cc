#include "store/mapped_window.h"

#include <linux/magic.h>
#include <sys/vfs.h>

namespace av::store {

bool keeps_its_blocks(int fd) {
  struct statfs info {};
  if (::fstatfs(fd, &info) != 0) {
    return false;
  }
  constexpr unsigned long kXfs = 0x58465342;  // not in <linux/magic.h>
  const auto type = static_cast<unsigned long>(info.f_type);
  return type == EXT4_SUPER_MAGIC || type == kXfs || type == TMPFS_MAGIC;
}

}  // namespace av::store
