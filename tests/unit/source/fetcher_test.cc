#include "source/fetcher.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "core/clock.h"

namespace av::source {
namespace {

using Why = Failure::Why;

// Moved by the test, read by the fetcher's threads.
class ManualClock final : public Clock {
 public:
  std::int64_t wall_ms() const override { return ms_; }
  std::chrono::steady_clock::time_point steady() const override {
    ++looks_;
    return std::chrono::steady_clock::time_point(Millis(ms_.load()));
  }
  void advance(Millis time) { ms_ += time.count(); }
  int looks() const { return looks_; }

 private:
  std::atomic<std::int64_t> ms_{1'000'000};
  mutable std::atomic<int> looks_{0};
};

// A store whose answers a test lets go one by one.
class GatedStore final : public Provider {
 public:
  Result<About> pair() override { return About{}; }
  Result<About> test() override { return About{}; }
  Result<Record> fetch(const std::string& item) override {
    std::unique_lock lock(mutex_);
    ++asked_;
    items_.insert(item);
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    if (failure_) {
      return *failure_;
    }
    Record record;
    record.fields.emplace("", *Secret::copy_of(item + "/" + name_));
    record.fields.emplace("user", *Secret::copy_of("u-" + name_));
    if (lease_ms_ != 0) {
      ++leased_;
      record.lease = Lease{"lease-" + std::to_string(asked_), lease_ms_, renewable_};
    }
    return record;
  }
  std::string item_of_host(std::string_view host) const override {
    return host == "unknown.example" ? std::string() : "of " + std::string(host);
  }
  Result<Lease> renew(const Lease& lease) override {
    const std::lock_guard lock(mutex_);
    renewed_.push_back(lease.id);
    changed_.notify_all();
    return lease;
  }
  Result<void> revoke(const Lease& lease) override {
    const std::lock_guard lock(mutex_);
    revoked_.push_back(lease.id);
    changed_.notify_all();
    return {};
  }

  explicit GatedStore(std::string name) : name_(std::move(name)) {}
  void open(bool open = true) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  void fail(Why why) {
    const std::lock_guard lock(mutex_);
    failure_ = failure(why, "no");
  }
  void lease(std::int64_t life_ms, bool renewable = true) {
    const std::lock_guard lock(mutex_);
    lease_ms_ = life_ms;
    renewable_ = renewable;
  }
  std::size_t leased() {
    const std::lock_guard lock(mutex_);
    return leased_;
  }
  void wait_asked(int times) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return asked_ >= times; });
  }
  int asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  void wait_renewed(std::size_t times) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return renewed_.size() >= times; });
  }
  std::vector<std::string> revoked() {
    const std::lock_guard lock(mutex_);
    return revoked_;
  }
  void wait_revoked(std::size_t times) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return revoked_.size() >= times; });
  }

 private:
  const std::string name_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int asked_ = 0;
  std::int64_t lease_ms_ = 0;
  bool renewable_ = true;
  std::size_t leased_ = 0;
  std::set<std::string> items_;
  std::optional<Failure> failure_;
  std::vector<std::string> renewed_;
  std::vector<std::string> revoked_;
};

struct Scene {
  ManualClock clock;
  std::mutex mutex;  // for who replaces a store that is being asked
  std::map<std::string, std::shared_ptr<GatedStore>> stores;
  std::atomic<int> opened{0};
  std::unique_ptr<Fetcher> fetcher;

  explicit Scene(std::initializer_list<const char*> names,
                 const std::function<void(Fetcher::Options&)>& change = {}) {
    for (const char* const name : names) {
      stores[name] = std::make_shared<GatedStore>(name);
    }
    Fetcher::Options options;
    if (change) {
      change(options);
    }
    options.open = [this](const std::string& uid) -> Result<std::shared_ptr<Provider>> {
      ++opened;
      const std::lock_guard lock(mutex);
      const auto found = stores.find(uid);
      if (found == stores.end()) {
        return failure(Why::kInvalid, "not paired");
      }
      return std::shared_ptr<Provider>(found->second);
    };
    fetcher = std::make_unique<Fetcher>(std::move(options), clock);
  }
  ~Scene() {
    for (const auto& [name, store] : stores) {
      store->open();
    }
  }

