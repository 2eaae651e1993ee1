#pragma once
// ExportCursor: how far each file of the audit log has gone to one collector, kept in
// <data>/export/. Locked while it is in use: two exports to one collector would send twice.

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "core/expected.h"
#include "core/fs.h"

namespace av::cmd {

class ExportCursor {
 public:
  // `target`: the collector's URL. kConflict while another process has it.
  static Expected<ExportCursor> open(const std::filesystem::path& directory,
                                     const std::string& target);
  // Nowhere on the disk, from the beginning.
  static ExportCursor in_memory() { return ExportCursor(); }

  [[nodiscard]] std::uint64_t offset_of(const std::string& file) const;
  void set(const std::string& file, std::uint64_t offset);
  // Forgets files that are gone.
  void keep_only(const std::set<std::string>& files);
  // Durable when it returns; costs nothing when nothing has changed.
  [[nodiscard]] Status save();

 private:
  ExportCursor() = default;
  [[nodiscard]] Status load();

  std::filesystem::path path_;
  std::string target_;
  UniqueFd lock_;
  std::map<std::string, std::uint64_t> offsets_;
  bool changed_ = false;
};

}  // namespace av::cmd
