#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/encoding.h"
#include "store/audit_chain.h"
#include "store/audit_lines.h"
#include "store/audit_verify.h"

namespace av::store {
namespace {

// 20260131T080910.123Z-...: a file that was begun later has no older records.
bool begun_before(const std::string& name, std::int64_t before_ms) {
  if (name.size() < 20 || name[8] != 'T' || name[15] != '.') {
    return true;
  }
  const auto at = [&](std::size_t from, std::size_t size) { return name.substr(from, size); };
  const auto begun = parse_utc_exactly(at(0, 4) + "-" + at(4, 2) + "-" + at(6, 2) + "T" + at(9, 2) +
                                       ":" + at(11, 2) + ":" + at(13, 2) + "." + at(16, 3) + "Z");
  return !begun || *begun < before_ms;
}

crypto::Digest digest_of(const std::vector<const PrunedJournal*>& files) {
  std::string text;
  for (const PrunedJournal* one : files) {
    text += one->file + "\n" + std::to_string(one->contents.lines) + "\n" +
            std::to_string(one->contents.bytes) + "\n" + encoding::hex(one->contents.head) + "\n";
  }
  return crypto::sha256(text);
}

Status remove_file(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return errno_error(errno, "cannot remove " + path.string());
  }
  return {};
}

}  // namespace

Expected<PrunePlan> plan_prune(const std::filesystem::path& directory, std::int64_t before_ms) {
  RootScan root(directory, {});
  AV_CHECK(root.catch_up());
  PrunePlan plan;
  for (const auto& [name, state] : root.journals()) {
    const auto path = directory / name;
    std::error_code ec;
    if (!std::filesystem::exists(path, ec) || (!state.pruned && !begun_before(name, before_ms))) {
      continue;
    }
    Findings problems;
    Findings notices;
    AV_TRY(const CheckedJournal checked, check_journal(path, state, problems, notices));
    if (checked.being_written || (!state.pruned && checked.last_ms >= before_ms)) {
      continue;
    }
    if (problems.count() != 0) {
      plan.refused.add(problems.list().front());
    } else if (state.pruned) {
      plan.leftovers.push_back(name);
    } else {
      plan.records += checked.lines;
      plan.files.push_back({name, checked});
    }
  }
  return plan;
}

Status prune(const std::filesystem::path& directory, const PrunePlan& plan, std::int64_t before_ms,
             RootChain& chain) {
  RootPosition last;
  for (std::size_t begin = 0; begin < plan.files.size(); begin += kMaxPrunedPerEntry) {
    const std::size_t end = std::min(begin + kMaxPrunedPerEntry, plan.files.size());
    RootEntry entry;
    entry.kind = RootKind::kPrune;
    entry.before_ms = before_ms;
    std::vector<const PrunedJournal*> files;
    for (std::size_t i = begin; i < end; ++i) {
      files.push_back(&plan.files[i]);
      entry.files.push_back(plan.files[i].file);
      entry.lines += plan.files[i].contents.lines;
    }
    entry.digest = digest_of(files);
    AV_TRY(last, chain.append(std::move(entry)));
  }
  if (last.n != 0) {
    AV_CHECK(chain.sync(last));
  }
  for (const std::string& name : plan.leftovers) {
    AV_CHECK(remove_file(directory / name));
  }
  for (const PrunedJournal& one : plan.files) {
    AV_CHECK(remove_file(directory / one.file));
  }
  const UniqueFd parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid() || ::fsync(parent.get()) != 0) {
    return errno_error(errno, "cannot flush " + directory.string());
  }
  return {};
}

}  // namespace av::store
