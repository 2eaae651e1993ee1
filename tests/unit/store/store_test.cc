#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "core/encoding.h"
#include "temp_home.h"
#include "vault/service_codec.h"

using namespace av;
using namespace av::test;

namespace {

vault::Service bearer(const std::string& name, const std::string& host, const std::string& key) {
  return *vault::service_from_json(R"({"name":")" + name + R"(","host":")" + host +
                                   R"(","auth":{"type":"bearer","token":")" + key + R"("}})");
}

std::vector<std::string> service_names(store::Store& store) {
  std::vector<std::string> names;
  const auto services = store.list_services("default");
  REQUIRE(services);
  for (const auto& service : *services) {
    names.push_back(service.name);
  }
  return names;
}

unsigned mode_of(const std::filesystem::path& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777U;
}

}  // namespace

TEST_CASE("store: first use makes a private store with a default vault", "[store]") {
  const TempHome home;
  const TickingClock clock;
  const mode_t before = ::umask(0);
  auto store = open_store(home, clock);
  ::umask(before);
  REQUIRE(store);
  const auto vaults = (*store)->list_vaults();
  REQUIRE(vaults);
  REQUIRE(vaults->size() == 1);
  CHECK(vaults->front().name == "default");
  CHECK(vaults->front().unmatched == vault::UnmatchedPolicy::kPassthrough);
  REQUIRE(set(**store, "A_KEY", "value"));
  CHECK(mode_of(home.paths().data) == 0700);
  for (const auto& entry : std::filesystem::directory_iterator(home.paths().data)) {
    INFO(entry.path());
    CHECK(mode_of(entry.path()) == 0600);
  }
}

TEST_CASE("store: values of any bytes survive a restart and never stand in the file",
          "[store][credentials]") {
  const TempHome home;
  const TickingClock clock;
  std::string big;
  for (int i = 0; i < 65536; ++i) {
    big.push_back(static_cast<char>((i * 31 + i / 256) & 0xff));
  }
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"PLAIN", "canary-value-0123456789"},
      {"WITH_NUL", std::string("canary-a\0b\0", 10)},
      {"WITH_LINES", "canary\r\nline two\n\n"},
      {"WITH_QUOTES", "canary'\"\\`$(x)"},
      {"BIG", big}};
  {
    auto store = open_store(home, clock);
    REQUIRE(store);
    for (const auto& [key, value] : cases) {
      REQUIRE(set(**store, key, value));
    }
  }
  auto store = open_store(home, clock);
  REQUIRE(store);
  for (const auto& [key, value] : cases) {
    CHECK((get(**store, key) == value));
  }
  for (const auto& entry : std::filesystem::directory_iterator(home.paths().data)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    CHECK(bytes.find("canary") == std::string::npos);
    CHECK(bytes.find(big.substr(1000, 64)) == std::string::npos);
  }
}

TEST_CASE("store: setting several credentials is all or nothing", "[store][credentials]") {
  const TempHome home;
  const TickingClock clock;
  auto store = open_store(home, clock);
  REQUIRE(store);
  std::vector<store::Store::NewValue> values;
  values.push_back({"GOOD", secret("value")});
  SECTION("a bad name") {
    values.push_back({"bad name", secret("value")});
  }
  SECTION("an empty value") {
    values.push_back({"EMPTY", Secret()});
  }
  SECTION("a value that is too large") {
    values.push_back({"LARGE", secret(std::string((1U << 20) + 1, 'x'))});
  }
  const auto result = (*store)->set_credentials("default", values, "set");
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kInvalid);
  CHECK((*store)->list_credentials("default")->empty());
}

TEST_CASE("store: set reports new and replaced keys, and 1 MiB fits", "[store][credentials]") {
  const TempHome home;
  const TickingClock clock;
  auto store = open_store(home, clock);
  REQUIRE(store);
  REQUIRE(set(**store, "OLD", "first"));
  std::vector<store::Store::NewValue> values;
  values.push_back({"OLD", secret("second")});
  values.push_back({"NEW", secret(std::string(1U << 20, 'x'))});
  const auto fresh = (*store)->set_credentials("default", values, "import");
  REQUIRE(fresh);
  CHECK(*fresh == std::vector<bool>{false, true});
  CHECK(get(**store, "NEW").size() == 1U << 20);
  const auto list = (*store)->list_credentials("default");
  REQUIRE(list);
  REQUIRE(list->size() == 2);
  CHECK(list->at(1).key == "OLD");
  CHECK(list->at(1).version == 2);
  CHECK(list->at(1).updated_ms > list->at(1).created_ms);
}

