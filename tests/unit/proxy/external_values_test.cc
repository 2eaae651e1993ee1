// Values that external stores keep: fetched before they are injected, again when their time is
// over, guarded on their way back; and what the agent hears when they cannot be had.

#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <thread>
#include <vector>

#include "running_proxy.h"
#include "vault/host_mapping.h"

using namespace av;
using namespace av::proxy;
using namespace av::proxy::testing;

namespace {

using Why = vault::StoreFailure::Why;

class FakeValues final : public ValueSource {
 public:
  void fetch(const vault::SourceQuery& query, Done done) override {
    const std::lock_guard lock(mutex_);
    queries_.push_back(query);
    if (hold_) {
      held_.push_back(std::move(done));
      return;
    }
    // As the fetcher does: from a thread of its own.
    threads_.emplace_back(
        [done = std::move(done), result = answer(query)]() mutable { done(std::move(result)); });
  }
  ~FakeValues() override { join(); }
  void join() {
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }
  void say(std::string value, std::int64_t keep_ms) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    keep_ms_ = keep_ms;
    ++version_;
    failure_.reset();
  }
  void fail(Why why) {
    const std::lock_guard lock(mutex_);
    failure_ = vault::StoreFailure{why, "token s.0123 of corp at 10.0.0.7 has ended", "", 0};
  }
  void hold() {
    const std::lock_guard lock(mutex_);
    hold_ = true;
  }
  std::size_t asked() {
    const std::lock_guard lock(mutex_);
    return queries_.size();
  }
  vault::SourceQuery query(std::size_t at) {
    const std::lock_guard lock(mutex_);
    return queries_.at(at);
  }
  std::vector<Done> take_held() {
    const std::lock_guard lock(mutex_);
    return std::move(held_);
  }

 private:
  vault::FetchResult answer(const vault::SourceQuery& query) {
    if (failure_) {
      return *failure_;
    }
    vault::FetchedItem item;
    for (const std::string& key : query.keys) {
      item.values.push_back(std::make_shared<const Secret>(
          *Secret::copy_of(value_ + (query.keys.size() > 1 ? "-" + key : ""))));
    }
    item.version = version_;
    item.until_ms =
        std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch())
            .count() +
        keep_ms_;
    return item;
  }

  std::mutex mutex_;
  std::vector<vault::SourceQuery> queries_;
  std::vector<Done> held_;
  std::vector<std::thread> threads_;
  std::string value_ = "value-of-the-store";
  std::int64_t keep_ms_ = 60'000;
  std::uint64_t version_ = 1;
  bool hold_ = false;
  std::optional<vault::StoreFailure> failure_;
};

struct Scene {
  std::shared_ptr<FakeValues> values = std::make_shared<FakeValues>();
  std::unique_ptr<RunningProxy> proxy;

  using Fill = std::function<void(vault::PolicySnapshot&, std::uint16_t port)>;
  explicit Scene(const Fill& fill = service_with_key, bool reaches_stores = true) {
    proxy = std::make_unique<RunningProxy>(
        [&](SessionGrant&, ProxyOptions& options, vault::PolicySnapshot&) {
          options.values = reaches_stores ? values : nullptr;
        });
    auto snapshot = std::make_shared<vault::PolicySnapshot>();
    snapshot->vault_uid = "uid";
    snapshot->generation = 1;
    fill(*snapshot, proxy->upstream_port);
    proxy->server->publish(std::move(snapshot), proxy->ring);
  }
  static void service_with_key(vault::PolicySnapshot& snapshot, std::uint16_t port) {
    vault::Service service;
    service.name = "api";
    service.host = "127.0.0.1";
    service.port = port;
    service.allow_http = true;
    service.auth = vault::BearerAuth{"KEY"};
    vault::SealedCredential key;
    key.key = "KEY";
    key.version = 1;
    key.sources.push_back({"xst_1", "secret/app", "api_key"});
    snapshot.credentials.emplace("KEY", std::move(key));
    snapshot.has_sources = true;
    snapshot.set_services({service});
  }
  std::string request(const std::string& path = "/") {
    const std::string host = "127.0.0.1:" + std::to_string(proxy->upstream_port);
    return "GET http://" + host + path + " HTTP/1.1\r\nHost: " + host +
           "\r\nProxy-Authorization: Bearer token\r\n\r\n";
  }
};

constexpr const char* kEmpty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

}  // namespace

TEST_CASE("a value of an external store is fetched once, injected, and guarded on its way back",
          "[proxy][external]") {
  Scene scene;
  Peer client = scene.proxy->client();
  client.send(scene.request("/one"));
  Peer upstream = scene.proxy->accept();
  REQUIRE(upstream.until("\r\n\r\n"));
  CHECK(upstream.received.find("Authorization: Bearer value-of-the-store\r\n") !=
        std::string::npos);
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n<<value-of-the-store>>\r\n");
  REQUIRE(client.until(">>\r\n"));
  CHECK(client.received.find("value-of-the-store") == std::string::npos);
  client.send(scene.request("/two"));
  REQUIRE(upstream.until("/two"));
  upstream.send(kEmpty);
  REQUIRE(client.until("Content-Length: 0\r\n"));
  CHECK(scene.values->asked() == 1);
  const vault::SourceQuery query = scene.values->query(0);
  CHECK(query.keys == std::vector<std::string>{"KEY"});
  REQUIRE(query.choices.size() == 1);
  CHECK(query.choices[0].item == "secret/app");
  CHECK(query.choices[0].fields == std::vector<std::string>{"api_key"});
}

