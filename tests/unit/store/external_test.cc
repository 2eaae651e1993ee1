#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "core/encoding.h"
#include "temp_home.h"
#include "vault/host_mapping.h"

using namespace av;
using namespace av::test;

namespace {

vault::ExternalStore paired(const std::string& name, const std::string& kind = "vault") {
  vault::ExternalStore out;
  out.uid = "xst_" + name;
  out.name = name;
  out.kind = kind;
  out.settings = {{"url", "https://vault.example:8200"}, {"auth", "token"}};
  out.account = "somebody";
  return out;
}

vault::StoreSecrets with_token(std::string_view token) {
  vault::StoreSecrets out;
  out.emplace("token", secret(token));
  return out;
}

struct World {
  TempHome home;
  TickingClock clock;
  std::unique_ptr<store::SqliteStore> store = std::move(*open_store(home, clock));

  World() { REQUIRE(store->pair_store("default", paired("corp"), with_token("s.first"))); }
  void reopen() { store = std::move(*open_store(home, clock)); }
  std::string token(const std::string& uid = "xst_corp") {
    const auto opened = store->open_store(uid);
    return opened ? reveal(opened->secrets.at("token")) : opened.error().message;
  }
  store::Store::ExternalStoreInfo info(const std::string& name = "corp") {
    auto out = store->get_store("default", name);
    REQUIRE(out);
    return *out;
  }
  Status map(const std::string& host, const std::string& store_name = "corp",
             const std::string& item = "secret/api") {
    vault::HostMapping mapping;
    mapping.service = *vault::mapping_service(host);
    mapping.store = store_name;
    mapping.reference = "vault://" + item + "#key";
    mapping.ref = {"", item, "key"};
    return store->put_mapping("default", mapping);
  }
};

const store::Store::Source kSource{"corp", "vault://secret/api#key", "secret/api", "key"};

}  // namespace

TEST_CASE("store: what a vault is paired with survives a restart and a new data key",
          "[store][external]") {
  World world;
  CHECK(world.token() == "s.first");
  CHECK(world.info().store.settings == paired("corp").settings);
  CHECK(world.info().store.account == "somebody");
  REQUIRE(world.store->rotate_key({}));
  world.reopen();
  CHECK(world.token() == "s.first");
}

TEST_CASE("store: pairing again replaces the secrets and keeps what refers to it",
          "[store][external]") {
  World world;
  const auto before = world.info().revision;
  REQUIRE(world.store->set_source("default", "API_KEY", kSource));
  vault::ExternalStore again = paired("corp");
  again.uid = "xst_other";
  again.settings["url"] = "https://other.example";
  const auto uid = world.store->pair_store("default", again, with_token("s.second"));
  REQUIRE(uid);
  CHECK(*uid == "xst_corp");
  CHECK(world.token() == "s.second");
  CHECK(world.info().revision == before + 1);
  CHECK(world.info().credentials == 1);
  CHECK(world.store->pair_store("default", paired("corp", "infisical"), {}).error().code ==
        ErrorCode::kExists);
  CHECK(world.token() == "s.second");
}

TEST_CASE("store: what a store keeps itself is no new pairing", "[store][external]") {
  World world;
  const auto before = world.info().revision;
  REQUIRE(world.store->keep_store("xst_corp", with_token("s.renewed")));
  CHECK(world.token() == "s.renewed");
  CHECK(world.info().revision == before);
  CHECK(world.store->keep_store("xst_nobody", with_token("x")).error().code ==
        ErrorCode::kNotFound);
}

// Who may write the database but not open it: policy is in the clear.
void write_row(const World& world, const std::string& change) {
  SQLite::Database database(world.home.paths().database().string(), SQLite::OPEN_READWRITE, 5000);
  REQUIRE(database.exec("UPDATE external_store SET " + change) == 1);
}

