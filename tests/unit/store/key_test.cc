#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "store/key_file.h"
#include "temp_home.h"

using namespace av;
using namespace av::test;
using store::KeyMode;

namespace {

Error stop() {
  return make_error(ErrorCode::kInternal, "stopped by the test");
}

// Makes the next change of key stop after `step`, as kill -9 would.
void crash_after(store::SqliteStore& store, std::string step) {
  store.test_only_keys().test_only_step = [step](std::string_view at) -> Status {
    return at == step ? Status(stop()) : Status{};
  };
}

}  // namespace

TEST_CASE("key: file mode needs the file it was made with", "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  {
    auto store = open_store(home, clock);
    REQUIRE(store);
    REQUIRE(set(**store, "KEY", "value"));
    CHECK((*store)->key_status()->mode == KeyMode::kFile);
  }
  const auto file = home.paths().key_file();
  ErrorCode expected = ErrorCode::kLocked;
  SECTION("missing") {
    std::filesystem::remove(file);
  }
  SECTION("of another store") {
    REQUIRE(store::write_key_file(file, secret(std::string(32, 'k'))));
  }
  SECTION("not a key file") {
    std::ofstream(file) << "hello\n";
  }
  SECTION("empty") {
    std::ofstream(file, std::ios::trunc).flush();
  }
  const bool had_file = exists(file);
  const auto store = open_store(home, clock);
  REQUIRE_FALSE(store);
  CHECK(store.error().code == expected);
  CHECK(store.error().hint.find("key file") != std::string::npos);
  CHECK(exists(file) == had_file);
}

TEST_CASE("key: SECRET_ENCRYPTION_KEY mode", "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  {
    auto store = open_store(home, clock, with_key('a'));
    REQUIRE(store);
    REQUIRE(set(**store, "KEY", "value"));
    CHECK((*store)->key_status()->mode == KeyMode::kEnvironment);
    CHECK_FALSE(exists(home.paths().key_file()));
    REQUIRE((*store)->rotate_key({}));
  }
  CHECK(open_store(home, clock).error().code == ErrorCode::kLocked);
  CHECK(open_store(home, clock, with_key('b')).error().code == ErrorCode::kLocked);
  auto store = open_store(home, clock, with_key('a'));
  REQUIRE(store);
  CHECK(get(**store, "KEY") == "value");
}

TEST_CASE("key: passphrase mode, set and removed", "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  {
    auto store = open_store(home, clock);
    REQUIRE(store);
    REQUIRE(set(**store, "KEY", "value"));
    CHECK((*store)->remove_passphrase().error().code == ErrorCode::kInvalid);
    REQUIRE((*store)->set_passphrase(secret("correct horse")));
    CHECK((*store)->key_status()->mode == KeyMode::kPassphrase);
    CHECK((*store)->key_status()->detail == "Argon2id t=3 m=65536 p=4");
    CHECK_FALSE(exists(home.paths().key_file()));
    CHECK(get(**store, "KEY") == "value");
  }
  CHECK(open_store(home, clock).error().code == ErrorCode::kLocked);
  CHECK(open_store(home, clock, with_passphrase("wrong")).error().message == "wrong passphrase");
  {
    auto store = open_store(home, clock, with_passphrase("correct horse"));
    REQUIRE(store);
    CHECK(get(**store, "KEY") == "value");
    REQUIRE((*store)->rotate_key({}));
    CHECK(get(**store, "KEY") == "value");
  }
  {
    auto store = open_store(home, clock, with_passphrase("correct horse"));
    REQUIRE(store);
    CHECK((*store)->key_status()->generation == 2);
    REQUIRE((*store)->remove_passphrase());
    CHECK(exists(home.paths().key_file()));
  }
  auto store = open_store(home, clock);
  REQUIRE(store);
  CHECK(get(**store, "KEY") == "value");
}

TEST_CASE("key: a first start with a passphrase makes a store without a key file", "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  auto store = open_store(home, clock, with_passphrase("from the environment"));
  REQUIRE(store);
  CHECK((*store)->key_status()->mode == KeyMode::kPassphrase);
  CHECK_FALSE(exists(home.paths().key_file()));
}

TEST_CASE("key: rotation re-seals everything under a new key", "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  auto opened = open_store(home, clock);
  REQUIRE(opened);
  store::Store& store = **opened;
  REQUIRE(set(store, "KEY", "one"));
  REQUIRE(set(store, "KEY", "two"));
  REQUIRE(store.put_item("ca", {"certificate", secret("ca key")}));
  const auto snapshot = store.load_snapshot("default");
  const auto old_ring = store.key_ring();
  const Secret old_file = *store::read_key_file(home.paths().key_file());
  std::uint64_t calls = 0;
  REQUIRE(store.rotate_key([&](std::uint64_t done, std::uint64_t total) {
    CHECK(done <= total);
    ++calls;
  }));
  CHECK(calls == 2);
  CHECK_FALSE(store.key_ring()->data_key().equals(old_ring->data_key()));
  CHECK_FALSE(store::read_key_file(home.paths().key_file())->equals(old_file));
  CHECK_FALSE(exists(home.paths().data / "key.new"));
  CHECK(get(store, "KEY") == "two");
  CHECK(*store.rollback_credential("default", "KEY", 1) == 3);
  CHECK(get(store, "KEY") == "one");
  CHECK(reveal((*store.get_item("ca"))->secret_part) == "ca key");
  // What the old key sealed, the new one does not open.
  const auto& sealed = (*snapshot)->credentials.find("KEY")->second;
  CHECK_FALSE(
      store.key_ring()->open({(*snapshot)->vault_uid, "credential", "KEY", 2}, sealed.sealed));
}

