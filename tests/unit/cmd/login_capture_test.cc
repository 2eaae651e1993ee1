#include "cmd/login_capture.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "unit/store/temp_home.h"

using namespace av;
using namespace av::test;
using proxy::LoginStep;
using vault::ApprovalState;

namespace {

constexpr const char* kGithub = "/login/oauth/access_token";
constexpr const char* kTokens =
    R"({"access_token":"gho_real","refresh_token":"ghr_real","token_type":"bearer","scope":"repo"})";

class SetClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return now; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::milliseconds(now));
  }
  std::int64_t now = 1'700'000'000'000;
};

class FakeDesk final : public vault::ApprovalDesk {
 public:
  Status ask(vault::ApprovalRequest request, Answer answer) override {
    asked.push_back(request);
    answers[request.id] = std::move(answer);
    return {};
  }
  void withdraw(const std::string& id, ApprovalState /*why*/) override { withdrawn.push_back(id); }
  void decide(ApprovalState state) { answers.at(asked.back().id)(state); }
  std::vector<vault::ApprovalRequest> asked;
  std::map<std::string, Answer> answers;
  std::vector<std::string> withdrawn;
};

// A run, without a proxy.
struct Run {
  explicit Run(bool capture = true) {
    context.clock = &clock;
    context.paths = home.paths();
    context.err = std::tmpfile();
    context.store = std::move(*open_store(home, clock));
    cmd::LoginCapture::Options options;
    options.capture = capture;
    options.run = "run_1";
    options.desk = desk;
    logins.emplace(std::move(options), clock);
  }
  ~Run() { std::fclose(context.err); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  proxy::Outcome<LoginStep> look(const std::string& body, const std::string& host = "github.com",
                                 const std::string& path = kGithub) {
    vault::RequestIdentity identity;
    identity.method = "POST";
    identity.authority = {host, 443};
    identity.target.path = path;
    concerned = logins->concerns(identity);
    const proxy::LoginText text{identity, "application/x-www-form-urlencoded", {}, body, {}};
    return logins->look(text);
  }
  // Empty while nobody has decided, then "yes" or the code of the refusal.
  std::shared_ptr<std::string> consent(const std::string& login) {
    auto said = std::make_shared<std::string>();
    logins->consent(login, [said](proxy::Outcome<void> answer) {
      *said = answer ? "yes" : std::string(answer.error().code);
      return true;
    });
    return said;
  }
  // By a program that has left before it is told.
  void consent_of_none(const std::string& login) {
    logins->consent(login, [](const proxy::Outcome<void>& /*answer*/) { return false; });
  }
  std::optional<proxy::Outcome<proxy::LoginReply>> keep(const std::string& login, int status,
                                                        std::string_view body) {
    proxy::LoginAnswer answer;
    answer.status = status;
    answer.content_type = "application/json";
    answer.body = secret(body);
    std::optional<proxy::Outcome<proxy::LoginReply>> out;
    logins->keep(login, std::move(answer),
                 [&](proxy::Outcome<proxy::LoginReply> reply) { out.emplace(std::move(reply)); });
    CHECK_FALSE(out);  // not before it is stored
    pump();
    return out;
  }
  void pump() {
    logins->pump({context, vault, {}, {}, nullptr, [this] {
                    ++reloads;
                    return true;
                  }});
  }
  // A login of this body, allowed and under way.
  std::string allowed(const std::string& body) {
    auto step = look(body);
    REQUIRE(step);
    REQUIRE(step->what == LoginStep::What::kCapture);
    const auto said = consent(step->login);
    pump();
    desk->decide(ApprovalState::kAllowed);
    REQUIRE(*said == "yes");
    return step->login;
  }

  TempHome home;
  SetClock clock;
  cmd::Context context;
  std::string vault = "default";
  std::shared_ptr<FakeDesk> desk = std::make_shared<FakeDesk>();
  std::optional<cmd::LoginCapture> logins;
  int reloads = 0;
  bool concerned = false;
};

std::string refused(const proxy::Outcome<LoginStep>& step) {
  return step ? "no" : std::string(step.error().code);
}

}  // namespace

