// A program's own login on its way through the proxy: what waits for whom, and what never comes
// back.
#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "core/encoding.h"
#include "proxy/login_keeper.h"
#include "running_proxy.h"

using namespace av;                  // NOLINT: a test
using namespace av::proxy;           // NOLINT
using namespace av::proxy::testing;  // NOLINT

namespace {

// Looks after /token, and remembers what it is told.
class FakeKeeper final : public LoginKeeper {
 public:
  bool concerns(const vault::RequestIdentity& identity) override {
    return identity.target.path == "/token";
  }
  Outcome<LoginStep> look(const LoginText& text) override {
    const std::lock_guard lock(mutex);
    body = text.body;
    trouble = text.trouble;
    LoginStep step;
    step.what = what;
    step.login = "login";
    step.reply.status = 400;
    step.reply.body = "{\"error\":\"authorization_pending\"}";
    return step;
  }
  void abandon(const std::string& /*login*/) override { ++abandoned; }
  void consent(const std::string& /*login*/, Consent done) override {
    const std::lock_guard lock(mutex);
    waiting = std::move(done);
    ++asked;
  }
  void keep(const std::string& /*login*/, LoginAnswer answer, Kept done) override {
    {
      const std::lock_guard lock(mutex);
      status = answer.status;
      kept_trouble = answer.trouble;
      kept = answer.body.reveal([](std::string_view bytes) { return std::string(bytes); });
    }
    LoginReply reply;
    reply.body = "{\"access_token\":\"stand-in\"}";
    ++keeps;
    done(std::move(reply));
  }
  // Whether somebody heard it.
  bool say(Outcome<void> word) {
    while (asked == 0) {
      std::this_thread::sleep_for(Millis{1});
    }
    const std::lock_guard lock(mutex);
    return waiting(std::move(word));
  }
  [[nodiscard]] std::string read(const std::string& which) {
    const std::lock_guard lock(mutex);
    return which;
  }

  LoginStep::What what = LoginStep::What::kCapture;
  std::mutex mutex;
  Consent waiting;
  std::string body;
  std::string trouble;
  std::string kept;
  std::string kept_trouble;
  int status = 0;
  std::atomic<int> asked = 0;
  std::atomic<int> keeps = 0;
  std::atomic<int> abandoned = 0;
};

struct Login {
  Login()
      : run([this](SessionGrant&, ProxyOptions& options, vault::PolicySnapshot&) {
          options.logins = keeper;
        }) {}
  [[nodiscard]] std::string request(const std::string& more = {}) const {
    const std::string host = "127.0.0.1:" + std::to_string(run.upstream_port);
    return "POST http://" + host + "/token HTTP/1.1\r\nHost: " + host +
           "\r\nProxy-Authorization: Bearer token\r\n" + more + "Content-Length: 6\r\n\r\ncode=c";
  }
  bool eventually(const std::function<bool()>& true_now) {
    for (int i = 0; i < kPatience; ++i) {
      if (true_now()) {
        return true;
      }
      std::this_thread::sleep_for(Millis{1});
    }
    return false;
  }
  std::shared_ptr<FakeKeeper> keeper = std::make_shared<FakeKeeper>();
  RunningProxy run;
};

Fault denied() {
  Fault fault;
  fault.status = 403;
  fault.code = "login_not_captured";
  return fault;
}

}  // namespace

TEST_CASE("login stage: nothing goes out before it is allowed, nothing comes back", "[login]") {
  Login login;
  Peer client = login.run.client();
  client.send(login.request());
  REQUIRE(login.eventually([&] { return login.keeper->asked == 1; }));
  CHECK(login.keeper->read(login.keeper->body) == "code=c");
  pollfd nobody{login.run.upstream.get(), POLLIN, 0};
  CHECK(::poll(&nobody, 1, 100) == 0);
  login.keeper->say({});
  Peer upstream = login.run.accept();
  REQUIRE(upstream.until("code=c"));
  upstream.send(
      "HTTP/1.1 200 OK\r\nSet-Cookie: real=1\r\nX-Token: real\r\nContent-Type: application/json\r\n"
      "Content-Length: 23\r\n\r\n{\"access_token\":\"real\"}");
  REQUIRE(client.until("stand-in\"}"));
  CHECK(client.received.find("real") == std::string::npos);
  CHECK(login.keeper->read(login.keeper->kept) == "{\"access_token\":\"real\"}");
  CHECK(login.keeper->abandoned == 0);
  // The connection goes on.
  client.received.clear();
  login.keeper->what = LoginStep::What::kAnswer;
  client.send(login.request());
  REQUIRE(client.until("authorization_pending\"}"));
  CHECK(client.received.starts_with("HTTP/1.1 400"));
}