TEST_CASE("key: a rotation that stops anywhere leaves a store that opens", "[store][key][crash]") {
  const TempHome home;
  const TickingClock clock;
  const std::string step = GENERATE("key written", "saved", "committed");
  CAPTURE(step);
  {
    auto store = open_store(home, clock);
    REQUIRE(store);
    REQUIRE(set(**store, "KEY", "value"));
    crash_after(**store, step);
    CHECK_FALSE((*store)->rotate_key({}));
  }
  auto store = open_store(home, clock);
  REQUIRE(store);
  CHECK(get(**store, "KEY") == "value");
  CHECK((*store)->key_status()->generation == (step == "committed" ? 2 : 1));
  CHECK_FALSE(exists(home.paths().data / "key.new"));
  REQUIRE((*store)->rotate_key({}));
  store = open_store(home, clock);
  REQUIRE(store);
  CHECK(get(**store, "KEY") == "value");
}

TEST_CASE("key: a change of mode that stops anywhere leaves a store that opens",
          "[store][key][crash]") {
  const TempHome home;
  const TickingClock clock;
  SECTION("to a passphrase") {
    const std::string step = GENERATE("saved", "committed");
    CAPTURE(step);
    {
      auto store = open_store(home, clock);
      REQUIRE(store);
      REQUIRE(set(**store, "KEY", "value"));
      crash_after(**store, step);
      CHECK_FALSE((*store)->set_passphrase(secret("passphrase")));
    }
    auto store = open_store(home, clock, with_passphrase("passphrase"));
    REQUIRE(store);
    CHECK(get(**store, "KEY") == "value");
    CHECK(exists(home.paths().key_file()) == (step == "saved"));
  }
  SECTION("to a key file") {
    const std::string step = GENERATE("key written", "saved", "committed");
    CAPTURE(step);
    {
      auto store = open_store(home, clock, with_passphrase("passphrase"));
      REQUIRE(store);
      REQUIRE(set(**store, "KEY", "value"));
      crash_after(**store, step);
      CHECK_FALSE((*store)->remove_passphrase());
    }
    auto store = open_store(home, clock, with_passphrase("passphrase"));
    REQUIRE(store);
    CHECK(get(**store, "KEY") == "value");
    CHECK((*store)->key_status()->mode ==
          (step == "committed" ? KeyMode::kFile : KeyMode::kPassphrase));
    CHECK_FALSE(exists(home.paths().data / "key.new"));
  }
}

TEST_CASE("key: a rotation over a damaged value changes nothing", "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  auto store = open_store(home, clock);
  REQUIRE(store);
  REQUIRE(set(**store, "GOOD", "value"));
  REQUIRE(set(**store, "BAD", "value"));
  tamper(home,
         "UPDATE credential_version SET sealed = zeroblob(40) WHERE credential_id ="
         " (SELECT id FROM credential WHERE key = 'BAD')");
  const auto rotated = (*store)->rotate_key({});
  REQUIRE_FALSE(rotated);
  CHECK(rotated.error().code == ErrorCode::kCorrupt);
  CHECK(rotated.error().message.find("BAD") != std::string::npos);
  CHECK((*store)->key_status()->generation == 1);
  CHECK(get(**store, "GOOD") == "value");
}

TEST_CASE("key: an open store follows a rotation by another process", "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  const bool passphrase = GENERATE(false, true);
  CAPTURE(passphrase);
  const auto sources = [&] { return passphrase ? with_passphrase("pass") : store::KeySources{}; };
  auto one = open_store(home, clock, sources());
  auto two = open_store(home, clock, sources());
  REQUIRE(one);
  REQUIRE(two);
  REQUIRE(set(**one, "KEY", "before"));
  const auto before = (*one)->key_ring();
  REQUIRE((*two)->rotate_key({}));
  const auto snapshot = (*one)->load_snapshot("default");
  REQUIRE(snapshot);
  CHECK((*one)->key_ring() != before);
  CHECK(get(**one, "KEY") == "before");
  REQUIRE((*two)->rotate_key({}));
  // A write must not seal under the key that is gone.
  REQUIRE(set(**one, "KEY", "after"));
  CHECK(get(**two, "KEY") == "after");
}