TEST_CASE("login capture: a code is asked about once and redeemed once", "[cmd][login]") {
  Run run;
  auto first = run.look("code=c1&client_id=me");
  auto second = run.look("code=c1&client_id=me&state=2");
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->what == LoginStep::What::kCapture);
  CHECK(first->login == second->login);
  const auto one = run.consent(first->login);
  const auto two = run.consent(second->login);
  run.pump();
  run.pump();
  REQUIRE(run.desk->asked.size() == 1);
  CHECK(one->empty());
  CHECK(run.desk->asked.front().effect.find("GITHUB_OAUTH") != std::string::npos);
  CHECK(run.desk->asked.front().preview.find("c1") == std::string::npos);
  run.desk->decide(ApprovalState::kAllowed);
  CHECK(*one == "yes");
  CHECK(*two == "login_not_captured");
  // While it is under way, nobody else is let through.
  CHECK(refused(run.look("code=c1")) == "login_not_captured");

  const auto kept = run.keep(first->login, 200, kTokens);
  REQUIRE(kept);
  REQUIRE(*kept);
  CHECK((*kept)->body.find("real") == std::string::npos);
  CHECK((*kept)->placeholders != nullptr);
  CHECK(run.reloads == 1);
  CHECK(get(*run.context.store, "GITHUB_OAUTH") == "gho_real");
  CHECK(run.context.store->list_services("default")->size() == 2);
  // The same code again never reaches the provider, which would take the tokens back.
  const auto again = run.look("code=c1&client_id=me");
  REQUIRE(again);
  CHECK(again->what == LoginStep::What::kAnswer);
  CHECK(again->reply.body == (*kept)->body);
}

TEST_CASE("login capture: who is not answered in time is refused, for good", "[cmd][login]") {
  Run run;
  auto step = run.look("code=c1");
  const auto said = run.consent(step->login);
  run.pump();
  run.clock.now += cmd::LoginCapture::kAskMs - 1;
  run.pump();
  CHECK(said->empty());
  run.clock.now += 1;
  run.pump();
  CHECK(*said == "login_not_captured");
  CHECK(run.desk->withdrawn == std::vector{run.desk->asked.front().id});
  CHECK(refused(run.look("code=c1")) == "login_not_captured");
  run.pump();
  CHECK(run.desk->asked.size() == 1);
  CHECK(run.context.store->list_credentials("default")->empty());
}

TEST_CASE("login capture: a device polls on while a person decides", "[cmd][login]") {
  Run run;
  const std::string poll =
      "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=a&device_code=d1";
  for (int i = 0; i < 3; ++i) {
    auto step = run.look(poll);
    REQUIRE(step);
    CHECK(step->what == LoginStep::What::kAnswer);
    CHECK(step->reply.status == 400);
    CHECK(step->reply.body.find("authorization_pending") != std::string::npos);
    run.pump();
  }
  REQUIRE(run.desk->asked.size() == 1);
  run.desk->decide(ApprovalState::kAllowed);
  for (int i = 0; i < 2; ++i) {
    auto step = run.look(poll);
    REQUIRE(step);
    REQUIRE(step->what == LoginStep::What::kCapture);
    CHECK(*run.consent(step->login) == "yes");
    const auto reply = run.keep(step->login, 400, R"({"error":"authorization_pending"})");
    REQUIRE(reply);
    REQUIRE(*reply);
    CHECK((*reply)->body == R"({"error":"authorization_pending"})");
  }
  auto last = run.look(poll);
  CHECK(*run.consent(last->login) == "yes");
  const auto kept = run.keep(last->login, 200, kTokens);
  REQUIRE(kept);
  CHECK(kept->has_value());
  CHECK(run.desk->asked.size() == 1);
}