TEST_CASE("store: history, rollback and pruning of versions", "[store][credentials]") {
  const TempHome home;
  const TickingClock clock;
  auto store = open_store(home, clock);
  REQUIRE(store);
  REQUIRE(set(**store, "KEY", "v1"));
  CHECK((*store)->rollback_credential("default", "KEY", 0).error().code == ErrorCode::kNotFound);
  REQUIRE(set(**store, "KEY", "v2"));
  REQUIRE(set(**store, "KEY", "v3"));

  CHECK(*(*store)->rollback_credential("default", "KEY", 0) == 4);
  CHECK(get(**store, "KEY") == "v2");
  CHECK(*(*store)->rollback_credential("default", "KEY", 1) == 5);
  CHECK(get(**store, "KEY") == "v1");
  CHECK((*store)->rollback_credential("default", "KEY", 5).error().code == ErrorCode::kInvalid);
  CHECK((*store)->rollback_credential("default", "KEY", 77).error().code == ErrorCode::kNotFound);

  auto history = (*store)->credential_history("default", "KEY");
  REQUIRE(history);
  REQUIRE(history->size() == 5);
  CHECK(history->front().current);
  CHECK(history->front().origin == "rollback to 1");
  CHECK_FALSE(history->at(1).current);

  for (int i = 0; i < 30; ++i) {
    REQUIRE(set(**store, "KEY", "more " + std::to_string(i)));
  }
  history = (*store)->credential_history("default", "KEY");
  REQUIRE(history);
  CHECK(history->size() == store::kKeptVersions);
  CHECK(history->front().version == 35);
  CHECK(history->back().version == 16);
}

TEST_CASE("store: a ciphertext that was moved or edited is refused", "[store][security]") {
  const TempHome home;
  const TickingClock clock;
  auto store = open_store(home, clock);
  REQUIRE(store);
  REQUIRE(set(**store, "CHEAP", "cheap value"));
  REQUIRE(set(**store, "DEAR", "dear value"));
  REQUIRE(set(**store, "DEAR", "dear value, second"));
  REQUIRE((*store)->create_vault("other"));
  REQUIRE(set(**store, "DEAR", "of the other vault", "other"));
  const std::string dear =
      "(SELECT v.id FROM credential_version v JOIN credential c ON c.id = v.credential_id"
      " JOIN vault t ON t.id = c.vault_id WHERE c.key = 'DEAR' AND t.name = 'default'"
      " AND v.version = 2)";
  const auto take_from = [&](const std::string& source) {
    tamper(home, "UPDATE credential_version SET sealed = (" + source + ") WHERE id = " + dear);
  };
  const std::string sealed =
      "SELECT v.sealed FROM credential_version v JOIN credential c ON c.id = v.credential_id"
      " JOIN vault t ON t.id = c.vault_id WHERE ";
  SECTION("from another key") {
    take_from(sealed + "c.key = 'CHEAP'");
  }
  SECTION("from another version") {
    take_from(sealed + "t.name = 'default' AND c.key = 'DEAR' AND v.version = 1");
  }
  SECTION("from another vault") {
    take_from(sealed + "t.name = 'other'");
  }
  SECTION("a byte more") {
    tamper(
        home,
        "UPDATE credential_version SET sealed = CAST(sealed || x'00' AS BLOB) WHERE id = " + dear);
  }
  SECTION("nothing left") {
    tamper(home, "UPDATE credential_version SET sealed = x'' WHERE id = " + dear);
  }
  const auto value = (*store)->get_credential("default", "DEAR");
  REQUIRE_FALSE(value);
  CHECK(value.error().code == ErrorCode::kCorrupt);
  CHECK(get(**store, "CHEAP") == "cheap value");
}

TEST_CASE("store: vaults are made, renamed, chosen and deleted", "[store][vaults]") {
  const TempHome home;
  const TickingClock clock;
  auto opened = open_store(home, clock);
  REQUIRE(opened);
  store::Store& store = **opened;
  REQUIRE(store.create_vault("work"));
  CHECK(store.create_vault("work").error().code == ErrorCode::kExists);
  CHECK(store.create_vault("No Good").error().code == ErrorCode::kInvalid);
  REQUIRE(set(store, "KEY", "value", "work"));
  REQUIRE(store.use_vault("work"));
  REQUIRE(store.rename_vault("work", "office"));
  CHECK(*store.current_vault() == "office");
  // A rename must not need to re-seal.
  CHECK(get(store, "KEY", "office") == "value");
  CHECK(store.rename_vault("office", "default").error().code == ErrorCode::kExists);
  CHECK_FALSE(store.rename_vault("default", "other"));
  CHECK_FALSE(store.delete_vault("default"));

  const auto missing = store.get_vault("ofice");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().hint.find("office") != std::string::npos);

  REQUIRE(store.set_unmatched("office", vault::UnmatchedPolicy::kDeny));
  CHECK(store.get_vault("office")->unmatched == vault::UnmatchedPolicy::kDeny);
  REQUIRE(store.delete_vault("office"));
  CHECK(store.current_vault()->empty());
  CHECK(store.use_vault("office").error().code == ErrorCode::kNotFound);
  SQLite::Database db(home.paths().database().string(), SQLite::OPEN_READONLY);
  CHECK(db.execAndGet("SELECT count(*) FROM credential").getInt() == 0);
  CHECK(db.execAndGet("SELECT count(*) FROM credential_version").getInt() == 0);
}

