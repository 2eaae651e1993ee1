#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <set>
#include <thread>

#include "audit_fixture.h"

using namespace av;
using namespace av::test;

namespace {

std::vector<std::string> types_in(const std::filesystem::path& root) {
  std::vector<std::string> types;
  for (const std::string& line : lines_of(root)) {
    const auto entry = store::parse_root_line(std::string_view(line).substr(0, line.size() - 1));
    REQUIRE(entry);
    types.emplace_back(store::to_string(entry->kind));
  }
  return types;
}

using Types = std::vector<std::string>;

}  // namespace

TEST_CASE("audit chain: every kind of line is read as it was written, and in no other spelling",
          "[store][audit]") {
  const store::AuditKey key = audit_key('k');
  std::vector<store::RootEntry> entries;
  const auto add = [&](store::RootKind kind) -> store::RootEntry& {
    store::RootEntry entry;
    entry.kind = kind;
    entry.time_ms = 1'700'000'000'123;
    entry.file = "20260101T000000.000Z-run_1.jsonl";
    entries.push_back(entry);
    return entries.back();
  };
  add(store::RootKind::kKey).public_key = key.public_key();
  add(store::RootKind::kAdopt);
  add(store::RootKind::kOpen);
  auto& mark = add(store::RootKind::kMark);
  mark.lines = 12;
  mark.bytes = 3456;
  mark.head = crypto::sha256("x");
  add(store::RootKind::kClose).lines = 0;
  add(store::RootKind::kDead).lines = 0;
  auto& prune = add(store::RootKind::kPrune);
  prune.files = {"a.jsonl", "b-c_d.jsonl"};
  prune.before_ms = 1'600'000'000'000;
  prune.lines = 18446744073709551615ULL;
  auto& gap = add(store::RootKind::kGap);
  gap.what = "cut";
  gap.count = 7;
  store::RootPosition position = store::root_beginning();
  const store::SignatureChecker checker(key.public_key());
  const store::SignatureChecker other(audit_key('o').public_key());
  for (store::RootEntry& entry : entries) {
    const crypto::Digest previous = position.hash;
    std::string text;
    REQUIRE(store::append_root_line(text, entry, position, key));
    REQUIRE(text.ends_with("\"}\n"));
    const std::string line = text.substr(0, text.size() - 1);
    INFO(line);
    const auto back = store::parse_root_line(line);
    REQUIRE(back);
    CHECK(back->n == entry.n);
    CHECK(back->kind == entry.kind);
    CHECK(back->time_ms == entry.time_ms);
    CHECK(back->lines ==
          (entry.kind == store::RootKind::kMark || entry.kind == store::RootKind::kPrune
               ? entry.lines
               : 0));
    CHECK(back->files == entry.files);
    CHECK(back->what == entry.what);
    CHECK(back->hash == position.hash);
    CHECK(store::root_line_hash(previous, line) == back->hash);
    CHECK(store::root_line_signed(previous, line, back->signature, checker));
    CHECK_FALSE(store::root_line_signed(previous, line, back->signature, other));
    CHECK_FALSE(store::root_line_signed(back->hash, line, back->signature, checker));
    // Cut anywhere, longer, or with one byte in another spelling.
    for (std::size_t cut = 0; cut < line.size(); ++cut) {
      CHECK_FALSE(store::parse_root_line(line.substr(0, cut)));
    }
    CHECK_FALSE(store::parse_root_line(line + " "));
    for (std::size_t i = 0; i < line.size(); ++i) {
      std::string changed = line;
      changed[i] = static_cast<char>(changed[i] ^ 0x20);
      const auto read = store::parse_root_line(changed);
      if (read) {
        // Still well-formed: then it says something else.
        const bool same = store::root_line_hash(previous, changed) == read->hash &&
                          store::root_line_signed(previous, changed, read->signature, checker);
        CHECK_FALSE(same);
      }
    }
  }
}

TEST_CASE("audit chain: a journal is opened, closed and covered by the head", "[store][audit]") {
  AuditHome home;
  const auto path = home.journal_of("run", 5);
  CHECK(types_in(home.root()) == Types{"key", "open", "close"});
  const auto report = home.verify();
  CHECK(AuditHome::words(report.problems).empty());
  CHECK(report.files == 1);
  CHECK(report.records == 5);
  CHECK(report.head.n == 3);
  const auto head = store::parse_head_line(contents(home.head()));
  REQUIRE(head);
  CHECK(head->position.n == 3);
  CHECK(head->position.hash == report.head.hash);
  CHECK(report.key == home.public_key());
}