TEST_CASE("login capture: a request that came to nothing may be made again", "[cmd][login]") {
  Run run;
  const std::string login = run.allowed("code=c1");
  run.logins->abandon(login);
  CHECK(*run.consent(login) == "yes");
  CHECK(*run.consent(login) == "login_not_captured");
  // An answer that cannot be read is none; the provider says what has become of the code.
  proxy::LoginAnswer cut;
  cut.status = 200;
  cut.trouble = "it broke off";
  std::string code;
  run.logins->keep(login, std::move(cut), [&](proxy::Outcome<proxy::LoginReply> reply) {
    code = reply ? "kept" : std::string(reply.error().code);
  });
  run.pump();
  CHECK(code == "login_not_kept");
  CHECK(*run.consent(login) == "yes");
  CHECK(run.context.store->list_credentials("default")->empty());
}

TEST_CASE("login capture: a yes goes to who is still there, or to who comes again",
          "[cmd][login]") {
  Run run;
  auto step = run.look("code=c1");
  REQUIRE(step);
  run.consent_of_none(step->login);
  SECTION("another request of it waits") {
    const auto second = run.consent(step->login);
    const auto third = run.consent(step->login);
    run.pump();
    run.desk->decide(ApprovalState::kAllowed);
    CHECK(*second == "yes");
    CHECK(*third == "login_not_captured");
  }
  SECTION("nobody waits, and the program sends its code again") {
    run.pump();
    run.desk->decide(ApprovalState::kAllowed);
    run.consent_of_none(step->login);
    REQUIRE(run.look("code=c1")->what == LoginStep::What::kCapture);
    CHECK(*run.consent(step->login) == "yes");
  }
  CHECK(*run.consent(step->login) == "login_not_captured");
  const auto kept = run.keep(step->login, 200, kTokens);
  REQUIRE(kept);
  CHECK(kept->has_value());
  CHECK(run.desk->asked.size() == 1);
}

TEST_CASE("login capture: of a login that is sent again and again the last ones wait",
          "[cmd][login]") {
  Run run;
  auto step = run.look("code=c1");
  REQUIRE(step);
  std::vector<std::shared_ptr<std::string>> said;
  for (std::size_t i = 0; i < cmd::LoginCapture::kMostWaiting + 2; ++i) {
    said.push_back(run.consent(step->login));
  }
  CHECK(*said[0] == "login_not_captured");
  CHECK(*said[1] == "login_not_captured");
  CHECK(said[2]->empty());
  run.pump();
  run.desk->decide(ApprovalState::kAllowed);
  CHECK(*said[2] == "yes");
}

TEST_CASE("login capture: only what the question named is replaced", "[cmd][login]") {
  Run run;
  REQUIRE(run.keep(run.allowed("code=c1"), 200, kTokens)->has_value());
  CHECK(run.desk->asked.back().effect.find("REPLACES") == std::string::npos);
  // A second login of the run takes its place, and says so.
  const std::string second = run.allowed("code=c2");
  CHECK(run.desk->asked.back().effect.find("REPLACES GITHUB_OAUTH") != std::string::npos);
  // Meanwhile a person has put something else there.
  REQUIRE(set(*run.context.store, "GITHUB_OAUTH", "own"));
  const auto kept = run.keep(second, 200, kTokens);
  REQUIRE(kept);
  REQUIRE_FALSE(*kept);
  CHECK(kept->error().code == "login_not_kept");
  CHECK(get(*run.context.store, "GITHUB_OAUTH") == "own");
  // What is not a login of this provider is never replaced.
  REQUIRE(run.keep(run.allowed("code=c3"), 200, kTokens)->has_value());
  CHECK(run.desk->asked.back().effect.find("GITHUB_OAUTH_2") != std::string::npos);
  CHECK(run.desk->asked.back().effect.find("REPLACES") == std::string::npos);
  CHECK(get(*run.context.store, "GITHUB_OAUTH") == "own");
  CHECK(get(*run.context.store, "GITHUB_OAUTH_2") == "gho_real");
}