TEST_CASE("store: what opens a store is bound to the address, the kind and the program",
          "[store][external]") {
  for (const std::string change :
       {"settings = replace(settings, 'vault.example', 'evil.example')", "kind = 'cmd'",
        R"(settings = '{"program":"/usr/bin/id"}', kind = 'cmd')", "settings = 'no JSON'"}) {
    INFO(change);
    World world;
    write_row(world, change + ", revision = revision + 1");
    CHECK(world.store->open_store("xst_corp").error().code == ErrorCode::kCorrupt);
    // Of this store alone.
    REQUIRE(world.store->pair_store("default", paired("other"), with_token("s.other")));
    CHECK(world.token("xst_other") == "s.other");
    CHECK(world.store->list_stores("default")->size() == 2);
    CHECK(world.store->load_snapshot("default"));
  }
  // The control: what is nobody's secret may change, and the address by those who can open it.
  World world;
  write_row(world, "account = 'x', revision = revision + 1");
  CHECK(world.token() == "s.first");
  REQUIRE(world.store->keep_store("xst_corp", with_token("s.renewed")));
  CHECK(world.token() == "s.renewed");
  vault::ExternalStore moved = paired("corp");
  moved.settings["url"] = "https://evil.example";
  REQUIRE(world.store->pair_store("default", moved, with_token("s.moved")));
  CHECK(world.token() == "s.moved");
}

TEST_CASE("store: what was sealed before it was bound to its address is opened once, and bound",
          "[store][external]") {
  World world;
  const auto vault_uid = (*world.store->load_snapshot("default"))->vault_uid;
  const auto packed = vault::pack(with_token("s.old"));
  REQUIRE(packed);
  const auto sealed = packed->reveal([&](std::string_view bytes) {
    return world.store->key_ring()->seal({vault_uid, "external-store", "xst_corp", 7}, bytes);
  });
  REQUIRE(sealed);
  const auto blob = [&] {
    SQLite::Database database(world.home.paths().database().string(), SQLite::OPEN_READWRITE, 5000);
    SQLite::Statement select(database, "SELECT hex(sealed) FROM external_store");
    REQUIRE(select.executeStep());
    return select.getColumn(0).getString();
  };
  write_row(world, "sealed_version = 7, sealed = x'" + encoding::hex(*sealed) + "'");
  const std::string before = blob();
  CHECK(world.token() == "s.old");
  CHECK(blob() != before);
  CHECK(world.token() == "s.old");
  write_row(world, "settings = replace(settings, 'vault.example', 'evil.example')");
  CHECK(world.store->open_store("xst_corp").error().code == ErrorCode::kCorrupt);
}

TEST_CASE("store: a credential can be kept elsewhere, and come back", "[store][external]") {
  World world;
  REQUIRE(set(*world.store, "API_KEY", "value-of-before"));
  const auto is_new = world.store->set_source("default", "API_KEY", kSource);
  REQUIRE(is_new);
  CHECK_FALSE(*is_new);
  const auto listed = world.store->list_credentials("default");
  REQUIRE(listed);
  REQUIRE(listed->size() == 1);
  CHECK((*listed)[0].type == "external");
  CHECK((*listed)[0].store == "corp");
  CHECK((*listed)[0].reference == "vault://secret/api#key");
  // There is no value here to be had, the one of before least of all.
  CHECK(world.store->get_credential("default", "API_KEY").error().code == ErrorCode::kInvalid);
  const auto snapshot = world.store->load_snapshot("default");
  REQUIRE(snapshot);
  const vault::SealedCredential& sealed = (*snapshot)->credentials.at("API_KEY");
  CHECK(sealed.sealed.empty());
  REQUIRE(sealed.sources.size() == 1);
  CHECK(sealed.sources[0] == vault::SourceRef{"xst_corp", "secret/api", "key"});
  CHECK((*snapshot)->has_sources);
  CHECK((*snapshot)->stores.at("xst_corp") == 1);
  // The value of before is still there to go back to.
  REQUIRE(world.store->rollback_credential("default", "API_KEY", 1));
  CHECK(reveal(*world.store->get_credential("default", "API_KEY")) == "value-of-before");
  CHECK(world.store->list_sources("default")->empty());
  CHECK_FALSE((*world.store->load_snapshot("default"))->has_sources);
}

TEST_CASE("store: what is kept elsewhere is changed there", "[store][external]") {
  World world;
  REQUIRE(world.store->set_source("default", "API_KEY", kSource));
  const auto refused = set(*world.store, "API_KEY", "value-of-now");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kConflict);
  CHECK(refused.error().message.find("'corp'") != std::string::npos);
  CHECK(refused.error().message.find("vault://secret/api#key") != std::string::npos);
  CHECK(world.store->list_sources("default")->size() == 1);
  // Nor are its fellows of one command.
  CHECK_FALSE(world.store->set_credentials(
      "default",
      [] {
        std::vector<store::Store::NewValue> values;
        values.push_back({"OTHER_KEY", secret("x")});
        values.push_back({"API_KEY", secret("y")});
        return values;
      }(),
      "test"));
  CHECK(world.store->list_credentials("default")->size() == 1);
  // It comes here when somebody says so; and may go back.
  REQUIRE(world.store->delete_credentials("default", {"API_KEY"}));
  REQUIRE(set(*world.store, "API_KEY", "value-of-now"));
  CHECK(reveal(*world.store->get_credential("default", "API_KEY")) == "value-of-now");
  CHECK(world.store->list_sources("default")->empty());
  REQUIRE(world.store->remove_store("default", "corp"));
}

