#include "people_fixture.h"

#include <catch2/catch.hpp>

using namespace av;
using namespace av::test;
using vault::InstanceRole;
using vault::VaultRole;

namespace {

store::Invite invite_for(const std::string& email, const std::string& by = {}) {
  store::Invite invite;
  invite.email = email;
  invite.created_by = by;
  return invite;
}

}  // namespace

TEST_CASE("invites: one makes an account with the roles that it grants, once",
          "[store][users][security]") {
  PeopleFixture f;
  const vault::User root = f.owner();
  REQUIRE(f.store->create_vault("project"));
  store::Invite invite = invite_for("Bob@Example.com", root.uid);
  invite.vaults = {{"project", VaultRole::kMember}, {"default", VaultRole::kProxy}};
  const auto made = f.people.create_invite(invite, digest("link"));
  REQUIRE(made);
  CHECK(made->email == "bob@example.com");
  CHECK(made->needs_account);
  CHECK(made->created_by_email == "root@example.com");
  CHECK(f.people.invite_of_token(digest("link"))->vaults.size() == 2);
  const auto bob = f.people.accept_invite(digest("link"), "", password_hash("bobs password"));
  REQUIRE(bob);
  CHECK(bob->role == InstanceRole::kMember);
  CHECK(*f.people.role_in(bob->uid, "project") == VaultRole::kMember);
  CHECK(*f.people.role_in(bob->uid, "default") == VaultRole::kProxy);

  const auto again = f.people.accept_invite(digest("link"), "", password_hash("mallorys password"));
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kNotFound);
  CHECK_FALSE(f.people.invite_of_token(digest("link")));
  CHECK(f.people.list_users()->size() == 2);
}

TEST_CASE("invites: 48 hours, and not a moment longer", "[store][users][security]") {
  PeopleFixture f;
  f.owner();
  REQUIRE(f.people.create_invite(invite_for("bob@example.com"), digest("link")));
  f.clock.advance(store::kInviteLifeMs - 1);
  CHECK(f.people.invite_of_token(digest("link")));
  f.clock.advance(1);
  CHECK_FALSE(f.people.invite_of_token(digest("link")));
  CHECK(f.people.accept_invite(digest("link"), "", password_hash("password")).error().code ==
        ErrorCode::kNotFound);
  CHECK(f.people.list_invites("")->empty());
}

TEST_CASE(
    "invites: whoever has the link cannot use it as somebody else, nor for an account that "
    "exists",
    "[store][users][security]") {
  PeopleFixture f;
  f.owner();
  const vault::User bob = f.add("bob@example.com");
  const vault::User eve = f.add("eve@example.com");
  store::Invite invite = invite_for("bob@example.com");
  invite.vaults = {{"default", VaultRole::kAdmin}};
  REQUIRE(f.people.create_invite(invite, digest("link")));
  CHECK_FALSE(f.people.invite_of_token(digest("link"))->needs_account);
  CHECK(f.people.accept_invite(digest("link"), eve.uid, std::nullopt).error().code ==
        ErrorCode::kNotPermitted);
  CHECK(f.people.accept_invite(digest("link"), "", password_hash("password")).error().code ==
        ErrorCode::kNotPermitted);
  CHECK_FALSE(f.people.role_in(eve.uid, "default")->has_value());
  CHECK_FALSE(f.people.role_in(bob.uid, "default")->has_value());
  // Neither used it up.
  REQUIRE(f.people.accept_invite(digest("link"), bob.uid, std::nullopt));
  CHECK(*f.people.role_in(bob.uid, "default") == VaultRole::kAdmin);
  // And it did not give a new password to the account.
  const auto account = f.people.find_account("bob@example.com");
  CHECK(*cheap_hasher().verify(secret("correct horse"), &*(*account)->password));
}

TEST_CASE("invites: one never takes a role away", "[store][users]") {
  PeopleFixture f;
  const vault::User root = f.owner();
  store::Invite invite = invite_for("root@example.com");
  invite.vaults = {{"default", VaultRole::kProxy}};
  REQUIRE(f.people.create_invite(invite, digest("link")));
  REQUIRE(f.people.accept_invite(digest("link"), root.uid, std::nullopt));
  CHECK(*f.people.role_in(root.uid, "default") == VaultRole::kAdmin);
  CHECK(f.people.get_user("root@example.com")->role == InstanceRole::kOwner);
}