  void replace(const std::string& uid, std::shared_ptr<GatedStore> by) {
    const std::lock_guard lock(mutex);
    stores[uid] = std::move(by);
  }
  std::future<vault::FetchResult> ask(const vault::SourceQuery& query) {
    auto promise = std::make_shared<std::promise<vault::FetchResult>>();
    fetcher->fetch(query,
                   [promise](vault::FetchResult result) { promise->set_value(std::move(result)); });
    return promise->get_future();
  }
};

vault::SourceQuery query_of(std::initializer_list<const char*> stores, std::string item = "item") {
  vault::SourceQuery query;
  query.keys = {"KEY"};
  query.host = "api.example.com";
  for (const char* const store : stores) {
    query.choices.push_back({store, item, {""}});
  }
  return query;
}

std::string value_of(const vault::FetchResult& result) {
  return result ? result->values[0]->reveal([](std::string_view v) { return std::string(v); })
                : "failed: " + std::string(to_string(result.error().why));
}

std::function<void(Fetcher::Options&)> threads_of_store(std::size_t count) {
  return [count](Fetcher::Options& options) { options.threads_of_store = count; };
}

bool eventually(const std::function<bool()>& true_now) {
  for (int i = 0; i < 10'000 && !true_now(); ++i) {
    std::this_thread::sleep_for(Millis{1});
  }
  return true_now();
}

