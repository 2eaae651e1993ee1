#include "core/encoding.h"
#include "store/key_file.h"
#include "store/local_keks.h"

namespace av::store {
namespace {

constexpr const char* kHint = "set SECRET_ENCRYPTION_KEY to the key that this store was made with";

class EnvironmentKek final : public vault::KekSource {
 public:
  explicit EnvironmentKek(Secret key) : key_(std::move(key)) {}

  [[nodiscard]] std::string_view mode() const override { return "environment"; }

  [[nodiscard]] Expected<Protected> protect(const vault::Keyholder& /*holder*/) const override {
    Protected made;
    AV_TRY(made.kek, key_.clone());
    return made;
  }

  [[nodiscard]] Expected<Secret> recover(const vault::KekRecord& record,
                                         const vault::Keyholder& /*holder*/) const override {
    if (key_.empty()) {
      return make_error(ErrorCode::kLocked, "the store is locked by SECRET_ENCRYPTION_KEY", kHint);
    }
    if (key_id(key_) != record.kek_id) {
      return make_error(ErrorCode::kLocked,
                        "SECRET_ENCRYPTION_KEY is not the key of this store (key id " +
                            encoding::hex(record.kek_id) + ")",
                        kHint);
    }
    return key_.clone();
  }

  [[nodiscard]] std::string detail(const vault::KekRecord& /*record*/) const override {
    return "SECRET_ENCRYPTION_KEY";
  }

 private:
  const Secret key_;
};

}  // namespace

std::shared_ptr<const vault::KekSource> make_environment_kek(Secret key) {
  return std::make_shared<const EnvironmentKek>(std::move(key));
}

}  // namespace av::store
