#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "audit_fixture.h"
#include "store/audit_journal.h"
#include "store/audit_reader.h"

using namespace av;
using namespace av::test;

namespace {

std::string json_of(const vault::AuditRecord& r) {
  std::string line;
  store::append_json(line, r);
  return line;
}

// The first journal of the directory.
std::filesystem::path only_file(const TempHome& home) {
  std::filesystem::path found;
  for (const auto& entry : std::filesystem::directory_iterator(home.paths().audit())) {
    if (entry.path().extension() == ".jsonl" && (found.empty() || entry.path() < found)) {
      found = entry.path();
    }
  }
  return found;
}

std::unique_ptr<store::AuditJournal> journal(const TempHome& home, const std::string& name) {
  static const SystemClock clock;
  REQUIRE(fs::make_private_directory(home.paths().data));
  const bool fresh = !std::filesystem::exists(home.paths().audit() / store::kRootFile);
  auto chain = store::RootChain::with_key(home.paths().audit(), audit_key('k'), clock, fresh);
  REQUIRE(chain);
  auto created = store::AuditJournal::create(home.paths().audit(), name, std::move(*chain));
  REQUIRE(created);
  return std::move(*created);
}

// event-1 to event-5.
std::filesystem::path closed_journal_of_five(const TempHome& home) {
  auto log = journal(home, "run");
  for (int i = 1; i <= 5; ++i) {
    REQUIRE(log->append(record(1000 * i, "event-" + std::to_string(i))));
  }
  return only_file(home);
}

// Files that are still warm may be in the middle of a line.
void age(const std::filesystem::path& path) {
  std::filesystem::last_write_time(
      path, std::filesystem::file_time_type::clock::now() - std::chrono::seconds(60));
}

}  // namespace

TEST_CASE("audit: a record is one line of JSON with what it has and nothing else",
          "[store][audit]") {
  vault::AuditRecord r = record(1'700'000'000'123, "request");
  CHECK(json_of(r) == R"({"time":"2023-11-14T22:13:20.123Z","event":"request"})");
  r.vault = "default";
  r.agent = "a\"b\\c\n\x1b";
  r.run = "r1";
  r.request = 7;
  r.method = "POST";
  r.scheme = "https";
  r.host = "api.example.com";
  r.port = 443;
  r.path = "/v1/caf\xc3\xa9";
  r.service = "svc";
  r.credentials = {"ONE", "TWO"};
  r.rule = "rule";
  r.decision = "allow";
  r.status = 200;
  r.bytes_in = 1;
  r.bytes_out = 18446744073709551615ULL;
  r.latency_us = -5;
  r.upstream = "192.0.2.1:443";
  r.error = "dns";
  r.detail = "text";
  const auto json = nlohmann::json::parse(json_of(r));
  CHECK(json.size() == 22);
  CHECK(json["agent"] == "a\"b\\c\n\x1b");
  CHECK(json["path"] == "/v1/caf\xc3\xa9");
  CHECK(json["credentials"] == nlohmann::json::array({"ONE", "TWO"}));
  CHECK(json["bytes_out"] == 18446744073709551615ULL);
  CHECK(json["latency_us"] == -5);
}

