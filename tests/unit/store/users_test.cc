#include "people_fixture.h"

#include <catch2/catch.hpp>
#include <thread>

using namespace av;
using namespace av::test;
using vault::InstanceRole;
using vault::VaultRole;

TEST_CASE("users: an address is one account in whatever case it is written", "[store][users]") {
  PeopleFixture f;
  CHECK(f.owner("Alice@Example.COM").email == "alice@example.com");
  store::NewUser again;
  again.email = "ALICE@example.com";
  CHECK(f.people.create_user(again).error().code == ErrorCode::kExists);
  CHECK(f.people.get_user("alice@EXAMPLE.com")->role == InstanceRole::kOwner);
  const auto missing = f.people.get_user("alise@example.com");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().hint.find("alice@example.com") != std::string::npos);
}

TEST_CASE("users: what is no plain address is refused", "[vault][users]") {
  for (const char* bad : {"",
                          "a",
                          "@",
                          "a@",
                          "@b",
                          "a@b@c",
                          "a b@c.d",
                          "a@b..c",
                          ".a@b.c",
                          "a.@b.c",
                          "a@-b.c",
                          "a@b-.c",
                          "a@b_c.d",
                          "a\n@b.c",
                          "a@b.c\n",
                          "\xc3\xa4@b.c",
                          "a@\xd0\xb0.c",
                          "a@[1.2.3.4]",
                          "\"a b\"@c.d",
                          "a@b.c ",
                          "a\0b@c.d"}) {
    INFO(bad);
    CHECK_FALSE(vault::canonical_email(bad));
  }
  CHECK_FALSE(vault::canonical_email(std::string(65, 'a') + "@b.c"));
  CHECK_FALSE(vault::canonical_email("a@" + std::string(64, 'b') + ".c"));
  CHECK_FALSE(vault::canonical_email(std::string_view("a\0b@c.d", 7)));
  CHECK(*vault::canonical_email("First.Last+tag@Sub.Example.org") ==
        "first.last+tag@sub.example.org");
  CHECK(*vault::canonical_email("root@localhost") == "root@localhost");
}

TEST_CASE("users: labels lose what could disguise them, and what is cut in two", "[vault][users]") {
  CHECK(vault::shown_label("a\x1b[2Jb\r\nc", 100) == "a[2Jbc");
  CHECK(vault::shown_label("caf\xc3\xa9", 5) == "caf\xc3\xa9");
  CHECK(vault::shown_label("caf\xc3\xa9", 4) == "caf");
  CHECK(vault::shown_label("\xff\xfe", 100).empty());
}

TEST_CASE("passwords: 8 to 1024 bytes, a salt of their own, and only a hash in the store",
          "[vault][users]") {
  init_secret_arena();
  CHECK_FALSE(vault::check_password(secret("1234567")));
  CHECK(vault::check_password(secret("12345678")));
  CHECK(vault::check_password(secret(std::string(1024, 'x'))));
  CHECK_FALSE(vault::check_password(secret(std::string(1025, 'x'))));
  const auto one = password_hash("correct horse");
  const auto two = password_hash("correct horse");
  CHECK(one.salt != two.salt);
  CHECK(one.hash != two.hash);
  CHECK(*cheap_hasher().verify(secret("correct horse"), &one));
  CHECK_FALSE(*cheap_hasher().verify(secret("correct horsf"), &one));
  CHECK_FALSE(*cheap_hasher().verify(secret(""), &one));

  PeopleFixture f;
  f.owner("alice@example.com");
  const auto account = f.people.find_account("alice@example.com");
  REQUIRE((account && *account && (*account)->password));
  CHECK((*account)->password->params.passes == 1);
  CHECK(*cheap_hasher().verify(secret("correct horse"), &*(*account)->password));
  for (const auto& entry : std::filesystem::directory_iterator(f.home.paths().data)) {
    if (entry.is_regular_file()) {
      CHECK(fs::read_file(entry.path())->find("correct horse") == std::string::npos);
    }
  }
}

TEST_CASE("passwords: one that nobody has costs the same hash as a wrong one",
          "[vault][users][security]") {
  init_secret_arena();
  const vault::PasswordHasher hasher({1, 8, 1});
  const auto known = *hasher.hash(secret("correct horse"));
  const auto before = hasher.computed();
  CHECK_FALSE(*hasher.verify(secret("wrong horse"), &known));
  CHECK(hasher.computed() == before + 1);
  CHECK_FALSE(*hasher.verify(secret("wrong horse"), nullptr));
  CHECK(hasher.computed() == before + 2);
  // An account of somebody who signs in elsewhere: nothing matches, not even nothing.
  const vault::PasswordHash none;
  CHECK_FALSE(*hasher.verify(secret(""), &none));
  CHECK(hasher.computed() == before + 3);
}

TEST_CASE("passwords: the parameters are those that the documents name", "[vault][users]") {
  CHECK(vault::PasswordHasher::kParams.passes == 3);
  CHECK(vault::PasswordHasher::kParams.memory_kib == 65536);
  CHECK(vault::PasswordHasher::kParams.lanes == 1);
}

