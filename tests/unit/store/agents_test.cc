#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <set>

#include "store/agent_lanes.h"
#include "temp_home.h"
#include "vault/token.h"

using namespace av;
using namespace av::test;

namespace {

vault::Agent named(const std::string& name) {
  vault::Agent agent;
  agent.name = name;
  return agent;
}

crypto::Digest hash_of(std::string_view token) {
  return crypto::sha256(token);
}

std::set<std::string> agents_of(store::Store& store, std::string_view vault) {
  std::set<std::string> names;
  const auto snapshot = store.load_snapshot(vault);
  REQUIRE(snapshot);
  for (const auto& [name, agent] : (*snapshot)->agents) {
    names.insert(name);
  }
  return names;
}

store::SessionInfo session_for(store::Store& store, const std::string& agent,
                               const std::string& id) {
  store::SessionInfo session;
  session.id = id;
  session.agent_uid = store.get_agent(agent)->uid;
  session.vault = "default";
  return session;
}

// The last byte of the pipe says that the child holds what it should.
pid_t holder(const fs::Paths& paths, std::uint32_t limit, int lanes) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    store::AgentLanes own(paths);
    char got = 'y';
    for (int i = 0; i < lanes; ++i) {
      const auto lane = own.take("abc0", limit);
      got = lane && *lane ? got : 'n';
    }
    (void)!::write(ends[1], &got, 1);
    ::pause();
    ::_exit(0);
  }
  char got = 0;
  REQUIRE(::read(ends[0], &got, 1) == 1);
  REQUIRE(got == 'y');
  ::close(ends[0]);
  ::close(ends[1]);
  return pid;
}

}  // namespace

TEST_CASE("agents: tokens are long, of their kind, and never twice the same", "[store][agents]") {
  init_secret_arena();
  const std::string one = reveal(*vault::make_token(vault::kAgentToken));
  CHECK(one.starts_with("av_agt_"));
  CHECK(one.size() == 7 + 43);
  CHECK(one != reveal(*vault::make_token(vault::kAgentToken)));
  CHECK(reveal(*vault::make_token(vault::kSessionToken)).starts_with("av_sess_"));
}

TEST_CASE("agents: what is written comes back, and only the hash of the token is kept",
          "[store][agents]") {
  const TempHome home;
  const TickingClock clock;
  vault::Agent agent = named("builder");
  agent.vaults = {"default", "project"};
  agent.services = {"github"};
  agent.credentials = {"GITHUB_TOKEN"};
  agent.max_concurrent = 4;
  agent.limit = {100, vault::RateWindow::kHour};
  {
    auto store = open_store(home, clock);
    REQUIRE(store);
    REQUIRE((*store)->create_agent(agent, hash_of("av_agt_canary")));
  }
  auto store = open_store(home, clock);
  REQUIRE(store);
  const auto read = (*store)->get_agent("builder");
  REQUIRE(read);
  CHECK(read->vaults == agent.vaults);
  CHECK(read->services == agent.services);
  CHECK(read->credentials == agent.credentials);
  CHECK(read->max_concurrent == 4);
  CHECK(read->limit == agent.limit);
  CHECK(read->uid.size() == 32);
  CHECK(read->created_ms != 0);
  CHECK((*store)->agent_of_token(hash_of("av_agt_canary"))->name == "builder");
  for (const auto& entry : std::filesystem::directory_iterator(home.paths().data)) {
    if (entry.is_regular_file()) {
      CHECK(fs::read_file(entry.path())->find("av_agt_canary") == std::string::npos);
    }
  }
}

TEST_CASE("agents: a name is taken once; a new agent of an old name is another one",
          "[store][agents]") {
  const TempHome home;
  const TickingClock clock;
  auto store = open_store(home, clock);
  REQUIRE(store);
  REQUIRE((*store)->create_agent(named("builder"), hash_of("a")));
  const auto again = (*store)->create_agent(named("builder"), hash_of("b"));
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kExists);
  const std::string uid = (*store)->get_agent("builder")->uid;
  REQUIRE((*store)->delete_agent("builder"));
  CHECK_FALSE((*store)->agent_of_token(hash_of("a")));
  REQUIRE((*store)->create_agent(named("builder"), hash_of("c")));
  CHECK((*store)->get_agent("builder")->uid != uid);
  const auto missing = (*store)->get_agent("bilder");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().hint.find("'builder'") != std::string::npos);
}

