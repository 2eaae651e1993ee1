#include "store/lease_owner.h"

#include <array>
#include <cstring>
#include <utility>

#include "core/crypto.h"
#include "store/byte_lock.h"

namespace av::store {
namespace {

constexpr std::string_view kFile = "leases.lock";
constexpr int kAttempts = 3;  // that a number is taken already happens once in the life of a star

}  // namespace

Expected<LeaseOwner> LeaseOwner::make(const fs::Paths& paths) {
  for (int i = 0; i < kAttempts; ++i) {
    std::uint64_t random = 0;
    std::array<std::uint8_t, sizeof random> bytes{};
    crypto::random_bytes(bytes);
    std::memcpy(&random, bytes.data(), sizeof random);
    const auto number = static_cast<std::int64_t>(random >> 2U);  // an offset in a file
    AV_TRY(auto lock, take_byte_lock(paths, kFile, number));
    if (lock) {
      return LeaseOwner(number, std::move(*lock));
    }
  }
  return make_error(ErrorCode::kInternal, "no number is free in leases.lock beside the store");
}

Expected<std::optional<LeaseOwner>> LeaseOwner::take_over(const fs::Paths& paths,
                                                          std::int64_t number) {
  AV_TRY(auto lock, take_byte_lock(paths, kFile, number));
  if (!lock) {
    return std::optional<LeaseOwner>();
  }
  return std::optional<LeaseOwner>(LeaseOwner(number, std::move(*lock)));
}

}  // namespace av::store
