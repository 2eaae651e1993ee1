#include "store/audit_verify.h"

#include <algorithm>

#include "core/encoding.h"

namespace av::store {
namespace {

struct Present {
  std::string name;
  std::filesystem::file_type type;
};

// Links are not followed.
Expected<std::vector<Present>> entries_in(const std::filesystem::path& directory) {
  std::vector<Present> entries;
  std::error_code ec;
  std::filesystem::directory_iterator it(directory, ec);
  if (ec == std::errc::no_such_file_or_directory) {
    return entries;
  }
  for (; !ec && it != std::filesystem::directory_iterator(); it.increment(ec)) {
    std::error_code unknown;
    entries.push_back({it->path().filename().string(), it->symlink_status(unknown).type()});
  }
  if (ec) {
    return errno_error(ec.value(), "cannot read the audit log " + directory.string());
  }
  std::sort(entries.begin(), entries.end(),
            [](const Present& a, const Present& b) { return a.name < b.name; });
  return entries;
}

using FileType = std::filesystem::file_type;

bool is_own_file(std::string_view name) {
  return name == kRootFile || name == kHeadFile;
}

std::string words_for(FileType type) {
  return type == FileType::regular     ? "a file whose name agent-vault does not give"
         : type == FileType::symlink   ? "a symbolic link"
         : type == FileType::directory ? "a directory"
                                       : "no file";  // a pipe, a socket, a device
}

class Verification {
 public:
  Verification(const std::filesystem::path& directory, const RootExpectation& expected)
      : directory_(directory), expected_(expected), root_(directory, expected) {}
  Status run();
  VerifyReport take_report() { return std::move(report_); }

 private:
  const JournalState* state_of(const std::string& name) const;
  Status check_present(const std::string& name);
  Status check_missing();
  void check_chain_is_there(const std::vector<Present>& entries);
  void tell_stranger(const Present& entry);
  void add_root();

  const std::filesystem::path& directory_;
  const RootExpectation& expected_;
  RootScan root_;
  VerifyReport report_;
};

const JournalState* Verification::state_of(const std::string& name) const {
  const auto it = root_.journals().find(name);
  return it == root_.journals().end() ? nullptr : &it->second;
}

Status Verification::check_present(const std::string& name) {
  const auto path = directory_ / name;
  const JournalState* state = state_of(name);
  if (state == nullptr) {
    std::error_code ec;
    if (std::filesystem::file_size(path, ec) == 0 || ec) {
      return {};  // begun at this moment, or by a process that was killed then; it says nothing
    }
    AV_CHECK(root_.catch_up());
    state = state_of(name);
  }
  if (state == nullptr) {
    report_.problems.add({name, 0, "no line of the chain names this file: it was added or renamed",
                          "move it away; `agent-vault log` shows what it claims"});
    return {};
  }
  auto checked = check_journal(path, *state, report_.problems, report_.notices);
  if (!checked) {
    if (checked.error().code == ErrorCode::kNotFound) {
      return {};  // removed just now: check_missing() says whether it may be
    }
    // One that cannot be read does not keep the others from being checked.
    report_.problems.add({name, 0, checked.error().message, "make it readable, or restore it"});
    return {};
  }
  report_.files += 1;
  report_.records += checked->lines;
  report_.adopted += state->adopted ? 1 : 0;
  if (state->pruned) {
    report_.notices.add({name, 0, "was to be removed by `audit prune`, which was interrupted",
                         "run agent-vault audit prune again"});
  }
  return {};
}

Status Verification::check_missing() {
  std::vector<std::string> missing;
  for (const auto& [name, state] : root_.journals()) {
    std::error_code ec;
    if (!state.pruned && !std::filesystem::exists(directory_ / name, ec)) {
      missing.push_back(name);
    }
  }
  if (missing.empty()) {
    return {};
  }
  AV_CHECK(root_.catch_up());  // removed in the meantime, as it should be
  for (const std::string& name : missing) {
    const JournalState* const state = state_of(name);
    if (!state->pruned) {
      const std::string lines =
          state->checkpoints.empty()
              ? ""
              : ", with " + std::to_string(state->checkpoints.back().lines) + " records or more";
      report_.problems.add({name, 0,
                            "is gone" + lines + " (line " + std::to_string(state->root_line) +
                                " of " + std::string(kRootFile) + " names it)",
                            "restore the file from a copy"});
    }
  }
  return {};
}

void Verification::check_chain_is_there(const std::vector<Present>& entries) {
  if (root_.exists()) {
    return;
  }
  const bool journals = std::any_of(entries.begin(), entries.end(),
                                    [](const Present& one) { return is_journal_name(one.name); });
  if ((expected_.key && !expected_.unmade) || expected_.head) {
    report_.problems.add(
        {std::string(kRootFile), 0, "is gone", "restore the directory from a copy"});
  } else if (journals) {
    report_.problems.add(
        {std::string(kRootFile), 0, "is not there: nothing shows whether files are missing",
         "when no agent-vault with a chain has written here yet, the next command makes it"});
  }
}

// Nothing else belongs here; a name is anybody's, and is shown so that it cannot pose.
void Verification::tell_stranger(const Present& entry) {
  const bool known = is_journal_name(entry.name) || is_own_file(entry.name);
  report_.problems.add(
      {encoding::printable(std::string_view(entry.name).substr(0, 200)), 0,
       "is " + words_for(entry.type) + (known ? ", not the file that agent-vault wrote" : ""),
       known ? "restore the file from a copy" : "move it away"});
}

void Verification::add_root() {
  for (const Finding& finding : root_.problems().list()) {
    report_.problems.add(finding);
  }
  for (const Finding& finding : root_.notices().list()) {
    report_.notices.add(finding);
  }
  for (const auto& [name, state] : root_.journals()) {
    report_.pruned_files += state.pruned ? 1 : 0;
  }
  report_.pruned_records = root_.pruned_records();
  report_.since_ms = root_.since_ms();
  report_.head = root_.last();
  report_.key = root_.key();
}

Status Verification::run() {
  // The directory first: of a file that is in it, the chain has been told before it has a record.
  AV_TRY(const auto entries, entries_in(directory_));
  for (const Present& entry : entries) {
    if (entry.name == kRootFile && entry.type != FileType::regular) {
      tell_stranger(entry);
      return {};  // there is nothing that the others could be held against
    }
  }
  AV_CHECK(root_.catch_up());
  for (const Present& entry : entries) {
    const bool file = entry.type == FileType::regular;
    if (entry.type == FileType::none || entry.type == FileType::not_found) {
      continue;  // removed just now
    }
    if (file && is_journal_name(entry.name)) {
      AV_CHECK(check_present(entry.name));
    } else if (!file || !is_own_file(entry.name)) {
      tell_stranger(entry);
    }
  }
  AV_CHECK(check_missing());
  check_chain_is_there(entries);
  root_.finish();
  add_root();
  return {};
}

}  // namespace

Expected<VerifyReport> verify_audit(const std::filesystem::path& directory,
                                    const RootExpectation& expected) {
  Verification verification(directory, expected);
  AV_CHECK(verification.run());
  return verification.take_report();
}

}  // namespace av::store