TEST_CASE("store: a store that is referred to is not forgotten", "[store][external]") {
  World world;
  REQUIRE(world.store->set_source("default", "API_KEY", kSource));
  const Status used = world.store->remove_store("default", "corp");
  REQUIRE_FALSE(used);
  CHECK(used.error().code == ErrorCode::kConflict);
  CHECK(used.error().message.find("API_KEY") != std::string::npos);
  REQUIRE(world.store->delete_credentials("default", {"API_KEY"}));
  REQUIRE(world.map("api.example.com"));
  CHECK(world.store->remove_store("default", "corp").error().code == ErrorCode::kConflict);
  REQUIRE(world.store->remove_mapping("default", "api.example.com", ""));
  REQUIRE(world.store->remove_store("default", "corp"));
  CHECK(world.store->get_store("default", "corp").error().code == ErrorCode::kNotFound);
  CHECK(world.store->open_store("xst_corp").error().code == ErrorCode::kNotFound);
}

TEST_CASE("store: settings that are no text are refused, and not thrown about",
          "[store][external]") {
  World world;
  for (const std::string& value : {std::string("/x\xff"), std::string("a\0b", 3),
                                   std::string((std::size_t{64} << 10) + 1, 'x')}) {
    vault::ExternalStore store = paired("other");
    store.uid = "xst_other";
    store.settings["directory"] = value;
    const auto uid = world.store->pair_store("default", store, with_token("t"));
    REQUIRE_FALSE(uid);
    CHECK(uid.error().code == ErrorCode::kInvalid);
    CHECK(uid.error().message.find('\xff') == std::string::npos);
  }
  CHECK(world.store->list_stores("default")->size() == 1);
  for (const char* const text : {"\"x\"", "[\"x\"]", "1", "{\"a\":1}", "{"}) {
    CHECK_FALSE(vault::settings_from_json(text));
  }
  CHECK(*vault::settings_from_json("{\"a\":\"b\"}") == vault::StoreSettings{{"a", "b"}});
}

TEST_CASE("store: a vault goes with what it is paired with", "[store][external]") {
  World world;
  REQUIRE(world.store->create_vault("other"));
  REQUIRE(world.store->pair_store(
      "other",
      [] {
        vault::ExternalStore out = paired("corp");
        out.uid = "xst_2";
        return out;
      }(),
      with_token("t")));
  store::Store::Source source = kSource;
  REQUIRE(world.store->set_source("other", "API_KEY", source));
  REQUIRE(world.store->delete_vault("other"));
  CHECK(world.store->list_stores("")->size() == 1);
  CHECK(world.store->open_store("xst_2").error().code == ErrorCode::kNotFound);
}

TEST_CASE("store: hosts are mapped in order, each to a store once", "[store][external]") {
  World world;
  REQUIRE(world.store->pair_store("default", paired("second", "1password"), with_token("t")));
  REQUIRE(world.map("api.example.com"));
  REQUIRE(world.map("api.example.com", "second", "vault/item"));
  REQUIRE(world.map("*.example.org"));
  REQUIRE(world.map("api.example.com", "corp", "secret/other"));
  const auto listed = world.store->list_mappings("default");
  REQUIRE(listed);
  REQUIRE(listed->size() == 3);
  CHECK((*listed)[0].ref == vault::SourceRef{"xst_corp", "secret/other", "key"});
  CHECK((*listed)[1].store == "second");
  const auto snapshot = world.store->load_snapshot("default");
  REQUIRE(snapshot);
  CHECK((*snapshot)->mappings.services().size() == 2);
  CHECK((*snapshot)->credentials.at("map:api.example.com/VALUE").sources.size() == 2);
  const Status nobody = world.store->remove_mapping("default", "api.exmaple.com", "");
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().code == ErrorCode::kNotFound);
  CHECK(nobody.error().hint.find("api.example.com") != std::string::npos);
  REQUIRE(world.store->remove_mapping("default", "api.example.com", "second"));
  CHECK(world.store->list_mappings("default")->size() == 2);
}