TEST_CASE("store: services keep their order and are replaced by name", "[store][services]") {
  const TempHome home;
  const TickingClock clock;
  auto opened = open_store(home, clock);
  REQUIRE(opened);
  store::Store& store = **opened;
  REQUIRE(store.put_services(
      "default", {bearer("one", "one.example.com", "ONE"), bearer("two", "two.example.com", "TWO"),
                  bearer("three", "three.example.com", "THREE")}));
  REQUIRE(store.put_services("default", {bearer("two", "2.example.com", "TWO")}));
  CHECK(service_names(store) == std::vector<std::string>{"one", "two", "three"});
  CHECK(store.list_services("default")->at(1).host == "2.example.com");

  REQUIRE(store.enable_service("default", "one", false));
  CHECK_FALSE(store.list_services("default")->at(0).enabled);
  CHECK(store.enable_service("default", "ones", true).error().code == ErrorCode::kNotFound);
  REQUIRE(store.remove_service("default", "two"));
  CHECK(store.remove_service("default", "two").error().code == ErrorCode::kNotFound);
  REQUIRE(store.replace_services("default", {bearer("new", "new.example.com", "NEW"),
                                             bearer("one", "one.example.com", "ONE")}));
  CHECK(service_names(store) == std::vector<std::string>{"new", "one"});

  vault::Service bad = bearer("bad", "bad.example.com", "BAD");
  bad.host = "not a host";
  CHECK_FALSE(store.put_services("default", {bearer("fine", "fine.example.com", "FINE"), bad}));
  CHECK(service_names(store) == std::vector<std::string>{"new", "one"});
}

TEST_CASE("store: a snapshot holds sealed values that its key ring opens", "[store][snapshot]") {
  const TempHome home;
  const TickingClock clock;
  auto opened = open_store(home, clock);
  REQUIRE(opened);
  store::Store& store = **opened;
  REQUIRE(set(store, "KEY", "first"));
  REQUIRE(set(store, "KEY", "second"));
  REQUIRE(store.put_services("default", {bearer("one", "one.example.com", "KEY")}));
  const auto first = store.load_snapshot("default");
  const auto second = store.load_snapshot("default");
  REQUIRE(first);
  REQUIRE(second);
  CHECK((*first)->generation != (*second)->generation);
  CHECK((*first)->matcher.services().size() == 1);
  const auto it = (*first)->credentials.find("KEY");
  REQUIRE(it != (*first)->credentials.end());
  CHECK(it->second.version == 2);
  const auto value = store.key_ring()->open(
      {(*first)->vault_uid, "credential", "KEY", it->second.version}, it->second.sealed);
  REQUIRE(value);
  CHECK(reveal(*value) == "second");
  CHECK(store.load_snapshot("nowhere").error().code == ErrorCode::kNotFound);
}

TEST_CASE("store: items are sealed and bound to their name", "[store][items]") {
  const TempHome home;
  const TickingClock clock;
  auto opened = open_store(home, clock);
  REQUIRE(opened);
  store::Store& store = **opened;
  CHECK_FALSE(store.get_item("ca")->has_value());
  REQUIRE(store.put_item("ca", {"certificate", secret("private key")}));
  REQUIRE(store.put_item("cb", {"certificate", secret("another key")}));
  const auto item = store.get_item("ca");
  REQUIRE(item);
  REQUIRE(item->has_value());
  CHECK((*item)->public_part == "certificate");
  CHECK(reveal((*item)->secret_part) == "private key");
  tamper(home, "UPDATE item SET sealed = (SELECT sealed FROM item WHERE name = 'cb')");
  CHECK(store.get_item("ca").error().code == ErrorCode::kCorrupt);
}

TEST_CASE("store: another connection's commit shows at once and changes the counter", "[store]") {
  const TempHome home;
  const TickingClock clock;
  auto one = open_store(home, clock);
  auto two = open_store(home, clock);
  REQUIRE(one);
  REQUIRE(two);
  const auto before = (*one)->change_counter();
  REQUIRE(before);
  CHECK(*(*one)->change_counter() == *before);
  REQUIRE(set(**two, "KEY", "from two"));
  CHECK(*(*one)->change_counter() != *before);
  CHECK(get(**one, "KEY") == "from two");
  REQUIRE(set(**one, "KEY", "from one"));
  CHECK(get(**two, "KEY") == "from one");
}

TEST_CASE("store: many that make it at once share one store", "[store][race]") {
  const TempHome home;
  const TickingClock clock;
  constexpr int kThreads = 6;
  std::vector<std::thread> threads;
  std::atomic<int> opened{0};
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      auto store = open_store(home, clock);
      if (store && set(**store, "KEY_" + std::to_string(i), "value " + std::to_string(i))) {
        ++opened;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  CHECK(opened == kThreads);
  auto store = open_store(home, clock);
  REQUIRE(store);
  for (int i = 0; i < kThreads; ++i) {
    CHECK(get(**store, "KEY_" + std::to_string(i)) == "value " + std::to_string(i));
  }
  for (const auto& entry : std::filesystem::directory_iterator(home.paths().data)) {
    CHECK(entry.path().filename().string().find(".init-") == std::string::npos);
  }
}