TEST_CASE("invites: what an inviter may no longer give is not given", "[store][users][security]") {
  PeopleFixture f;
  f.owner();
  const vault::User second = f.owner("second@example.com");
  REQUIRE(f.people.add_member("default", second.email, VaultRole::kAdmin));
  store::Invite invite = invite_for("bob@example.com", second.uid);
  invite.role = InstanceRole::kOwner;
  invite.vaults = {{"default", VaultRole::kAdmin}};
  REQUIRE(f.people.create_invite(invite, digest("link")));
  SECTION("demoted") {
    REQUIRE(f.people.set_user_role(second.email, InstanceRole::kMember));
  }
  SECTION("less in the vault") {
    REQUIRE(f.people.set_member("default", second.email, VaultRole::kMember));
  }
  SECTION("out of the vault") {
    REQUIRE(f.people.remove_member("default", second.email));
  }
  SECTION("disabled") {
    REQUIRE(f.people.disable_user(second.email));
  }
  CHECK_FALSE(f.people.accept_invite(digest("link"), "", password_hash("password")));
  CHECK_FALSE(f.people.get_user("bob@example.com"));
}

TEST_CASE("invites: a vault that is gone is not granted, nor is its successor",
          "[store][users][security]") {
  PeopleFixture f;
  f.owner();
  REQUIRE(f.store->create_vault("project"));
  store::Invite invite = invite_for("bob@example.com");
  invite.vaults = {{"project", VaultRole::kAdmin}};
  REQUIRE(f.people.create_invite(invite, digest("link")));
  REQUIRE(f.store->delete_vault("project"));
  REQUIRE(f.store->create_vault("project"));
  const auto bob = f.people.accept_invite(digest("link"), "", password_hash("password"));
  REQUIRE(bob);
  CHECK(f.people.memberships_of(bob->uid)->empty());
}

TEST_CASE("invites: a newer one for an address voids the older; at most 50 wait",
          "[store][users][security]") {
  PeopleFixture f;
  const vault::User root = f.owner();
  REQUIRE(f.people.create_invite(invite_for("bob@example.com"), digest("old")));
  REQUIRE(f.people.create_invite(invite_for("BOB@example.com"), digest("new")));
  CHECK_FALSE(f.people.invite_of_token(digest("old")));
  CHECK(f.people.invite_of_token(digest("new")));
  for (std::uint64_t i = 1; i < store::kMostUserInvites; ++i) {
    REQUIRE(f.people.create_invite(invite_for("u" + std::to_string(i) + "@example.com", root.uid),
                                   digest("t" + std::to_string(i))));
  }
  CHECK(f.people.create_invite(invite_for("more@example.com"), digest("more")).error().code ==
        ErrorCode::kConflict);
  CHECK(f.people.list_invites(root.uid)->size() == store::kMostUserInvites - 1);
  CHECK(f.people.list_invites("")->size() == store::kMostUserInvites);
  REQUIRE(f.people.delete_invite(f.people.list_invites(root.uid)->front().id));
  CHECK(f.people.create_invite(invite_for("more@example.com"), digest("more")));
  CHECK_FALSE(f.people.delete_invite("0123456789abcdef0123"));
}

TEST_CASE("invites: who took an address without being asked does not get what is meant for it",
          "[store][users][security]") {
  PeopleFixture f;
  f.owner();
  store::NewUser squatter;
  squatter.email = "bob@example.com";
  squatter.waiting = true;
  squatter.password = password_hash("squatter password");
  REQUIRE(f.people.create_user(squatter));
  REQUIRE(f.people.create_invite(invite_for("bob@example.com"), digest("link")));
  REQUIRE(f.people.accept_invite(digest("link"), "", password_hash("bobs password")));
  const auto account = f.people.find_account("bob@example.com");
  CHECK_FALSE(*cheap_hasher().verify(secret("squatter password"), &*(*account)->password));
}

TEST_CASE("invites: one for a vault that is not there is refused and voids nothing",
          "[store][users]") {
  PeopleFixture f;
  f.owner();
  REQUIRE(f.people.create_invite(invite_for("bob@example.com"), digest("link")));
  store::Invite wrong = invite_for("bob@example.com");
  wrong.vaults = {{"projekt", VaultRole::kMember}};
  CHECK(f.people.create_invite(wrong, digest("link2")).error().code == ErrorCode::kNotFound);
  CHECK(f.people.invite_of_token(digest("link")));
}