TEST_CASE("audit chain: journals from before the chain are adopted once", "[store][audit]") {
  AuditHome home;
  {
    // What an earlier version wrote: the same lines, and no chain.
    AuditHome before;
    const auto path = before.journal_of("old", 3);
    REQUIRE(fs::make_private_directory(home.directory()));
    std::filesystem::copy(path, home.directory() / path.filename());
  }
  home.journal_of("new", 2);
  CHECK(types_in(home.root()) == Types{"key", "adopt", "mark", "open", "close"});
  auto report = home.verify();
  CHECK(AuditHome::words(report.problems).empty());
  CHECK(report.adopted == 1);
  CHECK(report.records == 5);
  // Nothing is adopted later.
  std::filesystem::copy(home.find("old"), home.directory() / "20260101T000000.000Z-planted.jsonl");
  home.journal_of("newer", 1);
  CHECK(home.verify().problems.count() != 0);
  std::filesystem::remove(home.directory() / "20260101T000000.000Z-planted.jsonl");
  CHECK(home.verify().problems.count() == 0);
  std::filesystem::remove(home.find("old"));
  CHECK(home.verify().problems.count() == 1);
}

TEST_CASE("audit chain: a long run is marked at most once a second", "[store][audit]") {
  AuditHome home;
  {
    auto log = home.journal("run");
    const auto begin = std::chrono::steady_clock::now();
    int i = 0;
    while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(2300)) {
      REQUIRE(log->append(record(1000 + i++)));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const auto report = home.verify();  // while it is being written
    CHECK(AuditHome::words(report.problems).empty());
  }
  const Types types = types_in(home.root());
  const auto marks = std::count(types.begin(), types.end(), "mark");
  CHECK(marks >= 1);
  CHECK(marks <= 3);
  CHECK(types.back() == "close");
  CHECK(home.verify().problems.count() == 0);
}