TEST_CASE("users: the last owner who can sign in cannot be demoted, disabled or removed",
          "[store][users][security]") {
  PeopleFixture f;
  f.owner();
  f.add("bob@example.com");
  const auto refused = [&](const Status& status) {
    REQUIRE_FALSE(status);
    CHECK(status.error().code == ErrorCode::kConflict);
    const auto still = f.people.get_user("root@example.com");
    REQUIRE(still);
    CHECK(still->role == InstanceRole::kOwner);
    CHECK(still->active());
  };
  refused(f.people.set_user_role("root@example.com", InstanceRole::kMember));
  refused(f.people.disable_user("root@example.com"));
  refused(f.people.delete_user("root@example.com"));

  SECTION("a disabled owner does not count as another") {
    f.owner("carol@example.com");
    REQUIRE(f.people.disable_user("carol@example.com"));
    refused(f.people.delete_user("root@example.com"));
    REQUIRE(f.people.enable_user("carol@example.com"));
    CHECK(f.people.delete_user("root@example.com"));
  }
  SECTION("with a second one it is allowed") {
    REQUIRE(f.people.set_user_role("bob@example.com", InstanceRole::kOwner));
    CHECK(f.people.set_user_role("root@example.com", InstanceRole::kMember));
    CHECK_FALSE(f.people.delete_user("bob@example.com"));
  }
}

TEST_CASE("users: of two owners who demote each other at once one remains",
          "[store][users][security]") {
  PeopleFixture f;
  f.owner("a@example.com");
  f.owner("b@example.com");
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> ready{0};
    std::atomic<int> worked{0};
    const auto demote = [&](const char* email) {
      auto own = open_store(f.home, f.clock);
      ++ready;
      while (ready.load() < 2) {
        std::this_thread::yield();
      }
      worked += (*own)->people().set_user_role(email, InstanceRole::kMember).has_value() ? 1 : 0;
    };
    std::thread one(demote, "a@example.com");
    std::thread two(demote, "b@example.com");
    one.join();
    two.join();
    CHECK(worked.load() == 1);
    CHECK(*f.people.has_owner());
    REQUIRE(f.people.set_user_role("a@example.com", InstanceRole::kOwner));
    REQUIRE(f.people.set_user_role("b@example.com", InstanceRole::kOwner));
  }
}

TEST_CASE("users: the first owner is made once, and administers the default vault",
          "[store][users][security]") {
  PeopleFixture f;
  CHECK_FALSE(*f.people.has_owner());
  store::NewUser first;
  first.email = "root@example.com";
  const auto root = f.people.create_first_owner(first);
  REQUIRE(root);
  CHECK(root->role == InstanceRole::kOwner);
  CHECK(*f.people.has_owner());
  CHECK(*f.people.role_in(root->uid, "default") == VaultRole::kAdmin);
  first.email = "mallory@example.com";
  CHECK(f.people.create_first_owner(first).error().code == ErrorCode::kConflict);
  CHECK_FALSE(f.people.get_user("mallory@example.com"));
  // Later owners get what they give themselves.
  const auto second = f.owner("second@example.com");
  CHECK_FALSE(f.people.role_in(second.uid, "default")->has_value());
}

TEST_CASE("users: of two first owners at once one comes to be", "[store][users][security]") {
  PeopleFixture f;
  std::atomic<int> ready{0};
  std::atomic<int> worked{0};
  const auto become = [&](const char* email) {
    auto own = open_store(f.home, f.clock);
    store::NewUser user;
    user.email = email;
    ++ready;
    while (ready.load() < 2) {
      std::this_thread::yield();
    }
    worked += (*own)->people().create_first_owner(user).has_value() ? 1 : 0;
  };
  std::thread one(become, "a@example.com");
  std::thread two(become, "b@example.com");
  one.join();
  two.join();
  CHECK(worked.load() == 1);
  CHECK(f.people.list_users()->size() == 1);
}

