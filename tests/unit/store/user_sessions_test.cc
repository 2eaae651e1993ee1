#include "people_fixture.h"

#include <catch2/catch.hpp>

using namespace av;
using namespace av::test;

TEST_CASE("user sessions: the token is all that signs in, and is not in the store",
          "[store][users][security]") {
  PeopleFixture f;
  const vault::User root = f.owner();
  const auto session = f.sign_in(root, "av_sess_canary");
  CHECK(session.id.size() == 20);
  const auto found = f.people.user_of_token(digest("av_sess_canary"));
  REQUIRE(found);
  CHECK(found->user.email == "root@example.com");
  CHECK(found->session.id == session.id);
  CHECK(f.people.user_of_token(digest("av_sess_forged")).error().code == ErrorCode::kNotPermitted);
  CHECK_FALSE(f.people.user_of_token(digest(session.id)));
  for (const auto& entry : std::filesystem::directory_iterator(f.home.paths().data)) {
    if (entry.is_regular_file()) {
      CHECK(fs::read_file(entry.path())->find("av_sess_canary") == std::string::npos);
    }
  }
}

TEST_CASE("user sessions: 30 days unused end one, a year ends it anyhow",
          "[store][users][security]") {
  PeopleFixture f;
  const vault::User root = f.owner();
  f.sign_in(root, "a");
  f.clock.advance(30 * kDayMs - 1);
  REQUIRE(f.people.user_of_token(digest("a")));  // and it is touched
  f.clock.advance(30 * kDayMs - 1);
  REQUIRE(f.people.user_of_token(digest("a")));
  f.clock.advance(30 * kDayMs);
  CHECK_FALSE(f.people.user_of_token(digest("a")));
  CHECK(f.people.list_user_sessions(root.uid)->empty());

  f.sign_in(root, "b");
  for (int day = 0; day < 364; ++day) {
    f.clock.advance(kDayMs);
    REQUIRE(f.people.user_of_token(digest("b")));
  }
  f.clock.advance(kDayMs - 1);
  REQUIRE(f.people.user_of_token(digest("b")));
  f.clock.advance(1);
  CHECK_FALSE(f.people.user_of_token(digest("b")));
}

TEST_CASE("user sessions: when and from where one was used is noted once a minute",
          "[store][users]") {
  PeopleFixture f;
  const vault::User root = f.owner();
  store::UserSession session;
  session.label = "lap\x1btop";
  session.ip = "10.0.0.1";
  session.user_agent = std::string(500, 'x');
  REQUIRE(f.people.create_user_session(root.uid, session, digest("a")));
  const auto shown = [&] { return f.people.list_user_sessions(root.uid)->front(); };
  CHECK(shown().label == "laptop");
  CHECK(shown().user_agent.size() == 200);
  const std::int64_t start = f.clock.wall_ms();
  f.clock.advance(store::kSessionTouchMs - 1);
  REQUIRE(f.people.user_of_token(digest("a"), "10.0.0.2", "new"));
  CHECK(shown().used_ms == start);
  CHECK(shown().ip == "10.0.0.1");
  f.clock.advance(1);
  REQUIRE(f.people.user_of_token(digest("a"), "10.0.0.2", "new"));
  CHECK(shown().used_ms == start + store::kSessionTouchMs);
  CHECK(shown().ip == "10.0.0.2");
  CHECK(shown().user_agent == "new");
}

TEST_CASE("user sessions: one that was ended does not come back; nobody ends another's",
          "[store][users][security]") {
  PeopleFixture f;
  const vault::User root = f.owner();
  const vault::User bob = f.add("bob@example.com");
  const auto one = f.sign_in(root, "a");
  f.sign_in(root, "b");
  CHECK(f.people.end_user_session(bob.uid, one.id).error().code == ErrorCode::kNotFound);
  REQUIRE(f.people.user_of_token(digest("a")));
  REQUIRE(f.people.end_user_session(root.uid, one.id));
  CHECK_FALSE(f.people.user_of_token(digest("a")));
  CHECK(f.people.user_of_token(digest("b")));
  CHECK_FALSE(f.people.mark_reauthenticated(root.uid, one.id));
}

TEST_CASE("user sessions: a new password ends all but the one that set it",
          "[store][users][security]") {
  PeopleFixture f;
  const vault::User root = f.owner();
  const auto own = f.sign_in(root, "a");
  f.sign_in(root, "stolen");
  REQUIRE(f.people.set_password(root.email, password_hash("new password"), own.id));
  CHECK(f.people.user_of_token(digest("a")));
  CHECK_FALSE(f.people.user_of_token(digest("stolen")));
  const auto account = f.people.find_account(root.email);
  CHECK(*cheap_hasher().verify(secret("new password"), &*(*account)->password));
  CHECK_FALSE(*cheap_hasher().verify(secret("correct horse"), &*(*account)->password));
  REQUIRE(f.people.set_password(root.email, password_hash("newer password"), ""));
  CHECK_FALSE(f.people.user_of_token(digest("a")));
}

TEST_CASE("user sessions: one more than 50 ends the one that was not used for longest",
          "[store][users]") {
  PeopleFixture f;
  const vault::User root = f.owner();
  for (std::uint64_t i = 0; i < store::kMostUserSessions; ++i) {
    f.sign_in(root, std::to_string(i));
    f.clock.advance(kMinuteMs);
  }
  REQUIRE(f.people.user_of_token(digest("0")));
  f.sign_in(root, "more");
  CHECK(f.people.list_user_sessions(root.uid)->size() == store::kMostUserSessions);
  CHECK(f.people.user_of_token(digest("0")));
  CHECK_FALSE(f.people.user_of_token(digest("1")));
  CHECK(f.people.user_of_token(digest("more")));
}

TEST_CASE("user sessions: the mark of a password just given is the session's own",
          "[store][users][security]") {
  PeopleFixture f;
  const vault::User root = f.owner();
  const auto one = f.sign_in(root, "a");
  f.sign_in(root, "b");
  CHECK(f.people.user_of_token(digest("a"))->session.reauth_ms == 0);
  REQUIRE(f.people.mark_reauthenticated(root.uid, one.id));
  CHECK(f.people.user_of_token(digest("a"))->session.reauth_ms == f.clock.wall_ms());
  CHECK(f.people.user_of_token(digest("b"))->session.reauth_ms == 0);
  const vault::User bob = f.add("bob@example.com");
  CHECK_FALSE(f.people.mark_reauthenticated(bob.uid, one.id));
}

TEST_CASE("user sessions: roles are those of now, not those of when it began",
          "[store][users][security]") {
  PeopleFixture f;
  f.owner();
  const vault::User other = f.owner("other@example.com");
  f.sign_in(other, "a");
  REQUIRE(f.people.set_user_role(other.email, vault::InstanceRole::kMember));
  CHECK(f.people.user_of_token(digest("a"))->user.role == vault::InstanceRole::kMember);
}