TEST_CASE("login capture: a program cannot have more asked than a person reads", "[cmd][login]") {
  Run run;
  for (std::size_t i = 0; i < cmd::LoginCapture::kMostAsking; ++i) {
    CHECK(run.look("code=" + std::to_string(i)));
  }
  CHECK(refused(run.look("code=more")) == "approval_queue_full");
  run.pump();
  CHECK(run.desk->asked.size() == cmd::LoginCapture::kMostAsking);
  CHECK(refused(run.look("code=more")) == "approval_queue_full");
}

TEST_CASE("login capture: a stand-in is refreshed here, and at its own provider", "[cmd][login]") {
  Run run;
  const auto kept = run.keep(run.allowed("code=c1"), 200, kTokens);
  REQUIRE(kept->has_value());
  const std::string& body = (*kept)->body;
  const std::size_t at = body.find("ghr_av_ph_");
  REQUIRE(at != std::string::npos);
  const std::string refresh = "grant_type=refresh_token&refresh_token=" + body.substr(at, 42);
  auto own = run.look(refresh);
  REQUIRE(own);
  CHECK(own->what == LoginStep::What::kAnswer);
  CHECK(own->reply.body.find(body.substr(at, 42)) != std::string::npos);
  auto other = run.look(refresh, "oauth2.googleapis.com", "/token");
  REQUIRE(other);
  CHECK(other->what == LoginStep::What::kAnswer);
  CHECK(other->reply.status == 400);
  CHECK(other->reply.body.find("invalid_grant") != std::string::npos);
  // One of a run that is long over.
  auto old = run.look("grant_type=refresh_token&refresh_token=av_ph_" + std::string(32, 'x'));
  CHECK(old->reply.status == 200);
}

TEST_CASE("login capture: a later run knows what was kept, and asks nobody", "[cmd][login]") {
  Run first;
  REQUIRE(first.keep(first.allowed("code=c1"), 200, kTokens)->has_value());
  Run later(/*capture=*/false);
  CHECK(later.look("code=c9")->what == LoginStep::What::kPass);
  CHECK_FALSE(later.concerned);
  CHECK(later.logins->uncaptured() == std::vector<std::string>{"GitHub"});
  const cmd::Placeholders placeholders{{"GITHUB_OAUTH", "av_ph_" + std::string(32, 'p')}};
  later.logins->take_kept(*first.context.store->list_oauth("default"), placeholders);
  auto refreshed =
      later.look("grant_type=refresh_token&refresh_token=av_ph_" + std::string(32, 'x'));
  CHECK(later.concerned);
  REQUIRE(refreshed);
  CHECK(refreshed->what == LoginStep::What::kAnswer);
  CHECK(refreshed->reply.body.find(std::string(32, 'p')) != std::string::npos);
  // A login of the program itself passes, as without any of this.
  CHECK(later.look("code=c9")->what == LoginStep::What::kPass);
  CHECK(later.look("nonsense")->what == LoginStep::What::kPass);
}

TEST_CASE("login capture: at a program's endpoint only that program logs in", "[cmd][login]") {
  Run run;
  for (const char* const client : {"app_EMoamEEZ73f0CkXaXp7hrann", "another"}) {
    auto step = run.look("code=c-" + std::string(client) + "&client_id=" + client,
                         "auth.openai.com", "/oauth/token");
    REQUIRE(step);
    const auto said = run.consent(step->login);
    run.pump();
    CHECK(*said == (client == std::string("another") ? "login_not_captured" : ""));
  }
  REQUIRE(run.desk->asked.size() == 1);
  CHECK(run.desk->asked.front().effect.find("CODEX_LOGIN") != std::string::npos);
}