TEST_CASE("audit: what is appended is read back in the order of time", "[store][audit]") {
  const TempHome home;
  auto one = journal(home, "one");
  auto two = journal(home, "two");
  REQUIRE(one->append(record(1000, "first")));
  REQUIRE(two->append(record(2000, "second")));
  REQUIRE(one->append(record(3000, "third")));
  REQUIRE(two->append(record(4000, "fourth")));
  store::AuditReader reader(home.paths().audit());
  const auto events = [](const std::vector<store::AuditEntry>& entries) {
    std::vector<std::string> names;
    for (const auto& entry : entries) {
      names.push_back(entry.record.event);
    }
    return names;
  };
  auto all = reader.read(0, 0, {});
  REQUIRE(all);
  CHECK(events(*all) == std::vector<std::string>{"first", "second", "third", "fourth"});
  CHECK(all->at(1).record.time_ms == 2000);
  CHECK(reader.defects().empty());

  // Only what is new, also from files that are new.
  REQUIRE(two->append(record(5000, "fifth")));
  REQUIRE(journal(home, "three")->append(record(6000, "sixth")));
  CHECK(events(*reader.poll({})) == std::vector<std::string>{"fifth", "sixth"});
  CHECK(reader.poll({})->empty());

  store::AuditReader limited(home.paths().audit());
  CHECK(events(*limited.read(2, 0, {})) == std::vector<std::string>{"fifth", "sixth"});
  store::AuditReader filtered(home.paths().audit());
  CHECK(events(*filtered.read(0, 4500, {})) == std::vector<std::string>{"fifth", "sixth"});
  struct stat info {};
  REQUIRE(::stat(only_file(home).c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0600);
}

TEST_CASE("audit: a log that is not there is empty", "[store][audit]") {
  const TempHome home;
  store::AuditReader reader(home.paths().audit());
  const auto entries = reader.read(0, 0, {});
  REQUIRE(entries);
  CHECK(entries->empty());
}

TEST_CASE("audit: an edit, a deletion and a reordering break the chain", "[store][audit]") {
  const TempHome home;
  const auto path = closed_journal_of_five(home);
  const std::string whole = contents(path);
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < whole.size();) {
    const std::size_t end = whole.find('\n', begin);
    lines.push_back(whole.substr(begin, end - begin + 1));
    begin = end + 1;
  }
  REQUIRE(lines.size() == 5);
  const auto rewrite = [&](const std::vector<std::string>& changed) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    for (const auto& line : changed) {
      file << line;
    }
  };
  std::vector<std::string> changed = lines;
  SECTION("untouched") {
    store::AuditReader reader(home.paths().audit());
    REQUIRE(reader.read(0, 0, {}));
    CHECK(reader.defects().empty());
    return;
  }
  SECTION("edited") {
    changed[2].replace(changed[2].find("event-3"), 7, "event-X");
  }
  SECTION("deleted") {
    changed.erase(changed.begin() + 2);
  }
  SECTION("reordered") {
    std::swap(changed[2], changed[3]);
  }
  SECTION("the first deleted") {
    changed.erase(changed.begin());
  }
  rewrite(changed);
  store::AuditReader reader(home.paths().audit());
  REQUIRE(reader.read(0, 0, {}));
  REQUIRE_FALSE(reader.defects().empty());
  CHECK(reader.defects().front().what == "hash chain broken");
}

TEST_CASE("audit: a torn last line is dropped and reported", "[store][audit]") {
  const TempHome home;
  {
    auto log = journal(home, "run");
    REQUIRE(log->append(record(1000, "whole")));
    REQUIRE(log->append(record(2000, "torn")));
  }
  const auto path = only_file(home);
  const std::string whole = contents(path);
  const std::size_t first = whole.find('\n') + 1;
  for (const std::size_t cut : {first + 1, first + 20, whole.size() - 30, whole.size() - 1}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << whole.substr(0, cut);
    age(path);
    store::AuditReader reader(home.paths().audit());
    const auto entries = reader.read(0, 0, {});
    REQUIRE(entries);
    REQUIRE(entries->size() == 1);
    CHECK(entries->front().record.event == "whole");
    REQUIRE(reader.defects().size() == 1);
    CHECK(reader.defects().front().what == "torn last line");
  }
}

TEST_CASE("audit: a line that is being written is waited for", "[store][audit]") {
  const TempHome home;
  {
    auto log = journal(home, "run");
    REQUIRE(log->append(record(1000, "first")));
    REQUIRE(log->append(record(2000, "second")));
  }
  const auto path = only_file(home);
  const std::string whole = contents(path);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << whole.substr(0, whole.size() - 40);
  store::AuditReader reader(home.paths().audit());
  CHECK(reader.read(0, 0, {})->size() == 1);
  CHECK(reader.defects().empty());
  std::ofstream(path, std::ios::binary | std::ios::app) << whole.substr(whole.size() - 40);
  CHECK(reader.poll({})->size() == 1);
  CHECK(reader.defects().empty());
}