TEST_CASE("store: how a store does is noted when it changes", "[store][external]") {
  World world;
  REQUIRE(world.store->note_store("xst_corp", "it is down"));
  CHECK(world.info().error == "it is down");
  CHECK(world.info().error_ms > world.info().ok_ms);
  const std::int64_t first = world.info().error_ms;
  REQUIRE(world.store->note_store("xst_corp", "it is down"));
  CHECK(world.info().error_ms == first);
  REQUIRE(world.store->note_store("xst_corp", ""));
  CHECK(world.info().ok_ms >= world.info().error_ms);
  CHECK(world.info().error.empty());
  CHECK(world.store->note_store("xst_nobody", "x"));
}

TEST_CASE("store: what a store does not have any more is marked", "[store][external]") {
  World world;
  REQUIRE(world.store->set_source("default", "API_KEY", kSource));
  REQUIRE(world.map("api.example.com"));
  const vault::SourceRef ref{"xst_corp", "secret/api", "key"};
  REQUIRE(world.store->note_missing(ref, {}, true));
  CHECK((*world.store->list_sources("default"))[0].missing_ms != 0);
  CHECK((*world.store->list_mappings("default"))[0].missing_ms != 0);
  REQUIRE(world.store->note_missing(ref, {}, false));
  CHECK((*world.store->list_sources("default"))[0].missing_ms == 0);
  CHECK((*world.store->list_mappings("default"))[0].missing_ms == 0);
}

TEST_CASE("store: what is missing for one host says nothing of a mapping of many",
          "[store][external]") {
  World world;
  REQUIRE(world.map("api.example.com", "corp", "web/{host}"));
  REQUIRE(world.map("*.example.org", "corp", "web/{host}"));
  REQUIRE(world.map("*", "corp", "web/{host}"));
  const vault::SourceRef ref{"xst_corp", "web/{host}", "key"};
  const auto missing = [&] {
    std::vector<std::string> out;
    for (const vault::HostMapping& mapping : *world.store->list_mappings("default")) {
      if (mapping.missing_ms != 0) {
        out.push_back(mapping.service.host);
      }
    }
    return out;
  };
  for (const char* const host : {"a.example.org", "anything.example", "api.example.com"}) {
    REQUIRE(world.store->note_missing(ref, host, true));
  }
  CHECK(missing() == std::vector<std::string>{"api.example.com"});
  REQUIRE(world.store->note_missing(ref, "api.example.com", false));
  CHECK(missing().empty());
  CHECK((*world.store->load_snapshot("default"))->any_host);
}

TEST_CASE("store: nothing is written when there is nothing new to note", "[store][external]") {
  World world;
  REQUIRE(world.store->set_source("default", "API_KEY", kSource));
  auto other = open_store(world.home, world.clock);
  REQUIRE(other);
  const vault::SourceRef ref{"xst_corp", "secret/api", "key"};
  const auto changes = [&](const std::function<void()>& what) {
    const auto before = (*other)->change_counter();
    REQUIRE(before);
    what();
    const auto after = (*other)->change_counter();
    REQUIRE(after);
    return *before != *after;
  };
  for (int i = 0; i < 20; ++i) {
    CHECK_FALSE(changes([&] { REQUIRE(world.store->note_store("xst_corp", "")); }));
    CHECK_FALSE(changes([&] { REQUIRE(world.store->note_missing(ref, "a.example", false)); }));
  }
  // The controls: news is.
  CHECK(changes([&] { REQUIRE(world.store->note_missing(ref, "a.example", true)); }));
  CHECK_FALSE(changes([&] { REQUIRE(world.store->note_missing(ref, "b.example", true)); }));
  CHECK(changes([&] { REQUIRE(world.store->note_store("xst_corp", "it is down")); }));
  CHECK_FALSE(changes([&] { REQUIRE(world.store->note_store("xst_corp", "it is down")); }));
}

TEST_CASE("store: what a store was paired with cannot be moved to another", "[store][external]") {
  World world;
  REQUIRE(world.store->pair_store("default", paired("evil"), with_token("s.evil")));
  {
    SQLite::Database raw(world.home.paths().database().string(), SQLite::OPEN_READWRITE);
    raw.exec(
        "UPDATE external_store SET sealed = (SELECT sealed FROM external_store"
        " WHERE name = 'corp') WHERE name = 'evil'");
  }
  CHECK(world.store->open_store("xst_evil").error().code == ErrorCode::kCorrupt);
  CHECK(world.token() == "s.first");
}
