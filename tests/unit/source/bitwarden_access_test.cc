#include "source/bitwarden_access.h"

#include <catch2/catch.hpp>
#include <thread>

#include "unit/source/aac_device.h"

namespace av::source {
namespace {

using testing::FakeClock;
using testing::FakeRelay;
using testing::json;
using testing::secret_of;
using testing::shown;
using Why = Failure::Why;

struct Store {
  Store() {
    ports.websockets = &relay;
    ports.clock = &clock;
    ports.keep = [this](const vault::StoreSecrets& secrets) -> Status {
      ++kept_times;
      kept.clear();
      for (const auto& [name, value] : secrets) {
        kept.emplace(name, shown(value));
      }
      return keeps ? Status() : make_error(ErrorCode::kNoSpace, "the disk is full");
    };
    relay.items[R"({"domain":"github.com"})"] = {{"credential",
                                                  {{"username", "octocat"},
                                                   {"password", "hunter2"},
                                                   {"uri", "https://github.com"},
                                                   {"notes", nullptr},
                                                   {"credentialId", "1"}}}};
  }

  Result<std::unique_ptr<Provider>> make(std::map<std::string, std::string> words) {
    vault::ExternalStore store;
    store.settings.emplace("url", "wss://relay.test");
    vault::StoreSecrets secrets;
    for (const auto& [name, value] : words) {
      secrets.emplace(name, secret_of(value));
    }
    return kBitwardenAccess.make(store, std::move(secrets), ports);
  }
  std::unique_ptr<Provider> paired(std::string token = {}) {
    relay.psk = secret_of(std::string(32, token.empty() ? 'p' : '\0'));
    auto provider = make({{"token", token.empty() ? relay.token() : token}});
    REQUIRE(provider.has_value());
    about = (*provider)->pair();
    if (about) {
      REQUIRE(kept.size() == 3);
    }
    return std::move(*provider);
  }

