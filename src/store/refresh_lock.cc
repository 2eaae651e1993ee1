#include "store/refresh_lock.h"

#include "store/byte_lock.h"

namespace av::store {

Expected<std::optional<UniqueFd>> take_refresh_lock(const fs::Paths& paths,
                                                    std::int64_t credential_id) {
  return take_byte_lock(paths, "refresh.lock", credential_id);
}

}  // namespace av::store
