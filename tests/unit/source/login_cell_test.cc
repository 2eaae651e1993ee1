#include "source/login_cell.h"

#include <condition_variable>
#include <thread>

#include "unit/source/fake_http.h"

using namespace av;
using namespace av::source;
using namespace av::test;
using Why = Failure::Why;

namespace {

// A store that gives out tokens of a minute; a test holds it up and counts.
class Maker {
 public:
  explicit Maker(const Clock& clock) : clock_(clock) {}
  Result<LoginToken> operator()(const LoginToken* before) {
    std::unique_lock lock(mutex_);
    ++made;
    befores += before != nullptr ? 1 : 0;
    inside_.notify_all();
    open_.wait(lock, [&] { return !held; });
    if (failing) {
      return failure(Why::kUnreachable, "no connection");
    }
    LoginToken out;
    out.value = secret("token-" + std::to_string(made));
    out.renewable = renewable;
    if (renewable && before != nullptr) {
      out.serial = before->serial;
    }
    set_life(out, steady_ms(clock_), 60'000);
    return out;
  }
  void hold() {
    const std::lock_guard lock(mutex_);
    held = true;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    held = false;
    open_.notify_all();
  }
  void wait_until_made(int count) {
    std::unique_lock lock(mutex_);
    inside_.wait(lock, [&] { return made >= count; });
  }
  LoginCell::Make function() {
    return [this](const LoginToken* before) { return (*this)(before); };
  }

  int made = 0;
  int befores = 0;
  bool failing = false;
  bool renewable = false;

 private:
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable inside_;
  std::condition_variable open_;
  bool held = false;
};

struct Setup {
  MovedClock clock;
  Maker maker{clock};
  LoginCell cell{clock, maker.function()};
};

std::string value(const Result<LoginCell::Held>& got) {
  return got ? shown((*got)->value) : "failed: " + got.error().message;
}

// What `count` threads get that all ask before the first of them has been answered.
std::vector<std::string> all_at_once(Setup& s, int count,
                                     const std::function<Result<LoginCell::Held>()>& ask) {
  std::vector<std::string> out(static_cast<std::size_t>(count));
  const int before = s.maker.made;
  s.maker.hold();
  std::vector<std::thread> threads;
  for (std::string& one : out) {
    threads.emplace_back([&one, &ask] { one = value(ask()); });
  }
  s.maker.wait_until_made(before + 1);
  s.maker.release();
  for (std::thread& thread : threads) {
    thread.join();
  }
  return out;
}

}  // namespace

TEST_CASE("login cell: one login serves all threads that wait for it", "[source][login]") {
  Setup s;
  for (const std::string& one : all_at_once(s, 16, [&] { return s.cell.get(); })) {
    CHECK(one == "token-1");
  }
  CHECK(s.maker.made == 1);
}

TEST_CASE("login cell: a login that fails fails for all who wait, and is tried again later",
          "[source][login]") {
  Setup s;
  s.maker.failing = true;
  int failed = 0;
  for (const std::string& one : all_at_once(s, 8, [&] { return s.cell.get(); })) {
    failed += one == "failed: no connection" ? 1 : 0;
  }
  CHECK(failed == 8);
  CHECK(s.maker.made <= 8);  // who came after the failure has tried once himself
  s.maker.failing = false;
  CHECK(s.cell.get());
}

TEST_CASE("login cell: a token is used until it is due, and replaced before it ends",
          "[source][login]") {
  Setup s;
  CHECK(value(s.cell.get()) == "token-1");
  s.clock.pass_s(53);
  CHECK(value(s.cell.get()) == "token-1");
  s.clock.pass_s(1);  // nine tenths of a minute
  CHECK(value(s.cell.get()) == "token-2");
  CHECK(s.maker.befores == 1);
  s.clock.pass_s(61);  // it has ended: nothing to renew
  CHECK(value(s.cell.get()) == "token-3");
  CHECK(s.maker.befores == 1);
}

TEST_CASE("login cell: a token that can be renewed is due earlier, and stays the same token",
          "[source][login]") {
  Setup s;
  s.maker.renewable = true;
  const auto first = s.cell.get();
  REQUIRE(first);
  s.clock.pass_s(41);
  const auto second = s.cell.get();
  REQUIRE(second);
  CHECK(value(second) == "token-2");
  CHECK((*second)->serial == (*first)->serial);
  CHECK(s.cell.end_of((*first)->serial) == (*second)->ends_ms);
  CHECK(s.cell.take_all().size() == 1);
}

TEST_CASE("login cell: while a token that still holds is being replaced, nobody waits",
          "[source][login]") {
  Setup s;
  REQUIRE(s.cell.get());
  s.clock.pass_s(55);
  s.maker.hold();
  std::thread replacing([&] { CHECK(value(s.cell.get()) == "token-2"); });
  s.maker.wait_until_made(2);
  CHECK(value(s.cell.get()) == "token-1");  // would hang if it waited
  s.maker.release();
  replacing.join();
  CHECK(value(s.cell.get()) == "token-2");
}

TEST_CASE("login cell: a renewal that fails is no failure while the token holds, nor tried at once",
          "[source][login]") {
  Setup s;
  REQUIRE(s.cell.get());
  s.maker.failing = true;
  s.clock.pass_s(54);
  for (int i = 0; i < 5; ++i) {
    CHECK(value(s.cell.get()) == "token-1");
  }
  CHECK(s.maker.made == 2);
  s.clock.pass_s(6);  // it has ended
  CHECK(value(s.cell.get()) == "failed: no connection");
}

TEST_CASE("login cell: a token that is refused is replaced once for all who saw it refused",
          "[source][login]") {
  Setup s;
  const auto bad = s.cell.get();
  REQUIRE(bad);
  for (const std::string& one : all_at_once(s, 16, [&] { return s.cell.instead_of(*bad); })) {
    CHECK(one == "token-2");
  }
  CHECK(s.maker.made == 2);
  CHECK(s.maker.befores == 0);  // a refused token is not renewed
}

TEST_CASE("login cell: tokens that were replaced are known until they end, a few of them",
          "[source][login]") {
  Setup s;
  const auto first = s.cell.get();
  REQUIRE(first);
  REQUIRE(s.cell.instead_of(*first));
  CHECK(s.cell.end_of((*first)->serial) == (*first)->ends_ms);
  for (int i = 0; i < 20; ++i) {
    const auto next = s.cell.get();
    REQUIRE(next);
    REQUIRE(s.cell.instead_of(*next));
  }
  CHECK_FALSE(s.cell.end_of((*first)->serial));
  const auto all = s.cell.take_all();
  CHECK(all.size() == 9);
  CHECK(s.cell.take_all().empty());
  CHECK(value(s.cell.get()) == "token-23");
  s.clock.pass_s(61);
  CHECK(s.cell.take_all().empty());
}