TEST_CASE("audit: a write that fails is an error, and the next one is whole", "[store][audit]") {
  const TempHome home;
  auto log = journal(home, "run");
  REQUIRE(log->append(record(1000, "first")));
  const auto path = only_file(home);
  const auto size = std::filesystem::file_size(path);
  // A file size limit makes the kernel write a part and then refuse: a full disk in small.
  struct rlimit before {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  auto* const old_handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const std::size_t room : {std::size_t{10}, std::size_t{0}}) {
    const struct rlimit small = {size + room, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const Status failed = log->append(record(2000, "does not fit"));
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK_FALSE(failed);
    CHECK(std::filesystem::file_size(path) == size);
  }
  std::signal(SIGXFSZ, old_handler);
  REQUIRE(log->append(record(3000, "fits")));
  store::AuditReader reader(home.paths().audit());
  const auto entries = reader.read(0, 0, {});
  REQUIRE(entries);
  REQUIRE(entries->size() == 2);
  CHECK(entries->back().record.event == "fits");
  CHECK(reader.defects().empty());
}

namespace {

// Long and short lines, far beyond where a journal is mapped and across the borders of its windows.
std::string event_of(int i) {
  return "event-" + std::to_string(i) + std::string(static_cast<std::size_t>(i) * 37 % 900, 'x');
}

}  // namespace

TEST_CASE("audit: a journal that grows can be read at any time, and ends without zeros",
          "[store][audit]") {
  const TempHome home;
  auto log = journal(home, "run");
  const auto path = only_file(home);
  store::AuditReader follower(home.paths().audit());
  REQUIRE(follower.read(0, 0, {}));
  bool zeros = false;
  int seen = 0;
  for (int i = 0; i < 3000; ++i) {
    if (i % 3 == 2) {
      log->append_later(record(1000 + i, event_of(i)));
    } else {
      REQUIRE(log->append(record(1000 + i, event_of(i))));
    }
    if (i % 250 == 1) {
      const auto more = follower.poll({});
      REQUIRE(more);
      for (const auto& entry : *more) {
        CHECK(entry.record.event == event_of(seen++));
      }
      CHECK(seen == i + 1);
      zeros = zeros || contents(path).ends_with('\0');
    }
  }
  CHECK(zeros);
  // What a process leaves that is killed now: nothing is missing, and nothing looks wrong.
  const std::string killed = contents(path);
  log.reset();
  const std::string closed = contents(path);
  CHECK(closed.ends_with("\"}\n"));
  CHECK(closed == killed.substr(0, closed.size()));
  CHECK(killed.find_first_not_of('\0', closed.size()) == std::string::npos);
  for (const std::string& left : {killed, closed}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << left;
    age(path);
    store::AuditReader reader(home.paths().audit());
    const auto all = reader.read(0, 0, {});
    REQUIRE(all);
    REQUIRE(all->size() == 3000);
    for (int i = 0; i < 3000; ++i) {
      CHECK(all->at(static_cast<std::size_t>(i)).record.event == event_of(i));
    }
    CHECK(reader.defects().empty());
  }
  // Half a line, and what is still to come.
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      << closed.substr(0, closed.size() - 40) << std::string(1000, '\0');
  age(path);
  store::AuditReader reader(home.paths().audit());
  CHECK(reader.read(0, 0, {})->size() == 2999);
  REQUIRE(reader.defects().size() == 1);
  CHECK(reader.defects().front().what == "torn last line");
}

TEST_CASE("audit: zeros over a line hide that line only, and are reported", "[store][audit]") {
  const TempHome home;
  const auto path = closed_journal_of_five(home);
  const std::string whole = contents(path);
  const std::size_t second = whole.find('\n') + 1;
  const std::size_t size = whole.find('\n', second) - second;
  for (const std::size_t zeros : {std::size_t{1}, std::size_t{30}, size, size + 1, size + 2}) {
    std::string hole = whole;
    hole.replace(second, zeros, zeros, '\0');
    std::ofstream(path, std::ios::binary | std::ios::trunc) << hole << std::string(100, '\0');
    {
      // It may be a line that is being copied at this moment.
      store::AuditReader early(home.paths().audit());
      CHECK(early.read(0, 0, {})->size() == 1);
      CHECK(early.defects().empty());
    }
    age(path);
    store::AuditReader reader(home.paths().audit());
    const auto entries = reader.read(0, 0, {});
    REQUIRE(entries);
    // Without its end, the line takes the next one with it.
    const std::size_t lost = zeros > size ? 2 : 1;
    CHECK(entries->size() == 5 - lost);
    CHECK(entries->back().record.event == "event-5");
    REQUIRE(reader.defects().size() == 2);
    CHECK(reader.defects()[0].what == "zeros in the middle");
    CHECK(reader.defects()[1].what == "hash chain broken");
    CHECK(reader.poll({})->empty());
    CHECK(reader.defects().size() == 2);
  }
}

TEST_CASE("audit: a mapped journal that cannot grow is an error, and the next line is whole",
          "[store][audit]") {
  const TempHome home;
  auto log = journal(home, "run");
  const auto path = only_file(home);
  int written = 0;
  const auto add = [&](const char* event) {
    const bool ok = log->append(record(1000 + written, event)).has_value();
    written += ok ? 1 : 0;
    return ok;
  };
  const std::string filler(900, 'x');
  while (!contents(path).ends_with('\0')) {
    REQUIRE(add(filler.c_str()));
    REQUIRE(written < 1000);
  }
  struct rlimit before {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  auto* const old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small = {std::filesystem::file_size(path), before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  while (add(filler.c_str()) && written < 5000) {
  }
  const bool again = add(filler.c_str());
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, old_handler);
  CHECK(written < 5000);
  CHECK_FALSE(again);
  for (int i = 0; i < 600; ++i) {
    REQUIRE(add("fits"));
  }
  log.reset();
  store::AuditReader reader(home.paths().audit());
  const auto entries = reader.read(0, 0, {});
  REQUIRE(entries);
  CHECK(entries->size() == static_cast<std::size_t>(written));
  CHECK(entries->back().record.event == "fits");
  CHECK(reader.defects().empty());
}

TEST_CASE("audit: zeros that a killed process left are read once, and what follows them is seen",
          "[store][audit]") {
  const TempHome home;
  const auto path = closed_journal_of_five(home);
  const std::string whole = contents(path);
  const std::size_t fourth = whole.rfind('\n', whole.size() - 2) + 1;
  overwrite(path, whole.substr(0, fourth) + std::string(200'000, '\0'));
  age(path);
  const auto bytes_read = [] {
    std::ifstream io("/proc/self/io");
    std::string word;
    std::uint64_t bytes = 0;
    io >> word >> bytes;
    return bytes;
  };
  store::AuditReader reader(home.paths().audit());
  REQUIRE(reader.read(0, 0, {})->size() == 4);
  REQUIRE(reader.poll({})->empty());
  const std::uint64_t before = bytes_read();
  for (int i = 0; i < 50; ++i) {
    REQUIRE(reader.poll({})->empty());
  }
  // A look at a byte or so each time; what /proc itself gives is in it.
  CHECK(bytes_read() - before < 20'000);
  // A mapped page may change without the file's times: the last line appears.
  const auto time = std::filesystem::last_write_time(path);
  overwrite(path, whole + std::string(fourth + 200'000 - whole.size(), '\0'));
  std::filesystem::last_write_time(path, time);
  CHECK(reader.poll({})->size() == 1);
  CHECK(reader.defects().empty());
}
