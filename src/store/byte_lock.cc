#include "store/byte_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace av::store {

Expected<std::optional<UniqueFd>> take_byte_lock(const fs::Paths& paths, std::string_view file,
                                                 std::int64_t byte) {
  const std::string name(file);
  UniqueFd held(
      ::open((paths.data / name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!held.valid()) {
    return errno_error(errno, "cannot open " + name + " beside the store");
  }
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  if (::fcntl(held.get(), F_OFD_SETLK, &lock) == 0) {
    return std::optional<UniqueFd>(std::move(held));
  }
  if (errno == EAGAIN || errno == EACCES || errno == EINTR) {
    return std::optional<UniqueFd>();
  }
  return errno_error(errno, "cannot lock " + name + " beside the store");
}

}  // namespace av::store