TEST_CASE("audit chain: processes and threads append without losing or repeating a line",
          "[store][audit]") {
  AuditHome home;
  constexpr int kProcesses = 8;
  constexpr int kEach = 60;
  home.journal_of("first", 1);
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = ::fork();
    if (child == 0) {
      bool ok = true;
      auto chain =
          store::RootChain::with_key(home.directory(), audit_key('k'), home.clock(), false);
      for (int i = 0; i < kEach; ++i) {
        store::RootEntry entry;
        entry.kind = store::RootKind::kOpen;
        entry.file = "p" + std::to_string(p) + "-" + std::to_string(i) + ".jsonl";
        const auto position = (*chain)->append(entry);
        ok = ok && position && (i % 10 != 0 || (*chain)->sync(*position));
      }
      ::_exit(ok ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  std::set<std::string> named;
  for (const std::string& line : lines_of(home.root())) {
    const auto entry = store::parse_root_line(std::string_view(line).substr(0, line.size() - 1));
    REQUIRE(entry);
    if (entry->kind == store::RootKind::kOpen && entry->file[0] == 'p') {
      CHECK(named.insert(entry->file).second);
    }
  }
  CHECK(named.size() == kProcesses * kEach);
  // They are opened and not there, which is all that is wrong.
  store::RootScan root(home.directory(), {home.public_key(), std::nullopt});
  REQUIRE(root.catch_up());
  root.finish();
  CHECK(AuditHome::words(root.problems()).empty());
}

TEST_CASE("audit chain: a full disk leaves the chain whole, and it goes on", "[store][audit]") {
  AuditHome home;
  home.journal_of("one", 2);
  const auto chain = home.chain();
  const std::string before = contents(home.root());
  struct rlimit old {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const std::size_t room : {std::size_t{0}, std::size_t{10}, std::size_t{200}}) {
    const struct rlimit small = {before.size() + room, old.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const auto failed = store::AuditJournal::create(home.directory(), "two", chain);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK_FALSE(failed);
    CHECK(contents(home.root()) == before);
  }
  std::signal(SIGXFSZ, handler);
  CHECK(home.verify().problems.count() == 0);
  home.journal_of("three", 2);
  CHECK(home.verify().problems.count() == 0);
}

TEST_CASE("audit chain: what was cut off is told for good by the next that writes",
          "[store][audit]") {
  AuditHome home;
  home.journal_of("one", 2);
  home.journal_of("two", 2);
  const auto two = home.find("two");
  auto lines = lines_of(home.root());
  SECTION("two lines cut") {
    lines.resize(lines.size() - 2);
    write_lines(home.root(), lines);
    std::filesystem::remove(two);
  }
  SECTION("a part of a line") {
    overwrite(home.root(), contents(home.root()).substr(0, contents(home.root()).size() - 7));
  }
  SECTION("the last line is something else") {
    lines.back() = "nothing\n";
    write_lines(home.root(), lines);
  }
  SECTION("the head removed") {
    std::filesystem::remove(home.head());
  }
  SECTION("the head emptied") {
    overwrite(home.head(), "");
  }
  SECTION("all of it removed") {
    std::filesystem::remove(home.root());
    std::filesystem::remove(home.head());
  }
  CHECK(home.verify().problems.count() != 0);
  home.journal_of("three", 2);
  home.journal_of("four", 2);
  const Types types = [&] {
    Types all;
    for (const std::string& line : lines_of(home.root())) {
      const auto entry = store::parse_root_line(std::string_view(line).substr(0, line.size() - 1));
      all.emplace_back(entry ? store::to_string(entry->kind) : "?");
    }
    return all;
  }();
  CHECK(std::count(types.begin(), types.end(), "gap") == 1);
  CHECK(home.verify().problems.count() != 0);
}

TEST_CASE("audit chain: a head that was kept settles the gaps before it and nothing else",
          "[store][audit]") {
  AuditHome home;
  home.journal_of("one", 2);
  std::filesystem::remove(home.head());
  home.journal_of("two", 2);
  const auto doubtful = home.verify();
  CHECK(doubtful.problems.count() == 1);
  const auto settled = home.verify(doubtful.head);
  CHECK(settled.problems.count() == 0);
  CHECK(settled.notices.count() == 1);
  // By its hash alone too.
  CHECK(home.verify(store::RootPosition{0, doubtful.head.hash}).problems.count() == 0);
  home.journal_of("three", 2);
  CHECK(home.verify(doubtful.head).problems.count() == 0);
  std::filesystem::remove(home.head());
  home.journal_of("four", 2);
  CHECK(home.verify(doubtful.head).problems.count() == 1);
  CHECK(home.verify(store::RootPosition{0, crypto::sha256("x")}).problems.count() == 3);
}

TEST_CASE("audit chain: the store makes the key once, and it survives a rotation",
          "[store][audit]") {
  const TempHome home;
  const SystemClock clock;
  auto store = open_store(home, clock);
  REQUIRE(store);
  CHECK_FALSE(*store::stored_public_key(**store));
  std::optional<store::PublicKey> key;
  for (int i = 0; i < 3; ++i) {
    auto chain = store::RootChain::open(home.paths().audit(), **store, clock);
    REQUIRE(chain);
    CHECK((!key || *key == (*chain)->public_key()));
    key = (*chain)->public_key();
    {
      auto log = store::AuditJournal::create(home.paths().audit(), "cli", *chain);
      REQUIRE(log);
      REQUIRE((*log)->append(record(1)));
    }
    REQUIRE((*store)->rotate_key([](std::uint64_t, std::uint64_t) {}));
  }
  CHECK(*store::stored_public_key(**store) == key);
  const auto report = store::verify_audit(home.paths().audit(), {key, std::nullopt});
  REQUIRE(report);
  CHECK(AuditHome::words(report->problems).empty());
  CHECK(report->files == 3);
  CHECK_FALSE(std::filesystem::exists(home.paths().audit() / "root.new"));
}

TEST_CASE("audit chain: a store that finds no chain says that there was one", "[store][audit]") {
  const TempHome home;
  const SystemClock clock;
  auto store = open_store(home, clock);
  REQUIRE(store);
  const auto write_one = [&] {
    auto chain = store::RootChain::open(home.paths().audit(), **store, clock);
    REQUIRE(chain);
    auto log = store::AuditJournal::create(home.paths().audit(), "cli", *chain);
    REQUIRE(log);
    REQUIRE((*log)->append(record(1)));
  };
  write_one();
  std::filesystem::remove_all(home.paths().audit());
  write_one();
  const auto key = *store::stored_public_key(**store);
  const auto report = store::verify_audit(home.paths().audit(), {key, std::nullopt});
  REQUIRE(report);
  REQUIRE(report->problems.count() == 1);
  CHECK(report->problems.list().front().what.find("no chain any more") != std::string::npos);
}

TEST_CASE("audit chain: a store made anew goes on under its own key, which is told",
          "[store][audit]") {
  const TempHome home;
  const SystemClock clock;
  for (int i = 0; i < 2; ++i) {
    auto store = open_store(home, clock);
    REQUIRE(store);
    auto chain = store::RootChain::open(home.paths().audit(), **store, clock);
    REQUIRE(chain);
    {
      auto log = store::AuditJournal::create(home.paths().audit(), "cli", *chain);
      REQUIRE(log);
      REQUIRE((*log)->append(record(1)));
    }
    const auto report =
        store::verify_audit(home.paths().audit(), {(*chain)->public_key(), std::nullopt});
    REQUIRE(report);
    CHECK((report->problems.count() != 0) == (i == 1));
    const auto with_head =
        store::verify_audit(home.paths().audit(), {(*chain)->public_key(), report->head});
    CHECK(AuditHome::words(with_head->problems).empty());
    chain->reset();
    store->reset();
    for (const char* file : {"vault.db", "vault.db-wal", "vault.db-shm", "key"}) {
      std::filesystem::remove(home.paths().data / file);
    }
  }
}

TEST_CASE("audit chain: no head is signed for the place where somebody has cut it",
          "[store][audit][security]") {
  AuditHome home;
  home.journal_of("one", 2);
  const auto one = lines_of(home.root());
  home.journal_of("two", 2);
  std::vector<std::string> place;  // what is left of the chain
  SECTION("cut") {
    place = one;
    write_lines(home.root(), place);
  }
  SECTION("removed") {
    std::filesystem::remove(home.root());
    std::filesystem::remove(home.head());
  }
  std::filesystem::remove(home.find("two"));
  // The next that writes says so; the editor takes the head that it leaves until the next sync().
  store::RootEntry entry;
  entry.kind = store::RootKind::kMark;
  entry.file = "20260101T000000.000Z-run_1.jsonl";
  REQUIRE(home.chain()->append(entry));
  const std::string head_then = contents(home.head());
  home.journal_of("three", 2);
  REQUIRE(home.verify().problems.count() != 0);
  // Later the chain is cut at the same place, with everything that told of it.
  write_lines(home.root(), place);
  overwrite(home.head(), head_then);
  for (const char* name : {"one", "three"}) {
    const auto path = home.find(name);
    if (contents(home.root()).find(path.filename().string()) == std::string::npos) {
      std::filesystem::remove(path);
    }
  }
  CHECK(home.verify().problems.count() != 0);
}

TEST_CASE("audit chain: an empty chain with the head of its beginning is a log that is gone",
          "[store][audit][security]") {
  AuditHome home;
  home.journal_of("one", 2);
  const auto lines = lines_of(home.root());
  std::filesystem::remove(home.find("one"));
  overwrite(home.head(), *store::head_line(store::root_beginning(), audit_key('k')));
  SECTION("empty") {
    overwrite(home.root(), "");
  }
  SECTION("a part of a line") {
    overwrite(home.root(), lines[0].substr(0, 20));
  }
  SECTION("cut behind its key") {
    write_lines(home.root(), {lines[0]});
  }
  const auto report = home.verify();
  CHECK(report.problems.count() != 0);
}

TEST_CASE("audit chain: a chain whose making was interrupted is no defect", "[store][audit]") {
  AuditHome home;
  REQUIRE(fs::make_private_directory(home.directory()));
  const auto problems = [&](bool unmade) {
    const auto report = store::verify_audit(home.directory(), {home.public_key(), {}, unmade});
    REQUIRE(report);
    return report->problems.count();
  };
  CHECK(problems(true) == 0);
  CHECK(problems(false) != 0);
  overwrite(home.root(), "");
  CHECK(problems(true) == 0);
  CHECK(problems(false) != 0);
  overwrite(home.head(), *store::head_line(store::root_beginning(), audit_key('k')));
  CHECK(problems(true) == 0);
  CHECK(problems(false) != 0);
  home.journal_of("one", 1);
  CHECK(problems(false) == 0);
}

TEST_CASE("audit chain: what is changed in a journal after it was adopted is found",
          "[store][audit][security]") {
  AuditHome home;
  {
    AuditHome before;
    const auto path = before.journal_of("old", 3);
    REQUIRE(fs::make_private_directory(home.directory()));
    std::filesystem::copy(path, home.directory() / path.filename());
  }
  home.journal_of("new", 1);
  REQUIRE(home.verify().problems.count() == 0);
  const auto path = home.find("old");
  auto lines = lines_of(path);
  SECTION("edited") {
    lines[1].replace(lines[1].find("event-2"), 7, "event-X");
  }
  SECTION("its end cut off") {
    lines.pop_back();
  }
  write_lines(path, lines);
  rehash(path);
  CHECK(home.verify().problems.count() != 0);
}