TEST_CASE("key: an open store cannot follow into an unknown passphrase", "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  auto one = open_store(home, clock);
  auto two = open_store(home, clock);
  REQUIRE(one);
  REQUIRE(two);
  REQUIRE(set(**one, "KEY", "value"));
  REQUIRE((*two)->set_passphrase(secret("passphrase")));
  CHECK(get(**one, "KEY") == "value");  // the data key is the same
  REQUIRE((*two)->rotate_key({}));
  const auto snapshot = (*one)->load_snapshot("default");
  REQUIRE_FALSE(snapshot);
  CHECK(snapshot.error().code == ErrorCode::kLocked);
}

TEST_CASE("key: the wrapped key is bound to the rest of its row", "[store][key][security]") {
  const TempHome home;
  const TickingClock clock;
  REQUIRE(open_store(home, clock));
  tamper(home, "UPDATE key SET generation = 7");
  const auto store = open_store(home, clock);
  REQUIRE_FALSE(store);
  CHECK(store.error().code == ErrorCode::kCorrupt);
}

TEST_CASE("key: absurd Argon2id parameters are refused, not computed", "[store][key][security]") {
  const TempHome home;
  const TickingClock clock;
  REQUIRE(open_store(home, clock, with_passphrase("passphrase")));
  tamper(home, "UPDATE key SET descriptor = replace(descriptor, 'm=65536', 'm=4000000000')");
  const auto store = open_store(home, clock, with_passphrase("passphrase"));
  REQUIRE_FALSE(store);
  CHECK(store.error().code == ErrorCode::kCorrupt);
}

TEST_CASE("key: another connection is unlocked without asking, and follows a rotation",
          "[store][key]") {
  TempHome home;
  TickingClock clock;
  int asked = 0;
  store::KeySources sources;
  sources.passphrase_from_environment = false;
  sources.passphrase = [&asked](bool) {
    ++asked;
    return Secret::copy_of("correct horse");
  };
  {
    const auto made = store::Store::open(home.paths(), {}, clock);
    REQUIRE(made);
    REQUIRE((*made)->set_passphrase(secret("correct horse")));
  }
  auto one = store::Store::open(home.paths(), std::move(sources), clock);
  REQUIRE(one);
  REQUIRE(asked == 1);
  auto two = (*one)->another();
  REQUIRE(two);
  std::vector<store::Store::NewValue> values;
  values.push_back({"KEY", secret("of another")});
  REQUIRE((*two)->set_credentials("default", values, "set"));
  const auto seen = (*one)->get_credential("default", "KEY");
  REQUIRE(seen);
  CHECK(reveal(*seen) == "of another");
  SECTION("a new data key under the same passphrase is followed") {
    REQUIRE((*one)->rotate_key({}));
    const auto again = (*two)->get_credential("default", "KEY");
    REQUIRE(again);
    CHECK(reveal(*again) == "of another");
  }
  SECTION("a new passphrase and data key lock it, and nobody is asked") {
    REQUIRE((*one)->set_passphrase(secret("battery staple")));
    REQUIRE((*one)->rotate_key({}));
    const auto locked = (*two)->get_credential("default", "KEY");
    REQUIRE_FALSE(locked);
    CHECK(locked.error().code == ErrorCode::kLocked);
  }
  CHECK(asked == 1);
  // It outlives the one that it came from.
  one = store::Store::open(home.paths(), with_passphrase("wrong"), clock);
  CHECK((*two)->list_vaults());
}

TEST_CASE("key: two connections of one process lose neither their locks nor what others write",
          "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  int ask[2];
  int answer[2];
  REQUIRE((::pipe(ask) == 0 && ::pipe(answer) == 0));
  // Before this process has a connection: a child must not inherit one. It does what another
  // agent-vault does each time: open, write, close.
  const pid_t writer = ::fork();
  if (writer == 0) {
    char number = 0;
    while (::read(ask[0], &number, 1) == 1 && number != 0) {
      auto store = open_store(home, clock);
      const char done = store && set(**store, "KEY", std::string("value ") + number) ? 'y' : 'n';
      if (store) {
        store->reset();
      }
      (void)!::write(answer[1], &done, 1);
    }
    ::_exit(0);
  }
  const auto write_there = [&](char number) {
    char done = 0;
    REQUIRE(::write(ask[1], &number, 1) == 1);
    REQUIRE(::read(answer[0], &done, 1) == 1);
    CHECK(done == 'y');
  };
  write_there('0');
  {
    auto one = open_store(home, clock);
    REQUIRE(one);
    auto two = (*one)->another();
    REQUIRE(two);
    for (const char number : {'1', '2', '3'}) {
      const auto before = (*one)->change_counter();
      write_there(number);
      CHECK(*(*one)->change_counter() != *before);
      auto seen = (*two)->get_credential("default", "KEY");
      REQUIRE(seen);
      CHECK(reveal(*seen) == std::string("value ") + number);
    }
  }
  const char end = 0;
  REQUIRE(::write(ask[1], &end, 1) == 1);
  REQUIRE(::waitpid(writer, nullptr, 0) == writer);
}