TEST_CASE("users: what a user minted ends with the user", "[store][users][security]") {
  PeopleFixture f;
  f.owner();
  vault::User bob = f.add("bob@example.com");
  REQUIRE(f.people.add_member("default", "bob@example.com", VaultRole::kMember));
  vault::Agent agent;
  agent.name = "builder";
  REQUIRE(f.store->create_agent(agent, digest("agent")));
  const auto mint = [&](const char* token, const std::string& uid) {
    store::SessionInfo session;
    session.id = std::string("run_") + token;
    session.agent_uid = f.store->get_agent("builder")->uid;
    session.vault = "default";
    session.minted_by = uid;
    REQUIRE(f.store->create_session(session, digest(token)));
  };
  mint("bobs", bob.uid);
  mint("other", "");
  f.sign_in(bob, "browser");
  store::Invite invite;
  invite.email = "carol@example.com";
  invite.created_by = bob.uid;
  REQUIRE(f.people.create_invite(invite, digest("invite")));
  REQUIRE(f.store->session_of_token(digest("bobs"))->minted_by == bob.uid);

  const auto all_over = [&] {
    CHECK_FALSE(f.store->session_of_token(digest("bobs")));
    CHECK_FALSE(f.people.user_of_token(digest("browser")));
    CHECK_FALSE(f.people.invite_of_token(digest("invite")));
    CHECK(f.store->session_of_token(digest("other")));
  };
  SECTION("deleted") {
    REQUIRE(f.people.delete_user("bob@example.com"));
    all_over();
    CHECK(f.people.list_members("default")->size() == 1);
    // A new account of the address is another one.
    CHECK(f.add("bob@example.com").uid != bob.uid);
    CHECK(f.people.list_members("default")->size() == 1);
    all_over();
  }
  SECTION("disabled; enabling brings the roles back and nothing else") {
    REQUIRE(f.people.disable_user("bob@example.com"));
    all_over();
    CHECK_FALSE(f.people.role_in(bob.uid, "default")->has_value());
    CHECK_FALSE(f.people.create_user_session(bob.uid, {}, digest("again")));
    CHECK_FALSE(f.people.create_invite(invite, digest("invite2")));
    REQUIRE(f.people.enable_user("bob@example.com"));
    all_over();
    CHECK(*f.people.role_in(bob.uid, "default") == VaultRole::kMember);
  }
  SECTION("out of the vault") {
    REQUIRE(f.people.remove_member("default", "bob@example.com"));
    CHECK_FALSE(f.store->session_of_token(digest("bobs")));
    CHECK(f.people.user_of_token(digest("browser")));
  }
  SECTION("no more than proxy in the vault") {
    REQUIRE(f.people.set_member("default", "bob@example.com", VaultRole::kProxy));
    CHECK_FALSE(f.store->session_of_token(digest("bobs")));
  }
}

TEST_CASE("members: roles are given, changed and taken; a vault takes its members along",
          "[store][users]") {
  PeopleFixture f;
  f.owner();
  const vault::User bob = f.add("bob@example.com");
  REQUIRE(f.store->create_vault("project"));
  REQUIRE(f.people.add_member("project", "Bob@example.com", VaultRole::kProxy));
  CHECK(f.people.add_member("project", "bob@example.com", VaultRole::kAdmin).error().code ==
        ErrorCode::kExists);
  CHECK(*f.people.role_in(bob.uid, "project") == VaultRole::kProxy);
  REQUIRE(f.people.set_member("project", "bob@example.com", VaultRole::kAdmin));
  CHECK(*f.people.role_in(bob.uid, "project") == VaultRole::kAdmin);
  CHECK(f.people.set_member("default", "bob@example.com", VaultRole::kAdmin).error().code ==
        ErrorCode::kNotFound);
  CHECK(f.people.remove_member("default", "bob@example.com").error().code == ErrorCode::kNotFound);
  CHECK_FALSE(f.people.role_in(bob.uid, "nowhere")->has_value());
  CHECK_FALSE(f.people.role_in("nobody", "project")->has_value());
  REQUIRE(f.store->rename_vault("project", "renamed"));
  CHECK(f.people.memberships_of(bob.uid)->front().vault == "renamed");
  REQUIRE(f.store->delete_vault("renamed"));
  CHECK(f.people.memberships_of(bob.uid)->empty());
  // A new vault of the old name has nobody in it.
  REQUIRE(f.store->create_vault("renamed"));
  CHECK(f.people.list_members("renamed")->empty());
}

TEST_CASE("users: those who wait to be let in are bounded in number, and may do nothing",
          "[store][users][security]") {
  PeopleFixture f;
  f.owner();
  store::NewUser stranger;
  stranger.waiting = true;
  for (std::uint64_t i = 0; i < store::kMostStrangers; ++i) {
    stranger.email = "s" + std::to_string(i) + "@example.com";
    const auto made = f.people.create_user(stranger);
    REQUIRE(made);
    CHECK_FALSE(made->active());
    CHECK_FALSE(f.people.create_user_session(made->uid, {}, digest(stranger.email)));
  }
  stranger.email = "one-more@example.com";
  CHECK(f.people.create_user(stranger).error().code == ErrorCode::kConflict);
  REQUIRE(f.people.enable_user("s0@example.com"));
  CHECK(f.people.create_user(stranger));
}

TEST_CASE("settings: nobody comes in uninvited unless an owner says so", "[store][users]") {
  PeopleFixture f;
  CHECK(f.people.instance_settings()->invite_only);
  CHECK(f.people.instance_settings()->allowed_email_domains.empty());
  store::InstanceSettings settings;
  settings.invite_only = false;
  settings.allowed_email_domains = {"Example.com", "corp.example"};
  REQUIRE(f.people.set_instance_settings(settings));
  const auto read = f.people.instance_settings();
  CHECK_FALSE(read->invite_only);
  CHECK(read->allowed_email_domains == std::vector<std::string>{"example.com", "corp.example"});
  settings.allowed_email_domains = {"a,b"};
  CHECK(f.people.set_instance_settings(settings).error().code == ErrorCode::kInvalid);
}
