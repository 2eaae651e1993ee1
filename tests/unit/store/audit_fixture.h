#pragma once
// Journals on a chain with a key of the test's, and ways to tamper with their files.

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/encoding.h"
#include "store/audit_journal.h"
#include "store/audit_lines.h"
#include "store/audit_verify.h"
#include "temp_home.h"

namespace av::test {

inline std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {(std::istreambuf_iterator<char>(file)), {}};
}
inline void overwrite(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}
// With their line feeds.
inline std::vector<std::string> lines_of(const std::filesystem::path& path) {
  const std::string whole = contents(path);
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < whole.size();) {
    const std::size_t end = std::min(whole.find('\n', begin), whole.size() - 1);
    lines.push_back(whole.substr(begin, end - begin + 1));
    begin = end + 1;
  }
  return lines;
}
inline void write_lines(const std::filesystem::path& path, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += line;
  }
  overwrite(path, text);
}

// Makes the hashes of a journal's lines right again, as anybody can: they have no key.
inline void rehash(const std::filesystem::path& path) {
  std::vector<std::string> lines = lines_of(path);
  crypto::Digest last = store::first_hash(path.filename().string());
  for (std::string& line : lines) {
    const std::string text = line.substr(0, line.rfind(",\"hash\":"));
    last = store::line_hash(last, text);
    line = text + ",\"hash\":\"" + encoding::hex(last) + "\"}\n";
  }
  write_lines(path, lines);
}

inline vault::AuditRecord record(std::int64_t time_ms, std::string event = "request") {
  vault::AuditRecord r;
  r.time_ms = time_ms;
  r.event = std::move(event);
  return r;
}

inline store::AuditKey audit_key(char fill) {
  init_secret_arena();
  auto key = store::AuditKey::from_seed(secret(std::string(32, fill)));
  REQUIRE(key);
  return std::move(*key);
}

class AuditHome {
 public:
  explicit AuditHome(char key = 'k') : key_(key) {
    REQUIRE(fs::make_private_directory(home_.paths().data));
  }
  [[nodiscard]] std::filesystem::path directory() const { return home_.paths().audit(); }
  [[nodiscard]] std::filesystem::path root() const { return directory() / store::kRootFile; }
  [[nodiscard]] std::filesystem::path head() const { return directory() / store::kHeadFile; }

  // Each time as another process would: made at the first use.
  std::shared_ptr<store::RootChain> chain() {
    const bool fresh = !used_;
    used_ = true;
    auto made = store::RootChain::with_key(directory(), audit_key(key_), clock_, fresh);
    REQUIRE(made);
    return std::move(*made);
  }
  std::unique_ptr<store::AuditJournal> journal(const std::string& name) {
    auto made = store::AuditJournal::create(directory(), name, chain());
    REQUIRE(made);
    return std::move(*made);
  }
  // Closed, with event-1 to event-N; its path.
  std::filesystem::path journal_of(const std::string& name, int records) {
    {
      auto log = journal(name);
      for (int i = 1; i <= records; ++i) {
        REQUIRE(log->append(record(1000 * i, "event-" + std::to_string(i))));
      }
    }
    return find(name);
  }
  [[nodiscard]] std::filesystem::path find(const std::string& name) const {
    for (const auto& entry : std::filesystem::directory_iterator(directory())) {
      if (entry.path().filename().string().ends_with("-" + name + ".jsonl")) {
        return entry.path();
      }
    }
    FAIL("no journal " + name);
    return {};
  }

  [[nodiscard]] store::PublicKey public_key() const { return audit_key(key_).public_key(); }
  [[nodiscard]] store::VerifyReport verify(std::optional<store::RootPosition> head = {}) const {
    auto report = store::verify_audit(directory(), {public_key(), head});
    REQUIRE(report);
    return std::move(*report);
  }
  // "file:line what" of each.
  static std::vector<std::string> words(const store::Findings& findings) {
    std::vector<std::string> all;
    for (const store::Finding& one : findings.list()) {
      all.push_back(one.file + ":" + std::to_string(one.line) + " " + one.what);
    }
    return all;
  }
  const SystemClock& clock() const { return clock_; }
  const TempHome& home() const { return home_; }

 private:
  TempHome home_;
  SystemClock clock_;
  char key_;
  bool used_ = false;
};

}  // namespace av::test