TEST_CASE("agents: a snapshot has those that may act in its vault", "[store][agents]") {
  const TempHome home;
  const TickingClock clock;
  auto store = open_store(home, clock);
  REQUIRE(store);
  REQUIRE((*store)->create_vault("project"));
  vault::Agent bound = named("bound");
  bound.vaults = {"project"};
  REQUIRE((*store)->create_agent(named("free"), hash_of("a")));
  REQUIRE((*store)->create_agent(bound, hash_of("b")));
  CHECK(agents_of(**store, "default") == std::set<std::string>{"free"});
  CHECK(agents_of(**store, "project") == std::set<std::string>{"bound", "free"});

  SECTION("a renamed vault takes its agents along") {
    REQUIRE((*store)->rename_vault("project", "renamed"));
    CHECK(agents_of(**store, "renamed") == std::set<std::string>{"bound", "free"});
    // And another one that gets the old name has no claim to them.
    REQUIRE((*store)->create_vault("project"));
    CHECK(agents_of(**store, "project") == std::set<std::string>{"free"});
  }
  SECTION("revoked ones are gone until they are rotated") {
    REQUIRE((*store)->revoke_agent("bound"));
    CHECK(agents_of(**store, "project") == std::set<std::string>{"free"});
    CHECK_FALSE((*store)->agent_of_token(hash_of("b")));
    REQUIRE((*store)->rotate_agent("bound", hash_of("b2")));
    CHECK(agents_of(**store, "project") == std::set<std::string>{"bound", "free"});
  }
  SECTION("one whose row cannot be read may do nothing") {
    tamper(home, "UPDATE agent SET body = '{}' WHERE name = 'free'");
    CHECK(agents_of(**store, "project") == std::set<std::string>{"bound"});
    const auto read = (*store)->get_agent("free");
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::kCorrupt);
    CHECK((*store)->delete_agent("free"));
  }
}

TEST_CASE("agents: rotating voids the old token at once and ends the sessions", "[store][agents]") {
  const TempHome home;
  const TickingClock clock;
  auto store = open_store(home, clock);
  REQUIRE(store);
  REQUIRE((*store)->create_agent(named("builder"), hash_of("old")));
  REQUIRE((*store)->create_session(session_for(**store, "builder", "run_1"), hash_of("s1")));
  CHECK((*store)->session_of_token(hash_of("s1"))->agent == "builder");
  REQUIRE((*store)->rotate_agent("builder", hash_of("new")));
  CHECK((*store)->get_agent("builder")->rotated_ms != 0);
  const auto old = (*store)->agent_of_token(hash_of("old"));
  REQUIRE_FALSE(old);
  CHECK(old.error().code == ErrorCode::kNotPermitted);
  CHECK((*store)->agent_of_token(hash_of("new"))->name == "builder");
  CHECK_FALSE((*store)->session_of_token(hash_of("s1")));
  CHECK((*store)->list_sessions("builder")->empty());
  // Twice within one millisecond is twice all the same.
  const auto first = (*store)->get_agent("builder")->rotated_ms;
  tamper(home, "UPDATE agent SET rotated_ms = 9000000000000000");
  REQUIRE((*store)->rotate_agent("builder", hash_of("newer")));
  CHECK((*store)->get_agent("builder")->rotated_ms == 9000000000000001);
  CHECK(first < 9000000000000000);
}