TEST_CASE("a rotated value is used by the next request, over a connection of its own",
          "[proxy][external]") {
  Scene scene;
  Peer client = scene.proxy->client();
  scene.values->say("first-value-here", 1'000);
  client.send(scene.request());
  Peer first = scene.proxy->accept();
  REQUIRE(first.until("Bearer first-value-here\r\n"));
  REQUIRE(first.until("\r\n\r\n"));
  first.send(kEmpty);
  REQUIRE(client.until("Content-Length: 0\r\n"));
  scene.values->say("second-value-here", 60'000);
  std::this_thread::sleep_for(Millis{1'300});  // the time of the first is over
  client.received.clear();
  client.send(scene.request());
  Peer second = scene.proxy->accept();
  REQUIRE(second.until("Bearer second-value-here\r\n"));
  second.send(kEmpty);
  REQUIRE(client.until("Content-Length: 0\r\n"));
  CHECK(scene.values->asked() == 2);
}

TEST_CASE("a credential that is pointed elsewhere does not give what the old place had",
          "[proxy][external]") {
  Scene scene;
  Peer client = scene.proxy->client();
  scene.values->say("value-of-the-old-place", 60'000);
  client.send(scene.request());
  Peer first = scene.proxy->accept();
  REQUIRE(first.until("Bearer value-of-the-old-place\r\n"));
  REQUIRE(first.until("\r\n\r\n"));
  first.send(kEmpty);
  REQUIRE(client.until("Content-Length: 0\r\n"));
  auto changed = std::make_shared<vault::PolicySnapshot>();
  changed->vault_uid = "uid";
  changed->generation = 2;
  Scene::service_with_key(*changed, scene.proxy->upstream_port);
  changed->credentials.find("KEY")->second.sources.front().item = "secret/other";
  scene.proxy->server->publish(std::move(changed), scene.proxy->ring);
  // What is published holds a moment later: for a request that begins after another has been
  // answered.
  for (int i = 0; i < 2; ++i) {
    Peer other = scene.proxy->client();
    other.send("GET /whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    REQUIRE(other.until("\r\n\r\n"));
  }
  scene.values->say("value-of-the-new-place", 60'000);
  client.received.clear();
  client.send(scene.request());
  Peer second = scene.proxy->accept();
  REQUIRE(second.until("Bearer value-of-the-new-place\r\n"));
  second.send(kEmpty);
  REQUIRE(client.until("Content-Length: 0\r\n"));
  CHECK(scene.values->query(1).choices[0].item == "secret/other");
}

TEST_CASE("what cannot be had is told the agent by kind, and nothing is sent",
          "[proxy][external]") {
  const std::pair<Why, std::pair<const char*, const char*>> kinds[] = {
      {Why::kNotFound, {"502", "external_store_not_found"}},
      {Why::kDenied, {"502", "external_store_denied"}},
      {Why::kLocked, {"503", "external_store_locked"}},
      {Why::kUnreachable, {"502", "external_store_unreachable"}},
      {Why::kTimeout, {"504", "external_store_timeout"}},
      {Why::kBusy, {"503", "external_store_busy"}},
      {Why::kMalformed, {"502", "external_store_malformed"}},
      {Why::kRefused, {"502", "external_store_refused"}},
      {Why::kInvalid, {"502", "external_store_invalid"}}};
  Scene scene;
  for (const auto& [why, words] : kinds) {
    INFO(words.second);
    scene.values->fail(why);
    Peer client = scene.proxy->client();
    client.send(scene.request());
    REQUIRE(client.until("}"));
    CHECK(client.received.find(std::string("HTTP/1.1 ") + words.first) == 0);
    CHECK(client.received.find(std::string("\"") + words.second + "\"") != std::string::npos);
    // What the store said of itself is for its owner.
    CHECK(client.received.find("s.0123") == std::string::npos);
    CHECK(client.received.find("10.0.0.7") == std::string::npos);
  }
  pollfd waiting{scene.proxy->upstream.get(), POLLIN, 0};
  CHECK(::poll(&waiting, 1, 0) == 0);
}

TEST_CASE("without a way to the stores nothing goes out without its credential",
          "[proxy][external]") {
  Scene scene(Scene::service_with_key, false);
  Peer client = scene.proxy->client();
  client.send(scene.request());
  REQUIRE(client.until("external_store_unreachable"));
}

TEST_CASE("a client that leaves, and a server that ends, while a store is asked",
          "[proxy][external]") {
  std::vector<ValueSource::Done> late;
  {
    Scene scene;
    scene.values->hold();
    {
      Peer leaves = scene.proxy->client();
      leaves.send(scene.request());
      while (scene.values->asked() < 1) {
        std::this_thread::yield();
      }
    }
    Peer stays = scene.proxy->client();
    stays.send(scene.request());
    while (scene.values->asked() < 2) {
      std::this_thread::yield();
    }
    late = scene.values->take_held();
    scene.proxy.reset();
  }
  REQUIRE(late.size() == 2);
  for (const auto& done : late) {
    done(vault::StoreFailure{Why::kTimeout, "late", "", 0});
  }
}

TEST_CASE("a mapped host gets the fields of one item, asked for together", "[proxy][external]") {
  Scene scene([](vault::PolicySnapshot& snapshot, std::uint16_t port) {
    vault::HostMapping mapping;
    mapping.service.name = "map";
    mapping.service.host = "127.0.0.1";
    mapping.service.port = port;
    mapping.service.allow_http = true;
    mapping.service.auth = vault::BasicAuth{"USERNAME", "", "PASSWORD"};
    mapping.ref = {"xst_1", "item", "password"};
    vault::add_mappings(snapshot, {mapping});
  });
  Peer client = scene.proxy->client();
  client.send(scene.request());
  Peer upstream = scene.proxy->accept();
  REQUIRE(upstream.until("Authorization: Basic "));
  CHECK(scene.values->asked() == 1);
  CHECK(scene.values->query(0).keys.size() == 2);
}
