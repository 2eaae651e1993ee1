#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <random>
#include <thread>

#include "audit_fixture.h"
#include "store/audit_dead.h"

using namespace av;
using namespace av::test;

namespace {

bool mentions(const store::VerifyReport& report, const std::string& part) {
  for (const std::string& text : AuditHome::words(report.problems)) {
    if (text.find(part) != std::string::npos) {
      return true;
    }
  }
  return false;
}

// A run that is killed: its journal has no end, and room behind its last line.
std::filesystem::path killed_journal(AuditHome& home, int records, bool marked) {
  home.journal_of("warm", 1);  // so that the chain is there
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto log = store::AuditJournal::create(
        home.directory(), "killed",
        *store::RootChain::with_key(home.directory(), audit_key('k'), home.clock(), false));
    for (int i = 1; i <= records; ++i) {
      (void)(*log)->append(record(1000 * i, "event-" + std::to_string(i) + std::string(400, 'x')));
    }
    if (marked) {
      ::usleep(1'400'000);
    }
    (void)!::write(ready[1], "x", 1);
    ::pause();
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  ::kill(child, SIGKILL);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  ::close(ready[0]);
  ::close(ready[1]);
  return home.find("killed");
}

// As anybody can who may write the file: one more record, with a right hash.
void forge_record(const std::filesystem::path& path) {
  const std::string whole = contents(path);
  overwrite(path, whole.substr(0, whole.find('\0')));
  auto lines = lines_of(path);
  lines.push_back(lines.back());
  write_lines(path, lines);
  rehash(path);
  overwrite(path,
            contents(path) + std::string(whole.size() - whole.find_last_not_of('\0') - 1, '\0'));
}

std::size_t dead_in(const AuditHome& home) {
  std::size_t count = 0;
  for (const std::string& line : lines_of(home.root())) {
    count += line.find("\"type\":\"dead\"") != std::string::npos ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("audit verify: each way to doctor the files is found", "[store][audit][security]") {
  AuditHome home;
  const auto one = home.journal_of("one", 5);
  const auto two = home.journal_of("two", 5);
  home.journal_of("three", 3);
  const std::string one_name = one.filename().string();
  REQUIRE(home.verify().problems.count() == 0);
  const auto kept_head = home.verify().head;
  auto lines = lines_of(one);
  auto root = lines_of(home.root());

  struct Case {
    const char* name;
    std::function<void()> tamper;
    std::string found;
  };
  const std::vector<Case> cases = {
      {"a byte edited",
       [&] {
         lines[2].replace(lines[2].find("event-3"), 7, "event-X");
         write_lines(one, lines);
       },
       one_name + ":3"},
      {"a byte edited and the hashes made right",
       [&] {
         lines[2].replace(lines[2].find("event-3"), 7, "event-X");
         write_lines(one, lines);
         rehash(one);
       },
       one_name + ":1 lines 1 to 5 are not those"},
      {"a row deleted",
       [&] {
         lines.erase(lines.begin() + 2);
         write_lines(one, lines);
       },
       one_name + ":3"},
      {"a row deleted and the hashes made right",
       [&] {
         lines.erase(lines.begin() + 2);
         write_lines(one, lines);
         rehash(one);
       },
       one_name + ":5 the end was cut off"},
      {"two rows swapped",
       [&] {
         std::swap(lines[1], lines[2]);
         write_lines(one, lines);
       },
       one_name + ":2"},
      {"the tail cut",
       [&] {
         lines.resize(3);
         write_lines(one, lines);
       },
       one_name + ":4 the end was cut off"},
      {"all rows cut", [&] { overwrite(one, ""); }, one_name + ":1 the end was cut off"},
      {"a row inserted",
       [&] {
         lines.insert(lines.begin() + 2, lines[1]);
         write_lines(one, lines);
       },
       one_name + ":3"},
      {"a row added at the end with a right hash",
       [&] {
         lines.push_back(lines.back());
         write_lines(one, lines);
         rehash(one);
       },
       one_name + ":6 lines were added"},
      {"half a row added at the end",
       [&] { overwrite(one, contents(one) + lines[0].substr(0, 20)); }, one_name + ":6"},
      {"a file deleted", [&] { std::filesystem::remove(one); }, one_name + ":0 is gone"},
      {"a file added",
       [&] {
         const auto added = home.directory() / "20260101T000000.000Z-cli-1.jsonl";
         write_lines(added, lines);
         rehash(added);
       },
       "20260101T000000.000Z-cli-1.jsonl:0 no line of the chain names"},
      {"two files swapped",
       [&] {
         const std::string text = contents(one);
         overwrite(one, contents(two));
         overwrite(two, text);
       },
       one_name + ":1"},
      {"two files swapped, the hashes made right",
       [&] {
         const std::string text = contents(one);
         overwrite(one, contents(two) + contents(two));
         overwrite(two, text);
         rehash(one);
         rehash(two);
       },
       one_name},
      {"a file renamed",
       [&] { std::filesystem::rename(one, home.directory() / "20260101T000000.000Z-x.jsonl"); },
       one_name + ":0 is gone"},
      {"the root edited",
       [&] {
         root[1].replace(root[1].find("\"open\""), 6, "\"opeN\"");
         write_lines(home.root(), root);
       },
       "root.chain:2"},
      {"the root's end cut",
       [&] {
         root.resize(root.size() - 1);
         write_lines(home.root(), root);
       },
       "root.chain:7 the end of the chain was cut off"},
      {"a line cut out of the root",
       [&] {
         root.erase(root.begin() + 3);
         write_lines(home.root(), root);
       },
       "root.chain:4"},
      {"the root removed", [&] { std::filesystem::remove(home.root()); }, "root.chain:0 is gone"},
      {"the head removed", [&] { std::filesystem::remove(home.head()); }, "root.head:0 is gone"},
      {"the head signed by another key",
       [&] {
         const auto last = store::parse_head_line(contents(home.head()));
         overwrite(home.head(), *store::head_line(last->position, audit_key('o')));
       },
       "root.head:1"},
      {"the root cut and an older line of it taken for the head",
       [&] {
         root.resize(3);
         write_lines(home.root(), root);
         const auto entry =
             store::parse_root_line(std::string_view(root[2]).substr(0, root[2].size() - 1));
         overwrite(home.head(), *store::head_line({entry->n, entry->hash}, audit_key('o')));
       },
       "root.head:1"},
      {"the root replaced by one under another key",
       [&] {
         AuditHome other('o');
         other.journal_of("other", 2);
         std::filesystem::copy(other.root(), home.root(),
                               std::filesystem::copy_options::overwrite_existing);
         std::filesystem::copy(other.head(), home.head(),
                               std::filesystem::copy_options::overwrite_existing);
       },
       "which is not the key that is asked for"},
      {"everything replaced by a log under another key",
       [&] {
         AuditHome other('o');
         other.journal_of("other", 2);
         std::filesystem::remove_all(home.directory());
         std::filesystem::copy(other.directory(), home.directory());
       },
       "which is not the key that is asked for"},
  };
  const auto backup = home.home().root() / "backup";
  std::filesystem::copy(home.directory(), backup);
  for (const Case& one_case : cases) {
    INFO(one_case.name);
    std::filesystem::remove_all(home.directory());
    std::filesystem::copy(backup, home.directory());
    lines = lines_of(one);
    root = lines_of(home.root());
    one_case.tamper();
    const auto report = home.verify();
    CHECK(report.problems.count() != 0);
    CAPTURE(AuditHome::words(report.problems));
    CHECK(mentions(report, one_case.found));
  }

  // An older copy of everything is as it was written, so only what was kept elsewhere tells.
  std::filesystem::remove_all(home.directory());
  std::filesystem::copy(backup, home.directory());
  home.journal_of("four", 2);
  const auto newer = home.verify(kept_head);
  CHECK(newer.problems.count() == 0);
  std::filesystem::remove_all(home.directory());
  std::filesystem::copy(backup, home.directory());
  CHECK(home.verify().problems.count() == 0);
  CHECK(mentions(home.verify(newer.head), "does not reach the head that was kept"));
}

TEST_CASE("audit verify: a change of any byte of any file is found", "[store][audit][security]") {
  AuditHome home;
  home.journal_of("one", 4);
  const auto killed = killed_journal(home, 200, true);
  REQUIRE(home.verify().problems.count() == 0);
  REQUIRE(contents(killed).ends_with('\0'));
  std::mt19937 random(20260131);
  for (const auto& entry : std::filesystem::directory_iterator(home.directory())) {
    const std::string whole = contents(entry.path());
    // All bytes of what is short; of the long one its borders and a sample.
    for (std::size_t i = 0; i < whole.size();) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ (1 + random() % 255));
      overwrite(entry.path(), changed);
      const auto report = home.verify();
      if (report.problems.count() + report.notices.count() == 0) {
        FAIL_CHECK(entry.path().filename() << ": byte " << i << " of " << whole.size());
      }
      i += whole.size() > 20'000 ? 1 + random() % 1500 : 1 + random() % 3;
    }
    overwrite(entry.path(), whole);
  }
  CHECK(home.verify().problems.count() == 0);
  CHECK(home.verify().notices.count() == 0);
}

TEST_CASE("audit verify: what a killed process leaves is no defect, and its marks hold",
          "[store][audit]") {
  AuditHome home;
  const auto path = killed_journal(home, 200, true);
  const std::string whole = contents(path);
  REQUIRE(whole.ends_with('\0'));
  auto report = home.verify();
  CHECK(AuditHome::words(report.problems).empty());
  CHECK(report.records == 201);
  const std::size_t end = whole.find('\0');
  // Cut below the mark, at a line and within one.
  const std::size_t line = whole.rfind('\n', end - 2) + 1;
  for (const std::size_t cut : {line, line - 1, line + 5, end - 1}) {
    overwrite(path, whole.substr(0, cut));
    CHECK(mentions(home.verify(), " the end was cut off"));
  }
  // Rewritten with right hashes.
  overwrite(path, whole.substr(0, end));
  auto lines = lines_of(path);
  lines[150].replace(lines[150].find("event-151"), 9, "event-XXX");
  write_lines(path, lines);
  rehash(path);
  CHECK(mentions(home.verify(), "are not those that line"));
  // Text in the room behind the end.
  std::string text_behind = whole;
  text_behind[end + 1000] = 'x';
  overwrite(path, text_behind);
  CHECK(mentions(home.verify(), "what follows is not a record"));
}

TEST_CASE("audit verify: a torn last line is told and is no defect, unless it was signed for",
          "[store][audit]") {
  AuditHome home;
  const auto path = killed_journal(home, 3, false);
  const std::string whole = contents(path);
  REQUIRE(home.verify().problems.count() == 0);
  overwrite(path, whole.substr(0, whole.size() - 30));
  const auto report = home.verify();
  CHECK(AuditHome::words(report.problems).empty());
  REQUIRE(report.notices.count() == 1);
  CHECK(report.notices.list().front().line == 3);
  // The next that writes is not glued to anything, and does not hide it.
  home.journal_of("next", 1);
  CHECK(home.verify().problems.count() == 0);
  CHECK(home.verify().notices.count() == 1);
}

TEST_CASE("audit verify: a log that is being written to is as it should be", "[store][audit]") {
  AuditHome home;
  auto log = home.journal("run");
  for (int i = 0; i < 600; ++i) {
    REQUIRE(log->append(record(1000 + i, "event" + std::string(300, 'x'))));
    if (i % 20 == 0) {
      const auto report = home.verify();
      CAPTURE(AuditHome::words(report.problems));
      CHECK(report.problems.count() + report.notices.count() == 0);
      CHECK(report.records == static_cast<std::uint64_t>(i) + 1);
    }
  }
}

TEST_CASE("audit verify: what was pruned is signed away, and nothing else may go",
          "[store][audit]") {
  AuditHome home;
  for (int i = 0; i < 3; ++i) {
    home.journal_of("old" + std::to_string(i), 4);
  }
  auto live = home.journal("live");
  REQUIRE(live->append(record(1000)));
  const std::int64_t before = home.clock().wall_ms() + 1000;
  // The times of the records count: these are of 1970.
  const auto doctored = home.find("old2");
  auto lines = lines_of(doctored);
  lines[1].replace(lines[1].find("event-2"), 7, "event-X");
  write_lines(doctored, lines);
  const auto plan = store::plan_prune(home.directory(), before);
  REQUIRE(plan);
  REQUIRE(plan->files.size() == 2);
  CHECK(plan->records == 8);
  CHECK(plan->refused.count() == 1);

  // Signed, and then killed before the files are gone.
  const auto backup = home.home().root() / "backup";
  std::filesystem::copy(home.directory(), backup);
  REQUIRE(store::prune(home.directory(), *plan, before, *home.chain()));
  auto report = home.verify();
  CHECK(report.problems.count() == 1);  // the doctored one
  CHECK(report.pruned_files == 2);
  CHECK(report.pruned_records == 8);
  const std::string victim = plan->files[0].file;
  std::filesystem::copy(backup / victim, home.directory() / victim);
  report = home.verify();
  CHECK(report.problems.count() == 1);
  CHECK(report.notices.count() == 1);
  const auto rest = store::plan_prune(home.directory(), before);
  REQUIRE(rest);
  CHECK(rest->files.empty());
  CHECK(rest->leftovers == std::vector<std::string>{victim});
  REQUIRE(store::prune(home.directory(), *rest, before, *home.chain()));
  CHECK_FALSE(std::filesystem::exists(home.directory() / victim));
  CHECK(home.verify().notices.count() == 0);
  live.reset();
  std::filesystem::remove(home.find("live"));
  CHECK(mentions(home.verify(), "is gone"));
}

TEST_CASE("audit verify: more journals than fit one line of the chain are pruned together",
          "[store][audit]") {
  AuditHome home;
  for (int i = 0; i < 70; ++i) {
    home.journal_of("old" + std::to_string(i), 1);
  }
  const std::int64_t before = home.clock().wall_ms() + 1000;
  const auto plan = store::plan_prune(home.directory(), before);
  REQUIRE(plan);
  REQUIRE(plan->files.size() == 70);
  REQUIRE(store::prune(home.directory(), *plan, before, *home.chain()));
  const auto report = home.verify();
  CHECK(AuditHome::words(report.problems).empty());
  CHECK(report.files == 0);
  CHECK(report.pruned_files == 70);
}

TEST_CASE(
    "audit verify: nothing is added to the journal of a killed process once another has begun",
    "[store][audit][security]") {
  AuditHome home;
  const bool marked = GENERATE(false, true);
  const auto path = killed_journal(home, marked ? 200 : 3, marked);
  const std::string whole = contents(path);
  CHECK(whole.ends_with('\0') == marked);
  // Until then it works, since hashes have no key.
  forge_record(path);
  CHECK(home.verify().problems.count() == 0);
  overwrite(path, whole);

  auto live = home.journal("live");
  REQUIRE(live->append(record(1000)));
  home.journal_of("next", 1);
  home.journal_of("later", 1);
  CHECK(dead_in(home) == 1);
  CHECK(contents(path) == whole);
  const auto report = home.verify();
  CHECK(AuditHome::words(report.problems).empty());
  CHECK(report.notices.count() == 0);
  forge_record(path);
  CHECK(mentions(home.verify(), "lines were added behind the end that was signed"));
  overwrite(path, whole);
  // Neither goes anything off its end, though no mark of its writer's says how long it was.
  const std::size_t end = std::min(whole.find('\0'), whole.size());
  overwrite(path, whole.substr(0, whole.rfind('\n', end - 2) + 1));
  CHECK(mentions(home.verify(), "the end was cut off"));
  overwrite(path, whole);
  live.reset();
  CHECK(AuditHome::words(home.verify().problems).empty());
  CHECK(dead_in(home) == 1);
}

TEST_CASE(
    "audit verify: of many killed journals each is signed once, some at a time, also far back",
    "[store][audit]") {
  AuditHome home;
  home.journal_of("warm", 1);
  constexpr int kJournals = 12;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto chain =
        *store::RootChain::with_key(home.directory(), audit_key('k'), home.clock(), false);
    std::vector<std::unique_ptr<store::AuditJournal>> journals;
    for (int i = 0; i < kJournals; ++i) {
      journals.push_back(
          *store::AuditJournal::create(home.directory(), "k" + std::to_string(i), chain));
      (void)journals.back()->append(record(1000));
    }
    (void)!::write(ready[1], "x", 1);
    ::pause();
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  const auto chain = home.chain();
  REQUIRE(store::sign_dead_journals(home.directory(), *chain, store::kLook));
  CHECK(dead_in(home) == 0);  // they live
  ::kill(child, SIGKILL);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  ::close(ready[0]);
  ::close(ready[1]);
  // What others write in the meantime: more than a short look takes in.
  const std::string before = contents(home.root());
  for (int i = 0; contents(home.root()).size() < before.size() + store::kLook; ++i) {
    store::RootEntry entry;
    entry.kind = i % 2 == 0 ? store::RootKind::kOpen : store::RootKind::kClose;
    entry.file = "p" + std::to_string(i / 2) + ".jsonl";
    REQUIRE(chain->append(entry));
  }
  REQUIRE(store::sign_dead_journals(home.directory(), *chain, store::kLook));
  CHECK(dead_in(home) == 0);
  REQUIRE(store::sign_dead_journals(home.directory(), *chain, store::kLookFar));
  const std::size_t first = dead_in(home);
  CHECK(first > 0);
  CHECK(first < kJournals);
  // Several at once sign the rest, and none twice.
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 4; ++k) {
        (void)store::sign_dead_journals(home.directory(), *chain, store::kLookFar);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(dead_in(home) == kJournals);
  store::RootScan root(home.directory(), {home.public_key(), std::nullopt});
  REQUIRE(root.catch_up());
  root.finish();
  CHECK(AuditHome::words(root.problems()).empty());
}

TEST_CASE("audit verify: a killed journal is signed however far back its last line lies",
          "[store][audit][security]") {
  AuditHome home;
  const auto path = killed_journal(home, 3, false);
  const auto chain = home.chain();
  // What others have done since: more than one look takes in, several times over.
  const auto size = [&] { return std::filesystem::file_size(home.root()); };
  const auto before = size();
  for (int i = 0; size() < before + 6 * store::kLook; ++i) {
    store::RootEntry entry;
    entry.kind = i % 3 == 0   ? store::RootKind::kOpen
                 : i % 3 == 1 ? store::RootKind::kMark
                              : store::RootKind::kClose;
    entry.file = "p" + std::to_string(i / 3) + ".jsonl";
    REQUIRE(chain->append(entry));
  }
  // The control: one look, also with a good deal of the chain, does not find it.
  REQUIRE(store::sign_dead_journals(home.directory(), *chain, 3 * store::kLook));
  CHECK(dead_in(home) == 0);
  store::DeadJournals dead(home.directory());
  int looks = 0;
  while (!dead.done() && looks < 100) {
    REQUIRE(dead.look(*chain, store::kLook));
    ++looks;
  }
  CHECK(dead.done());
  CHECK(looks >= 6);
  CHECK(dead_in(home) == 1);
  // Nothing is signed twice, and what dies later is found by the same.
  REQUIRE(dead.look(*chain, store::kLook));
  CHECK(dead_in(home) == 1);
  store::RootScan root(home.directory(), {home.public_key(), std::nullopt});
  REQUIRE(root.catch_up());
  CHECK(root.journals().at(path.filename().string()).found_dead);
  // The journals that others closed in any window are not taken for open.
  CHECK(std::none_of(root.journals().begin(), root.journals().end(), [](const auto& one) {
    return one.first.starts_with("p") && one.second.found_dead;
  }));
}

TEST_CASE("audit verify: what does not belong into the directory is told, and stops nothing",
          "[store][audit][security]") {
  AuditHome home;
  home.journal_of("one", 3);
  const auto two = home.journal_of("two", 3);
  const auto directory = home.directory();
  REQUIRE(home.verify().problems.count() == 0);
  const auto expect = [&](const std::string& what, std::size_t files = 2) {
    const auto report = home.verify();
    CAPTURE(AuditHome::words(report.problems));
    CHECK(report.problems.count() >= 1);
    CHECK(mentions(report, what));
    CHECK(report.files == files);  // the others were checked
  };
  SECTION("a directory") {
    std::filesystem::create_directory(directory / "more");
    expect("is a directory");
  }
  SECTION("a link") {
    std::filesystem::create_symlink("/nowhere", directory / "link");
    expect("is a symbolic link");
  }
  SECTION("a hidden file") {
    overwrite(directory / ".x", "x");
    expect("a file whose name agent-vault does not give");
  }
  SECTION("a name that poses") {
    overwrite(directory / "a\x1b[2J\xff\n.jsonl", "x");
    const auto report = home.verify();
    REQUIRE(report.problems.count() == 1);
    CHECK(report.problems.list().front().file == "a\\x1b[2J\\xff\\x0a.jsonl");
  }
  SECTION("a journal behind a link") {
    std::filesystem::rename(two, home.directory().parent_path() / "elsewhere");
    std::filesystem::create_symlink(home.directory().parent_path() / "elsewhere", two);
    expect("is a symbolic link, not the file that agent-vault wrote", 1);
  }
  SECTION("a pipe in place of a journal") {
    std::filesystem::remove(two);
    REQUIRE(::mkfifo(two.c_str(), 0600) == 0);
    expect("is no file, not the file that agent-vault wrote", 1);
  }
  SECTION("the chain behind a link") {
    std::filesystem::rename(home.root(), directory.parent_path() / "root");
    std::filesystem::create_symlink(directory.parent_path() / "root", home.root());
    expect("is a symbolic link", 0);
  }
}

TEST_CASE("audit verify: the place of a journal is found in pieces as in one", "[store][audit]") {
  AuditHome home;
  const auto path = home.journal_of("one", 20);
  const store::JournalPlace begin = {0, 0, store::first_hash(path.filename().string())};
  bool whole = false;
  const auto all = store::place_of_journal(path, begin, 1 << 20, whole);
  REQUIRE(all);
  CHECK(whole);
  CHECK(all->lines == 20);
  CHECK(all->bytes == contents(path).size());
  store::JournalPlace place = begin;
  int pieces = 0;
  for (whole = false; !whole; ++pieces) {
    const auto next = store::place_of_journal(path, place, 1, whole);
    REQUIRE(next);
    REQUIRE(next->lines <= place.lines + 1);
    place = *next;
  }
  CHECK(pieces == 21);
  CHECK(place.bytes == all->bytes);
  CHECK(place.head == all->head);
}