  FakeClock clock;
  FakeRelay relay{clock};
  Ports ports;
  bool keeps = true;
  int kept_times = 0;
  std::map<std::string, std::string> kept;
  Result<About> about = About();
};

std::string value(Provider& provider, const std::string& item, std::string_view field) {
  const auto record = provider.fetch(item);
  if (!record) {
    return "(" + std::string(to_string(record.error().why)) + ")";
  }
  const auto found = field_of(*record, field);
  return found ? shown(**found) : "(no field)";
}

TEST_CASE("Agent Access: paired by a key, an item is fetched by its site") {
  Store store;
  const auto provider = store.paired();
  REQUIRE(store.about.has_value());
  CHECK(store.about->detail.empty());
  CHECK(store.about->account ==
        "device " + encoding::hex(std::span(store.relay.device()).first(6)));
  CHECK(store.relay.psk_id.size() == 16);
  CHECK(store.relay.urls.front() == "wss://relay.test");
  CHECK(provider->item_of_host("github.com") == "domain/github.com");
  CHECK(value(*provider, "domain/github.com", "password") == "hunter2");
  CHECK(value(*provider, "domain/github.com", "username") == "octocat");
  CHECK(value(*provider, "domain/github.com", "notes") == "(no field)");
  // One link for the pairing, one for everything after it.
  CHECK(store.relay.links == 2);
  const json& question = store.relay.questions.front();
  CHECK(question["query"] == json{{"domain", "github.com"}});
  CHECK(question["requestId"].get<std::string>().starts_with("req-1800000000"));
}

TEST_CASE("Agent Access: paired by a code, a person compares what both sides show") {
  Store store;
  const auto provider = store.paired("abc-def-ghi");
  REQUIRE(store.about.has_value());
  REQUIRE(store.relay.fingerprint.size() == 6);
  CHECK(store.about->detail.find(store.relay.fingerprint) != std::string::npos);
  CHECK(store.relay.psk_id.empty());
  CHECK(value(*provider, "domain/github.com", "password") == "hunter2");
}

TEST_CASE("Agent Access: another process goes on with what was kept") {
  Store store;
  store.paired();
  auto again = store.make(store.kept);
  REQUIRE(again.has_value());
  CHECK(value(**again, "domain/github.com", "password") == "hunter2");
  // A day later the keys move on, and that is kept too.
  store.kept_times = 0;
  store.clock.advance(90'000'000);
  CHECK(value(**again, "domain/github.com", "password") == "hunter2");
  CHECK(store.kept_times > 0);
  auto third = store.make(store.kept);
  CHECK(value(**third, "domain/github.com", "password") == "hunter2");
}

TEST_CASE("Agent Access: identifiers and searches are asked as such") {
  Store store;
  const auto provider = store.paired();
  store.relay.items[R"({"id":"item-1"})"] = {{"credential", {{"password", "one"}}}};
  store.relay.items[R"({"search":"a \"b\"/c"})"] = {{"credential", {{"password", "two"}}}};
  CHECK(value(*provider, "id/item-1", "password") == "one");
  CHECK(value(*provider, "search/a \"b\"/c", "password") == "two");
}

TEST_CASE("Agent Access: a seed gives the code of now, kept no longer than it counts") {
  Store store;
  const auto provider = store.paired();
  store.relay.items[R"({"id":"t"})"] = {
      {"credential", {{"totp", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}, {"password", "x"}}}};
  store.clock.advance(11'000);
  const auto record = provider->fetch("id/t");
  REQUIRE(record.has_value());
  const std::string code = shown(record->fields.at("totp"));
  CHECK(code.size() == 6);
  CHECK(record->keep_ms <= 19'000);
  CHECK(record->keep_ms > 0);
  store.clock.advance(record->keep_ms);
  CHECK(value(*provider, "id/t", "totp") != code);
}

TEST_CASE("Agent Access: what the device says when it has nothing to give") {
  Store store;
  const auto provider = store.paired();
  const auto why = [&](const json& answer) {
    store.relay.items[R"({"id":"x"})"] = answer;
    return provider->fetch("id/x");
  };
  // aac's only words, for every reason: nothing that would switch the store off.
  CHECK(value(*provider, "domain/unknown.test", "password") == "(not_found)");
  CHECK(why({{"error", "Credential not found"}}).error().why == Why::kNotFound);
  CHECK(why({{"error", "Vault is locked"}}).error().why == Why::kLocked);
  const auto other = why({{"error", "no\x1b[31m way"}});
  CHECK(other.error().why == Why::kDenied);
  CHECK(other.error().message.find('\x1b') == std::string::npos);
  CHECK(why(json::object()).error().why == Why::kMalformed);
  CHECK(why({{"credential", {{"password", 7}}}}).error().why == Why::kMalformed);
  CHECK(why({{"credential", json::object()}})->fields.empty());
}

TEST_CASE("Agent Access: a device that is away, a relay that cannot be reached") {
  Store store;
  const auto provider = store.paired();
  store.relay.silent = true;
  const auto started = store.clock.wall_ms();
  const auto silent = provider->fetch("domain/github.com");
  CHECK(silent.error().why == Why::kTimeout);
  CHECK_FALSE(silent.error().hint.empty());
  CHECK(store.clock.wall_ms() - started < 31'000);
  store.relay.silent = false;
  CHECK(value(*provider, "domain/github.com", "password") == "hunter2");

  store.clock.advance(200'000);
  store.relay.refuse_links = true;
  CHECK(value(*provider, "domain/github.com", "password") == "(unreachable)");
  CHECK(provider->test().error().why == Why::kUnreachable);
  store.relay.refuse_links = false;
  CHECK(provider->test().has_value());
}

TEST_CASE("Agent Access: a link that has been idle is made anew, one that died unseen is too") {
  Store store;
  const auto provider = store.paired();
  CHECK(value(*provider, "domain/github.com", "password") == "hunter2");
  const int before = store.relay.links;
  store.clock.advance(99'000);
  CHECK(value(*provider, "domain/github.com", "password") == "hunter2");
  CHECK(store.relay.links == before);
  store.clock.advance(101'000);
  CHECK(value(*provider, "domain/github.com", "password") == "hunter2");
  CHECK(store.relay.links == before + 1);
  // The next one breaks behind its second frame of ours (the first proves who we are).
  store.clock.advance(101'000);
  store.relay.die_after_sends = 2;
  CHECK(value(*provider, "domain/github.com", "password") == "hunter2");
  CHECK(value(*provider, "domain/github.com", "password") == "hunter2");
  CHECK(store.relay.links == before + 3);
  // One that is new and breaks at once is no accident.
  store.clock.advance(101'000);
  store.relay.die_after_sends = 1;
  CHECK(value(*provider, "domain/github.com", "password") == "(unreachable)");
}

TEST_CASE("Agent Access: pairing fails clearly: wrong words, another key, no device, no disk") {
  Store store;
  for (const std::string& bad :
       {std::string("hello"), std::string("ABC-DEF-GH"), std::string("ABC_DEF_GHI"),
        std::string(129, 'a'), std::string(64, 'a') + "_" + std::string(64, 'g')}) {
    const auto provider = store.make({{"token", bad}});
    REQUIRE_FALSE(provider.has_value());
    CHECK(provider.error().why == Why::kInvalid);
    CHECK(provider.error().message.find(bad) == std::string::npos);
  }
  CHECK_FALSE(store.make({}).has_value());
  CHECK_FALSE(store.make({{"identity", "x"}, {"peer", "y"}, {"channel", "z"}}).has_value());

  auto wrong_code = store.make({{"token", "XXX-XXX-XXX"}});
  CHECK((*wrong_code)->pair().error().why == Why::kNotFound);

  store.relay.psk = secret_of(std::string(32, 'p'));
  auto other_key = store.make({{"token", store.relay.token()}});
  store.relay.psk = secret_of(std::string(32, 'q'));
  // The device cannot even read our first message; a relay that plays the device neither.
  store.relay.silent = true;
  CHECK((*other_key)->pair().error().why == Why::kTimeout);
  CHECK(store.kept.empty());

  store.relay.silent = false;
  store.relay.psk = secret_of(std::string(32, 'p'));
  store.keeps = false;
  CHECK_FALSE((*other_key)->pair().has_value());
}

TEST_CASE("Agent Access: a handshake that the relay has touched is refused") {
  Store store;
  store.relay.psk = secret_of(std::string(32, 'p'));
  auto keyed = store.make({{"token", store.relay.token()}});
  // The relay turns one bit of the second message.
  store.relay.hand_over = [&](std::vector<std::string>& frames) {
    for (std::string& frame : frames) {
      json sent = json::parse(frame);
      if (!sent.contains("Send")) {
        continue;
      }
      json inner = json::parse(testing::bytes_of(sent["Send"]["payload"]));
      std::string packet = testing::unbase64(inner["data"]);
      packet.back() = static_cast<char>(packet.back() ^ 1);
      inner["data"] = encoding::base64(packet);
      sent["Send"]["payload"] = testing::ints(inner.dump());
      frame = sent.dump();
    }
  };
  CHECK((*keyed)->pair().error().why == Why::kDenied);
  CHECK(store.kept.empty());
}

TEST_CASE("Agent Access: an identity whose fingerprint is not its key's is refused") {
  Store store;
  auto provider = store.make({{"token", "ABC-DEF-GHI"}});
  store.relay.hand_over = [&](std::vector<std::string>& frames) {
    for (std::string& frame : frames) {
      json sent = json::parse(frame);
      if (sent.contains("IdentityInfo")) {
        sent["IdentityInfo"]["fingerprint"][0] =
            (sent["IdentityInfo"]["fingerprint"][0].get<int>() + 1) % 256;
        frame = sent.dump();
      }
    }
  };
  CHECK((*provider)->pair().error().why == Why::kMalformed);
}

TEST_CASE("Agent Access: a hostile relay makes requests fail, and nothing else") {
  Store store;
  const auto provider = store.paired();
  std::string seen;  // a good answer to an earlier question
  store.relay.hand_over = [&](std::vector<std::string>& frames) {
    if (!frames.empty()) {
      seen = frames.back();
    }
  };
  REQUIRE(value(*provider, "domain/github.com", "password") == "hunter2");
  REQUIRE_FALSE(seen.empty());
  const std::string good = seen;

  const auto with = [&](const std::function<void(std::vector<std::string>&)>& attack) {
    store.relay.hand_over = attack;
    const std::string got = value(*provider, "domain/github.com", "password");
    store.relay.hand_over = nullptr;
    // Whatever it was, it is over with it.
    CHECK(value(*provider, "domain/github.com", "password") == "hunter2");
    return got;
  };
  const auto edited = [](const std::function<void(json&)>& edit) {
    return [edit](std::vector<std::string>& frames) {
      for (std::string& frame : frames) {
        json sent = json::parse(frame);
        if (sent.contains("Send")) {
          edit(sent["Send"]);
          frame = sent.dump();
        }
      }
    };
  };
  CHECK(with([](auto& frames) { frames.clear(); }) == "(timeout)");
  CHECK(with([&](auto& frames) {
          if (!frames.empty()) {
            frames = {good};  // an answer of before
          }
        }) == "(malformed)");
  CHECK(with(edited([](json& send) { send["destination"][0] = 256; })) == "(malformed)");
  CHECK(with(edited([](json& send) {
          send["destination"][0] = (send["destination"][0].get<int>() + 1) % 256;
        })) == "(timeout)");
  CHECK(with(edited([](json& send) {
          send["source"][0] = (send["source"][0].get<int>() + 1) % 256;
        })) == "(timeout)");
  CHECK(with(edited([](json& send) { send.erase("source"); })) == "(malformed)");
  CHECK(with(edited([](json& send) { send["payload"] = json::array(); })) == "(timeout)");
  CHECK(with(edited([](json& send) {
          json inner = json::parse(testing::bytes_of(send["payload"]));
          std::string packet = testing::unbase64(inner["encrypted"]);
          packet[packet.size() / 2] = static_cast<char>(packet[packet.size() / 2] ^ 1);
          inner["encrypted"] = encoding::base64(packet);
          send["payload"] = testing::ints(inner.dump());
        })) == "(malformed)");
  for (const std::string& frame :
       {std::string("{"), std::string("[]"), std::string("{\"Send\":1,\"x\":2}"),
        std::string("{\"Send\":{}}"), std::string("{\"AuthChallenge\":[1]}"),
        std::string("{\"Send\":{\"payload\":") + std::string(100'000, '[')}) {
    CHECK(with([&](auto& frames) {
            if (!frames.empty()) {
              frames = {frame};
            }
          }) == "(malformed)");
  }
  // Before, after and between the good one, what is not for us does no harm.
  CHECK(with([&](auto& frames) {
          if (!frames.empty()) {
            frames = {"\"GetRendezvous\"",
                      R"({"RendezvousInfo":{"code":"A"}})",
                      good,
                      R"({"Something":[1,2,3]})",
                      frames.back(),
                      frames.back(),
                      good};
          }
        }) == "hunter2");
}

TEST_CASE(
    "Agent Access: questions of many threads are open at once, and each gets its own answer") {
  Store store;
  const auto provider = store.paired();
  for (int i = 0; i < 16; ++i) {
    store.relay.items[json{{"id", "i" + std::to_string(i)}}.dump()] = {
        {"credential", {{"password", "p" + std::to_string(i)}}}};
  }
  store.relay.real_time = true;
  // Answers come in the wrong order: every other one is handed over behind the next.
  std::string late;
  store.relay.hand_over = [&](std::vector<std::string>& frames) {
    if (frames.empty()) {
      return;
    }
    if (late.empty()) {
      late = frames.back();
      frames.clear();
    } else {
      frames.push_back(late);
      late.clear();
    }
  };
  std::vector<std::string> got(16);
  std::vector<std::thread> threads;
  threads.reserve(got.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    threads.emplace_back(
        [&, i] { got[i] = value(*provider, "id/i" + std::to_string(i), "password"); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    CHECK(got[i] == "p" + std::to_string(i));
  }
}

TEST_CASE("Agent Access: the test goes through to the device and asks for nothing that exists") {
  Store store;
  const auto provider = store.paired();
  const auto about = provider->test();
  REQUIRE(about.has_value());
  CHECK(about->account.starts_with("device "));
  CHECK(store.relay.questions.back()["query"] ==
        json{{"id", "00000000-0000-0000-0000-000000000000"}});
}

}  // namespace
}  // namespace av::source