TEST_CASE("login stage: denied, it never goes out", "[login]") {
  Login login;
  Peer client = login.run.client();
  client.send(login.request());
  login.keeper->say(denied());
  REQUIRE(client.until("login_not_captured"));
  pollfd nobody{login.run.upstream.get(), POLLIN, 0};
  CHECK(::poll(&nobody, 1, 100) == 0);
  CHECK(login.keeper->keeps == 0);
}

TEST_CASE("login stage: other requests pass as ever", "[login]") {
  Login login;
  Peer client = login.run.client();
  client.send(login.run.get());
  Peer upstream = login.run.accept();
  REQUIRE(upstream.until("\r\n\r\n"));
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal");
  CHECK(client.until("real"));
  CHECK(login.keeper->asked == 0);
}

TEST_CASE("login stage: passed on by the keeper, a body that was held goes out whole", "[login]") {
  Login login;
  login.keeper->what = LoginStep::What::kPass;
  Peer client = login.run.client();
  client.send(login.request());
  Peer upstream = login.run.accept();
  REQUIRE(upstream.until("code=c"));
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal");
  CHECK(client.until("real"));
}

TEST_CASE("login stage: an answer too large, cut or in an unknown coding is none", "[login]") {
  struct Case {
    const char* name;
    std::string head;
    std::string body;
    bool end;
  };
  const std::vector<Case> cases = {
      {"large", "Content-Length: 10000000\r\n", std::string(300'000, 'x'), false},
      {"cut", "Content-Length: 100\r\n", "{\"access_token\":", true},
      {"coding", "Content-Encoding: rot13\r\nContent-Length: 2\r\n", "{}", false},
      {"damaged", "Content-Encoding: gzip\r\nContent-Length: 2\r\n", "{}", false}};
  for (const Case& one : cases) {
    INFO(one.name);
    Login login;
    Peer client = login.run.client();
    client.send(login.request());
    login.keeper->say({});
    {
      Peer upstream = login.run.accept();
      REQUIRE(upstream.until("code=c"));
      upstream.send("HTTP/1.1 200 OK\r\n" + one.head + "\r\n");
      upstream.send(one.body);
      if (!one.end) {
        CHECK(login.eventually([&] { return login.keeper->keeps == 1; }));
      }
    }
    CHECK(login.eventually([&] { return login.keeper->keeps == 1; }));
    CHECK_FALSE(login.keeper->read(login.keeper->kept_trouble).empty());
    CHECK(client.until("stand-in"));
  }
}

TEST_CASE("login stage: what a provider gave is kept though the program has left", "[login]") {
  Login login;
  {
    Peer client = login.run.client();
    client.send(login.request());
    login.keeper->say({});
    Peer upstream = login.run.accept();
    REQUIRE(upstream.until("code=c"));
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nre");
    std::this_thread::sleep_for(Millis{50});  // its head is read
    client = login.run.client();              // closes the first
    std::this_thread::sleep_for(Millis{50});
    upstream.send("al");
    CHECK(login.eventually([&] { return login.keeper->keeps == 1; }));
  }
  CHECK(login.keeper->read(login.keeper->kept) == "real");
  CHECK(login.keeper->read(login.keeper->kept_trouble).empty());
}

TEST_CASE("login stage: allowed and come to nothing, it is given back", "[login]") {
  Login login;
  Peer client = login.run.client();
  client.send(login.request());
  login.keeper->say({});
  {
    Peer upstream = login.run.accept();
    REQUIRE(upstream.until("code=c"));
  }
  CHECK(client.until("upstream_closed"));
  CHECK(login.eventually([&] { return login.keeper->abandoned == 1; }));
  CHECK(login.keeper->keeps == 0);
}

TEST_CASE("login stage: a yes that comes when the program has left is given back", "[login]") {
  // At once, and when the stage has looked at its client in between.
  for (const int wait_ms : {0, 1'500}) {
    INFO(wait_ms);
    Login login;
    Peer client = login.run.client();
    client.send(login.request());
    REQUIRE(login.eventually([&] { return login.keeper->asked == 1; }));
    client.abort();
    std::this_thread::sleep_for(Millis{wait_ms});
    const bool heard = login.keeper->say({});
    CHECK((wait_ms == 0 || !heard));
    // Whoever was told yes has to say that nothing came of it.
    CHECK(login.eventually([&] { return login.keeper->abandoned == (heard ? 1 : 0); }));
    pollfd nobody{login.run.upstream.get(), POLLIN, 0};
    CHECK(::poll(&nobody, 1, 100) == 0);
    CHECK(login.keeper->abandoned == (heard ? 1 : 0));
  }
}

TEST_CASE("login stage: a body that cannot be read is said to be so", "[login]") {
  Login login;
  login.keeper->what = LoginStep::What::kAnswer;
  Peer client = login.run.client();
  client.send(login.request("Content-Encoding: gzip\r\n"));
  REQUIRE(client.until("pending\"}"));
  CHECK(login.keeper->read(login.keeper->trouble) == "its body is compressed");
}
