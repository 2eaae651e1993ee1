#include "store/refresh_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace av::store {

Expected<std::optional<UniqueFd>> take_refresh_lock(const fs::Paths& paths,
                                                    std::int64_t credential_id) {
  UniqueFd file(::open((paths.data / "refresh.lock").c_str(),
                       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) {
    return errno_error(errno, "cannot open refresh.lock beside the store");
  }
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = credential_id;
  lock.l_len = 1;
  if (::fcntl(file.get(), F_OFD_SETLK, &lock) == 0) {
    return std::optional<UniqueFd>(std::move(file));
  }
  if (errno == EAGAIN || errno == EACCES || errno == EINTR) {
    return std::optional<UniqueFd>();
  }
  return errno_error(errno, "cannot lock refresh.lock beside the store");
}

}  // namespace av::store
