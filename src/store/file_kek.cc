#include <unistd.h>

#include "core/encoding.h"
#include "store/key_file.h"
#include "store/local_keks.h"

namespace av::store {
namespace {

// What fs::replace_file() of a process that was killed has left of `file`.
void remove_unfinished(const std::filesystem::path& file) {
  const std::string beginning = file.filename().string() + ".tmp-";
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(file.parent_path(), ec)) {
    if (entry.path().filename().native().starts_with(beginning)) {
      ::unlink(entry.path().c_str());
    }
  }
}

bool holds(const std::filesystem::path& file, const crypto::Bytes& id) {
  const Expected<Secret> key = read_key_file(file);
  return key && key_id(*key) == id;
}

class FileKek final : public vault::KekSource {
 public:
  explicit FileKek(const fs::Paths& paths)
      : file_(paths.key_file()), new_file_(paths.data / "key.new") {}

  [[nodiscard]] std::string_view mode() const override { return "file"; }

  [[nodiscard]] Expected<Protected> protect(const vault::Keyholder& /*holder*/) const override {
    Protected made;
    AV_TRY(made.kek, crypto::random_secret(crypto::kKeySize));
    return made;
  }

  [[nodiscard]] Status place(const Secret& kek, const vault::KekRecord* named) const override {
    // A committed but not yet renamed key must not be overwritten by the next one.
    AV_CHECK(settle(named));
    // Of changes that were killed while they wrote. This one alone writes: it has the database.
    remove_unfinished(new_file_);
    return write_key_file(new_file_, kek);
  }

  [[nodiscard]] bool unfinished() const override { return ::access(new_file_.c_str(), F_OK) == 0; }

  [[nodiscard]] Status settle(const vault::KekRecord* named) const override {
    if (named != nullptr && !holds(file_, named->kek_id)) {
      if (holds(new_file_, named->kek_id)) {
        return rename_durably(new_file_, file_);
      }
      return {};  // both are foreign: not ours to touch
    }
    return unfinished() ? remove_durably(new_file_) : Status{};
  }

  [[nodiscard]] Status forget(const vault::KekRecord& record) const override {
    return holds(file_, record.kek_id) ? remove_durably(file_) : Status{};
  }

  [[nodiscard]] Expected<Secret> recover(const vault::KekRecord& record,
                                         const vault::Keyholder& /*holder*/) const override {
    // A rotation may rename the second over the first between two looks, hence the third.
    Expected<Secret> first = read_key_file(file_);
    if (first && key_id(*first) == record.kek_id) {
      return first;
    }
    for (const auto& file : {new_file_, file_}) {
      Expected<Secret> key = read_key_file(file);
      if (key && key_id(*key) == record.kek_id) {
        return key;
      }
    }
    if (!first && first.error().code == ErrorCode::kNotFound) {
      return make_error(ErrorCode::kLocked, "the key file " + file_.string() + " is missing",
                        "put back the key file that this store was made with (key id " +
                            encoding::hex(record.kek_id) + "); without it the values are lost");
    }
    if (!first) {
      return first;
    }
    return make_error(ErrorCode::kLocked,
                      "the key file " + file_.string() + " belongs to another store (key id " +
                          encoding::hex(key_id(*first)) + ")",
                      "put back the key file with key id " + encoding::hex(record.kek_id));
  }

  [[nodiscard]] std::string detail(const vault::KekRecord& /*record*/) const override {
    return file_.string();
  }

 private:
  const std::filesystem::path file_;
  const std::filesystem::path new_file_;
};

}  // namespace

std::shared_ptr<const vault::KekSource> make_file_kek(const fs::Paths& paths) {
  return std::make_shared<const FileKek>(paths);
}

Expected<vault::KekSource::Protected> first_file_kek(const fs::Paths& paths) {
  vault::KekSource::Protected made;
  AV_TRY(made.kek, ensure_key_file(paths.key_file()));
  return made;
}

}  // namespace av::store