TEST_CASE("agents: a session's token opens its session until that ends or expires",
          "[store][agents]") {
  const TempHome home;
  const TickingClock clock;
  auto store = open_store(home, clock);
  REQUIRE(store);
  REQUIRE((*store)->create_agent(named("one"), hash_of("a")));
  REQUIRE((*store)->create_agent(named("two"), hash_of("b")));
  REQUIRE((*store)->create_session(session_for(**store, "one", "run_1"), hash_of("s1")));
  REQUIRE((*store)->create_session(session_for(**store, "two", "run_2"), hash_of("s2")));
  store::SessionInfo brief = session_for(**store, "one", "ses_3");
  brief.expires_ms = clock.wall_ms() + 60'000;  // the clock ticks a second at each look
  REQUIRE((*store)->create_session(brief, hash_of("s3")));

  const auto found = (*store)->session_of_token(hash_of("s1"));
  REQUIRE(found);
  CHECK(found->id == "run_1");
  CHECK(found->vault == "default");
  CHECK((*store)->list_sessions("one")->size() == 2);
  CHECK((*store)->list_sessions("")->size() == 3);
  // One kind of token does not pass for the other.
  CHECK_FALSE((*store)->agent_of_token(hash_of("s1")));
  CHECK_FALSE((*store)->session_of_token(hash_of("a")));
  // A hash that differs in its last byte is another one.
  crypto::Digest near = hash_of("s1");
  near.back() ^= 1;
  CHECK_FALSE((*store)->session_of_token(near));

  REQUIRE((*store)->end_session("run_1"));
  CHECK_FALSE((*store)->session_of_token(hash_of("s1")));
  CHECK((*store)->end_session("run_1"));
  CHECK((*store)->session_of_token(hash_of("s3")));
  while (clock.wall_ms() < brief.expires_ms) {
  }
  CHECK_FALSE((*store)->session_of_token(hash_of("s3")));
  CHECK((*store)->list_sessions("one")->empty());
  // What is over is forgotten after a day.
  tamper(home, "UPDATE session SET ended_ms = 1 WHERE id = 'run_1'");
  REQUIRE((*store)->create_session(session_for(**store, "one", "run_4"), hash_of("s4")));
  tamper(home, "UPDATE session SET ended_ms = 0 WHERE id = 'run_1'");
  CHECK((*store)->list_sessions("one")->size() == 1);

  REQUIRE((*store)->revoke_agent("two"));
  CHECK_FALSE((*store)->session_of_token(hash_of("s2")));
  const auto late = (*store)->create_session(session_for(**store, "two", "run_5"), hash_of("s5"));
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::kNotPermitted);
}

TEST_CASE("lanes: as many as the limit, over all processes, and a dead one's come back",
          "[store][lanes]") {
  const TempHome home;
  REQUIRE(fs::make_private_directory(home.paths().data));
  store::AgentLanes lanes(home.paths());
  const pid_t other = holder(home.paths(), 3, 2);
  const auto own = lanes.take("abc0", 3);
  REQUIRE(own);
  REQUIRE(own->has_value());
  const auto full = lanes.take("abc0", 3);
  REQUIRE(full);
  CHECK_FALSE(full->has_value());
  // Another agent has lanes of its own.
  CHECK(lanes.take("abc1", 1)->has_value());

  lanes.give_back("abc0", **own);
  CHECK(lanes.take("abc0", 3)->has_value());
  CHECK_FALSE(lanes.take("abc0", 3)->has_value());
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
  CHECK(lanes.take("abc0", 3)->has_value());
  CHECK(lanes.take("abc0", 3)->has_value());
  CHECK_FALSE(lanes.take("abc0", 3)->has_value());
}

TEST_CASE("lanes: a Lane gives back what it holds, once", "[store][lanes]") {
  const TempHome home;
  REQUIRE(fs::make_private_directory(home.paths().data));
  store::AgentLanes lanes(home.paths());
  const std::string uid = "abc0";
  {
    vault::Lane outer;
    {
      vault::Lane inner(lanes, uid, **lanes.take(uid, 1));
      outer = std::move(inner);
    }
    CHECK_FALSE(lanes.take(uid, 1)->has_value());
  }
  CHECK(lanes.take(uid, 1)->has_value());
}

TEST_CASE("lanes: where nothing can be counted there is an error, not a lane", "[store][lanes]") {
  const TempHome home;
  REQUIRE(fs::make_private_directory(home.paths().data));
  std::filesystem::create_directory_symlink("/nowhere", home.paths().data / "lanes");
  store::AgentLanes lanes(home.paths());
  CHECK_FALSE(lanes.take("abc0", 3));
  CHECK_FALSE(lanes.take("../../x", 3));
}

TEST_CASE("lanes: a session's mark is there as long as its process", "[store][lanes]") {
  const TempHome home;
  REQUIRE(fs::make_private_directory(home.paths().data));
  const auto paths = home.paths();
  CHECK_FALSE(store::SessionMark::is_set(paths, "abc0", "run_1"));
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto mark = store::SessionMark::set(paths, "abc0", "run_1");
    (void)!::write(ends[1], mark ? "y" : "n", 1);
    ::pause();
    ::_exit(0);
  }
  char got = 0;
  REQUIRE(::read(ends[0], &got, 1) == 1);
  REQUIRE(got == 'y');
  CHECK(store::SessionMark::is_set(paths, "abc0", "run_1"));
  CHECK_FALSE(store::SessionMark::is_set(paths, "abc0", "run_2"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK_FALSE(store::SessionMark::is_set(paths, "abc0", "run_1"));
  ::close(ends[0]);
  ::close(ends[1]);
}
