#include "cmd/export_cursor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "core/crypto.h"
#include "core/encoding.h"
#include "store/audit_chain.h"

namespace av::cmd {

Expected<ExportCursor> ExportCursor::open(const std::filesystem::path& directory,
                                          const std::string& target) {
  AV_CHECK(fs::make_private_directory(directory));
  ExportCursor cursor;
  const std::string name = encoding::hex(crypto::sha256(target)).substr(0, 16);
  cursor.path_ = directory / (name + ".json");
  cursor.target_ = target;
  const auto lock_path = directory / (name + ".lock");
  cursor.lock_ =
      UniqueFd(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!cursor.lock_.valid()) {
    return errno_error(errno, "cannot open " + lock_path.string());
  }
  if (!store::hold_lock(cursor.lock_.get())) {
    return make_error(ErrorCode::kConflict, "another export to this collector is running",
                      "stop it first: `fuser " + lock_path.string() + "` says which it is");
  }
  AV_CHECK(cursor.load());
  return cursor;
}

Status ExportCursor::load() {
  const auto text = fs::read_file(path_, std::size_t{64} << 20);
  if (!text) {
    return text.error().code == ErrorCode::kNotFound ? Status() : Status(text.error());
  }
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  const Error bad = make_error(
      ErrorCode::kCorrupt, path_.string() + " cannot be read",
      "remove it to send the whole log again; the receiver knows records by log.record.uid");
  if (!json.is_object() || !json.contains("files") || !json["files"].is_object()) {
    return bad;
  }
  for (const auto& [file, offset] : json["files"].items()) {
    if (!offset.is_number_unsigned()) {
      return bad;
    }
    offsets_[file] = offset.get<std::uint64_t>();
  }
  return {};
}

std::uint64_t ExportCursor::offset_of(const std::string& file) const {
  const auto it = offsets_.find(file);
  return it == offsets_.end() ? 0 : it->second;
}

void ExportCursor::set(const std::string& file, std::uint64_t offset) {
  std::uint64_t& known = offsets_[file];
  changed_ = changed_ || known != offset;
  known = offset;
}

void ExportCursor::keep_only(const std::set<std::string>& files) {
  const auto gone =
      std::erase_if(offsets_, [&](const auto& entry) { return !files.contains(entry.first); });
  changed_ = changed_ || gone != 0;
}

Status ExportCursor::save() {
  if (path_.empty() || !changed_) {
    return {};
  }
  nlohmann::json json = {{"target", target_}, {"files", offsets_}};
  AV_CHECK(fs::replace_file(path_, json.dump() + "\n"));
  changed_ = false;
  return {};
}

}  // namespace av::cmd