bool waits(std::future<vault::FetchResult>& answer) {
  return answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

TEST_CASE("however many ask, a store is asked once for an item") {
  Scene scene({"a"});
  scene.stores["a"]->open(false);
  std::vector<std::future<vault::FetchResult>> answers;
  for (int i = 0; i < 50; ++i) {
    answers.push_back(scene.ask(query_of({"a"})));
  }
  scene.stores["a"]->wait_asked(1);
  scene.stores["a"]->open();
  for (auto& answer : answers) {
    CHECK(value_of(answer.get()) == "item/a");
  }
  CHECK(value_of(scene.ask(query_of({"a"})).get()) == "item/a");
  CHECK(scene.stores["a"]->asked() == 1);
  CHECK(scene.fetcher->counts().hits == 1);
  CHECK(scene.opened == 1);
}

TEST_CASE("a value that was rotated is had after a minute") {
  Scene scene({"a"});
  CHECK(value_of(scene.ask(query_of({"a"})).get()) == "item/a");
  scene.clock.advance(Millis{59'999});
  CHECK(value_of(scene.ask(query_of({"a"})).get()) == "item/a");
  CHECK(scene.stores["a"]->asked() == 1);
  scene.clock.advance(Millis{1});
  CHECK(value_of(scene.ask(query_of({"a"})).get()) == "item/a");
  CHECK(scene.stores["a"]->asked() == 2);
}

TEST_CASE("a slow store holds up nobody who needs another, nor other items of its own") {
  Scene scene({"slow", "fast"});
  scene.stores["slow"]->open(false);
  auto slow = scene.ask(query_of({"slow"}, "one"));
  scene.stores["slow"]->wait_asked(1);
  auto second = scene.ask(query_of({"slow"}, "two"));
  scene.stores["slow"]->wait_asked(2);
  CHECK(value_of(scene.ask(query_of({"fast"})).get()) == "item/fast");
  CHECK(waits(slow));
  scene.stores["slow"]->open();
  CHECK(value_of(slow.get()) == "one/slow");
  CHECK(value_of(second.get()) == "two/slow");
}

TEST_CASE("a store is asked few things at a time, however slow it is, and others go on") {
  // One of the three is for what has had an answer.
  Scene scene({"slow", "fast"}, threads_of_store(3));
  scene.stores["slow"]->open(false);
  std::vector<std::future<vault::FetchResult>> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(scene.ask(query_of({"slow"}, "item" + std::to_string(i))));
  }
  scene.stores["slow"]->wait_asked(2);
  CHECK(value_of(scene.ask(query_of({"fast"})).get()) == "item/fast");
  CHECK(scene.stores["slow"]->asked() == 2);
  scene.stores["slow"]->open();
  for (auto& answer : slow) {
    CHECK(answer.get().has_value());
  }
}

// An agent that names one host after the other, of which the store knows none and is slow to say
// so.
TEST_CASE("what has had an answer is asked for again, however much else a slow store is asked") {
  Scene scene({"a"}, threads_of_store(2));
  CHECK(value_of(scene.ask(query_of({"a"}, "works")).get()) == "works/a");
  scene.stores["a"]->open(false);
  std::vector<std::future<vault::FetchResult>> others;
  for (int i = 0; i < 20; ++i) {
    others.push_back(scene.ask(query_of({"a"}, "item" + std::to_string(i))));
  }
  scene.stores["a"]->wait_asked(2);
  scene.clock.advance(Millis{kKeepFoundMs});
  auto again = scene.ask(query_of({"a"}, "works"));
  // Beside the first of the others, and before the second of them.
  scene.stores["a"]->wait_asked(3);
  CHECK(scene.stores["a"]->asked() == 3);
  scene.stores["a"]->open();
  CHECK(value_of(again.get()) == "works/a");
  for (auto& answer : others) {
    CHECK(answer.get().has_value());
  }
}

TEST_CASE("the preferred store wins when it answers in its time of grace") {
  Scene scene({"first", "second"});
  scene.stores["first"]->open(false);
  auto answer = scene.ask(query_of({"first", "second"}));
  scene.stores["first"]->wait_asked(1);
  scene.stores["second"]->wait_asked(1);
  scene.clock.advance(Millis{499});
  scene.fetcher->look();
  CHECK(waits(answer));
  scene.stores["first"]->open();
  CHECK(value_of(answer.get()) == "item/first");
}

TEST_CASE("after the time of grace the store that has answered wins") {
  Scene scene({"first", "second"});
  scene.stores["first"]->open(false);
  auto answer = scene.ask(query_of({"first", "second"}));
  scene.stores["second"]->wait_asked(1);
  // The grace begins with the other's answer, which is on its way.
  while (waits(answer)) {
    scene.clock.advance(Millis{500});
    scene.fetcher->look();
    std::this_thread::yield();
  }
  CHECK(value_of(answer.get()) == "item/second");
  // The late one is kept for the next.
  scene.stores["first"]->open();
  CHECK(value_of(scene.ask(query_of({"first"})).get()) == "item/first");
  CHECK(scene.stores["first"]->asked() == 1);
}

TEST_CASE("a preferred store that does not have it is not waited for") {
  Scene scene({"first", "second"});
  scene.stores["first"]->fail(Why::kNotFound);
  CHECK(value_of(scene.ask(query_of({"first", "second"})).get()) == "item/second");
}

TEST_CASE("when nobody has it, a store that could not be asked says more than one that has not") {
  Scene scene({"first", "second"});
  scene.stores["first"]->fail(Why::kNotFound);
  scene.stores["second"]->fail(Why::kTimeout);
  CHECK(value_of(scene.ask(query_of({"first", "second"})).get()) == "failed: timeout");
  CHECK(value_of(scene.ask(query_of({"first"})).get()) == "failed: not_found");
}

TEST_CASE("fields of one item are of one answer, and one that is not there is named") {
  Scene scene({"a"});
  vault::SourceQuery query = query_of({"a"});
  query.keys = {"USER", "VALUE"};
  query.choices[0].fields = {"user", ""};
  const vault::FetchResult both = scene.ask(query).get();
  REQUIRE(both);
  CHECK(both->values[0]->reveal([](std::string_view v) { return std::string(v); }) == "u-a");
  CHECK(value_of(scene.ask(query).get()) == "u-a");
  query.choices[0].fields = {"nobody", ""};
  const vault::FetchResult none = scene.ask(query).get();
  REQUIRE_FALSE(none);
  CHECK(none.error().why == Why::kNotFound);
  CHECK(none.error().message.find("it has ") != std::string::npos);
  CHECK(scene.stores["a"]->asked() == 1);
}

TEST_CASE("a store is asked for what it has for a host") {
  Scene scene({"a"});
  CHECK(value_of(scene.ask(query_of({"a"}, "")).get()) == "of api.example.com/a");
  vault::SourceQuery unknown = query_of({"a"}, "");
  unknown.host = "unknown.example";
  CHECK(value_of(scene.ask(unknown).get()) == "failed: not_found");
}

TEST_CASE("a lease in use is renewed by itself and given back at the end") {
  Scene scene({"a"});
  scene.stores["a"]->lease(60'000);
  REQUIRE(scene.ask(query_of({"a"})).get());
  scene.clock.advance(Millis{40'000});
  scene.fetcher->look();
  scene.stores["a"]->wait_renewed(1);
  CHECK(scene.stores["a"]->revoked().empty());
  scene.fetcher.reset();
  CHECK(scene.stores["a"]->revoked() == std::vector<std::string>{"lease-1"});
}

TEST_CASE("a store that was paired anew is opened and asked anew") {
  Scene scene({"a"});
  scene.fetcher->set_stores({{"a", 1}});
  REQUIRE(scene.ask(query_of({"a"})).get());
  scene.fetcher->set_stores({{"a", 1}});
  REQUIRE(scene.ask(query_of({"a"})).get());
  CHECK(scene.stores["a"]->asked() == 1);
  scene.fetcher->set_stores({{"a", 2}});
  REQUIRE(scene.ask(query_of({"a"})).get());
  CHECK(scene.stores["a"]->asked() == 2);
  CHECK(scene.opened == 2);
  scene.fetcher->set_stores({});
  scene.stores.erase("a");
  CHECK(value_of(scene.ask(query_of({"a"})).get()) == "failed: invalid");
}

TEST_CASE("what is known of a store can be told: leases, and how long it rests") {
  Scene scene({"a", "b"});
  scene.stores["a"]->lease(60'000);
  REQUIRE(scene.ask(query_of({"a"})).get());
  REQUIRE(scene.ask(query_of({"a"})).get());
  scene.stores["b"]->fail(Why::kNotFound);
  CHECK_FALSE(scene.ask(query_of({"b"}, "missing")).get());
  CHECK(scene.fetcher->state_of("b").rests_ms == 0);  // that something is not there is no trouble
  CHECK(scene.fetcher->counts().cooldowns == 0);
  scene.stores["b"]->fail(Why::kUnreachable);
  CHECK_FALSE(scene.ask(query_of({"b"})).get());
  CHECK(scene.fetcher->state_of("a").leases == 1);
  CHECK(scene.fetcher->state_of("a").rests_ms == 0);
  CHECK(scene.fetcher->state_of("b").leases == 0);
  CHECK(scene.fetcher->state_of("b").rests_ms == 60'000);
  scene.clock.advance(Millis{59'000});
  CHECK(scene.fetcher->state_of("b").rests_ms == 1'000);
  scene.clock.advance(Millis{2'000});
  CHECK(scene.fetcher->state_of("b").rests_ms == 0);
  const Fetcher::Counts counts = scene.fetcher->counts();
  CHECK(counts.hits == 1);
  CHECK(counts.misses == 3);
  CHECK(counts.leases == 1);
  CHECK(counts.cooldowns == 1);
}

TEST_CASE("whoever waits is told when the program ends") {
  auto scene =
      std::make_unique<Scene>(std::initializer_list<const char*>{"a"}, threads_of_store(1));
  scene->stores["a"]->open(false);
  auto under_way = scene->ask(query_of({"a"}, "one"));
  auto queued = scene->ask(query_of({"a"}, "two"));
  const auto store = scene->stores["a"];
  store->wait_asked(1);
  std::thread opens([&] {
    // The end waits for what is under way; it is let go once those who wait have been told.
    under_way.wait();
    queued.wait();
    store->open();
  });
  store->lease(0);
  scene->fetcher.reset();
  opens.join();
  CHECK(value_of(under_way.get()) == "failed: unreachable");
  CHECK(value_of(queued.get()) == "failed: unreachable");
  CHECK(store->asked() == 1);
}

TEST_CASE("a value whose time is over does not stay in memory") {
  Scene scene({"a"});
  std::weak_ptr<const Secret> value;
  {
    const vault::FetchResult result = scene.ask(query_of({"a"})).get();
    REQUIRE(result);
    value = result->values[0];
  }
  scene.clock.advance(Millis{59'000});
  scene.fetcher->look();
  CHECK_FALSE(value.expired());
  scene.clock.advance(Millis{15'000});
  scene.fetcher->look();
  CHECK(eventually([&] { return value.expired(); }));
}

TEST_CASE("a lease that is not to be renewed is given back when it has ended, by itself") {
  Scene scene({"a"});
  scene.stores["a"]->lease(20'000, /*renewable=*/false);
  REQUIRE(scene.ask(query_of({"a"})).get());
  scene.clock.advance(Millis{33'000});
  scene.fetcher->look();
  CHECK(eventually([&] { return scene.stores["a"]->revoked().size() == 1; }));
}

TEST_CASE(
    "an item without the field that is wanted keeps nobody busy while a store is waited for") {
  Scene scene({"first", "second"});
  scene.stores["first"]->open(false);
  vault::SourceQuery query = query_of({"first", "second"});
  query.choices[1].fields = {"nobody"};
  auto answer = scene.ask(query);
  scene.stores["first"]->wait_asked(1);
  CHECK(eventually([&] { return scene.fetcher->counts().asked == 1; }));
  scene.clock.advance(Millis{2'000});
  scene.fetcher->look();
  const int before = scene.clock.looks();
  std::this_thread::sleep_for(Millis{100});
  CHECK(scene.clock.looks() - before < 100);
  CHECK(waits(answer));
  scene.stores["first"]->open();
  CHECK(value_of(answer.get()) == "item/first");
}

TEST_CASE("what a store said before it was paired anew is not taken for what it says now") {
  Scene scene({"a"});
  scene.fetcher->set_stores({{"a", 1}});
  const auto before = scene.stores["a"];
  before->open(false);
  SECTION("that it refuses") {
    before->fail(Why::kRefused);
  }
  SECTION("a value") {}
  SECTION("a value with a lease, which is given back to it") {
    before->lease(60'000);
  }
  auto answer = scene.ask(query_of({"a"}));
  before->wait_asked(1);
  scene.replace("a", std::make_shared<GatedStore>("anew"));
  scene.fetcher->set_stores({{"a", 2}});
  auto second = scene.ask(query_of({"a"}));
  CHECK(waits(second));  // the question is under way
  before->open();
  CHECK(value_of(answer.get()) == "item/anew");
  CHECK(value_of(second.get()) == "item/anew");
  CHECK(value_of(scene.ask(query_of({"a"}, "other")).get()) == "other/anew");
  CHECK(scene.opened == 2);
  CHECK(eventually([&] { return before->revoked().size() == before->leased(); }));
}

TEST_CASE("a store that was paired anew while it was being opened is opened again") {
  Scene scene({"a"});
  scene.fetcher->set_stores({{"a", 1}});
  std::unique_lock holds(scene.mutex);
  auto answer = scene.ask(query_of({"a"}));
  CHECK(eventually([&] { return scene.opened == 1; }));
  scene.fetcher->set_stores({{"a", 2}});
  holds.unlock();
  CHECK(value_of(answer.get()) == "item/a");
  CHECK(scene.opened == 2);
}

TEST_CASE("leases of a store that is not paired any more are given back by what it was") {
  Scene scene({"a"});
  scene.fetcher->set_stores({{"a", 1}});
  const auto store = scene.stores["a"];
  store->lease(60'000);
  REQUIRE(scene.ask(query_of({"a"})).get());
  scene.replace("a", std::make_shared<GatedStore>("anew"));
  scene.fetcher->set_stores({});
  CHECK(eventually([&] { return store->revoked() == std::vector<std::string>{"lease-1"}; }));
}

TEST_CASE("a lease that comes when the program ends is given back") {
  Scene scene({"a"});
  const auto store = scene.stores["a"];
  store->open(false);
  store->lease(60'000);
  auto answer = scene.ask(query_of({"a"}));
  store->wait_asked(1);
  std::thread opens([&] {
    answer.wait();
    store->open();
  });
  scene.fetcher.reset();
  opens.join();
  CHECK(store->revoked() == std::vector<std::string>{"lease-1"});
}

TEST_CASE("a store that answers after the end's patience starts nothing any more") {
  Scene scene({"a"}, [](Fetcher::Options& options) { options.farewell = Millis{0}; });
  const auto store = scene.stores["a"];
  store->lease(10'000);
  REQUIRE(scene.ask(query_of({"a"})).get());
  scene.clock.advance(Millis{9'500});
  store->open(false);
  auto answer = scene.ask(query_of({"a"}));
  store->wait_asked(2);
  std::thread opens([&] {
    answer.wait();
    std::this_thread::sleep_for(Millis{200});  // until the threads are being waited for
    store->open();
  });
  scene.fetcher.reset();
  opens.join();
  CHECK(value_of(answer.get()) == "failed: unreachable");
}

TEST_CASE("without a thread to be had nobody waits for one") {
  Scene scene({"a"}, [](Fetcher::Options& options) { options.most_threads = 0; });
  auto answer = scene.ask(query_of({"a"}));
  REQUIRE_FALSE(waits(answer));
  CHECK(value_of(answer.get()) == "failed: unreachable");
}

TEST_CASE("a store that is slow has so many questions wait for it, and no more") {
  Scene scene({"slow", "other"}, [](Fetcher::Options& options) {
    options.threads_of_store = 1;
    options.most_waiting = 2;
  });
  scene.stores["slow"]->open(false);
  std::vector<std::future<vault::FetchResult>> answers;
  answers.push_back(scene.ask(query_of({"slow"}, "0")));
  scene.stores["slow"]->wait_asked(1);
  for (const char* const item : {"1", "2", "3", "1"}) {
    answers.push_back(scene.ask(query_of({"slow"}, item)));
  }
  REQUIRE_FALSE(waits(answers[3]));
  CHECK(value_of(answers[3].get()) == "failed: busy");
  CHECK(waits(answers[4]));  // it shares the question of another
  CHECK(value_of(scene.ask(query_of({"other"})).get()) == "item/other");
  scene.stores["slow"]->open();
  CHECK(value_of(answers[4].get()) == "1/slow");
  CHECK(value_of(scene.ask(query_of({"slow"}, "3")).get()) == "3/slow");
}

}  // namespace
TEST_CASE("fetcher: the host of a request stands in the reference, each host for itself",
          "[fetcher]") {
  Scene scene({"a"});
  const auto of_host = [&](const std::string& host) {
    vault::SourceQuery query = query_of({"a"}, "web/{host}/token");
    query.host = host;
    return value_of(scene.ask(query).get());
  };
  CHECK(of_host("api.example.com") == "web/api.example.com/token/a");
  CHECK(of_host("other.example") == "web/other.example/token/a");
  CHECK(of_host("api.example.com") == "web/api.example.com/token/a");
  CHECK(scene.stores["a"]->asked() == 2);
  // What is no name is not asked for.
  for (const char* const host : {"192.0.2.1", "[::1]", "localhost", "a/../b.example", "", ".."}) {
    INFO(host);
    CHECK(of_host(host) == "failed: not_found");
  }
  CHECK(scene.stores["a"]->asked() == 2);
}

TEST_CASE("fetcher: a lease that somebody else has left is given back", "[fetcher]") {
  std::atomic<int> noted{0};
  Scene scene({"a"}, [&](Fetcher::Options& options) {
    options.note = [&](const Fetcher::Event& event) {
      noted += event.what == "revoke" && event.left && !event.failure ? 1 : 0;
    };
  });
  scene.fetcher->give_back("a", Lease{"left-1", 0, false});
  scene.stores["a"]->wait_revoked(1);
  CHECK(scene.stores["a"]->revoked() == std::vector<std::string>{"left-1"});
  CHECK(eventually([&] { return noted == 1; }));
  CHECK(scene.fetcher->counts().leases == 0);
  // Of a store that is not paired any more nothing can be: it is told, and no more.
  scene.fetcher->give_back("gone", Lease{"left-2", 0, false});
  CHECK(eventually([&] { return scene.opened == 2; }));
  CHECK(scene.stores["a"]->revoked().size() == 1);
}

}  // namespace av::source
