#include "isolation/namespaces.h"

#include <catch2/catch.hpp>
#include <cerrno>

#include "isolation/obstacles.h"
#include "isolation/wire.h"

using namespace av::isolation;  // NOLINT: a test

TEST_CASE("id map: every id of the parent keeps its number", "[isolation][namespaces]") {
  CHECK(identity_map("         0          0 4294967295\n") == "0 0 4294967295\n");
  CHECK(identity_map("0 100000 1000\n1000 1000 1\n") == "0 0 1000\n1000 1000 1\n");
  CHECK(identity_map("").empty());
}

TEST_CASE("wire: a launch specification survives the trip", "[isolation][wire]") {
  LaunchSpec spec;
  spec.argv = {"cmd", "", "two words"};
  spec.environment.append(std::string_view("A=1\0B=\0", 7));
  spec.cwd = "/work";
  spec.hidden = {"/a", "/b"};
  spec.masked.push_back({"/target", "/replacement"});
  const auto bytes = encode(spec);
  LaunchSpec back;
  REQUIRE(decode(bytes.view(), back));
  CHECK(back.argv == spec.argv);
  CHECK(back.environment.view() == spec.environment.view());
  CHECK(back.cwd == spec.cwd);
  CHECK(back.hidden == spec.hidden);
  REQUIRE(back.masked.size() == 1);
  CHECK(back.masked[0].replacement == "/replacement");
}

TEST_CASE("wire: a cut or stretched message is refused", "[isolation][wire]") {
  LaunchSpec spec;
  spec.argv = {"cmd"};
  spec.cwd = "/";
  const auto bytes = encode(spec);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    LaunchSpec back;
    CHECK_FALSE(decode(bytes.view().substr(0, size), back));
  }
  LaunchSpec back;
  CHECK_FALSE(decode(std::string(bytes.view()) + "x", back));
}

TEST_CASE("obstacles: each way of forbidding user namespaces has its own words",
          "[isolation][obstacles]") {
  SystemFacts facts;
  facts.max_user_namespaces = 0;
  CHECK(explain_obstacle(kStepCreate, ENOSPC, facts).message ==
        "user namespaces are switched off (user.max_user_namespaces is 0)");
  facts = {};
  facts.apparmor_restrict = 1;
  CHECK(explain_obstacle("make mounts private", EACCES, facts).message.find("AppArmor") !=
        std::string::npos);
  facts = {};
  facts.unprivileged_userns_clone = 0;
  CHECK(explain_obstacle(kStepCreate, EPERM, facts).message.find("kept for root") !=
        std::string::npos);
  facts = {};
  facts.container = true;
  CHECK(explain_obstacle(kStepCreate, EPERM, facts).message.find("container") != std::string::npos);
  CHECK(explain_obstacle(kStepProc, EPERM, facts).message.find("/proc") != std::string::npos);
  const auto error = explain_obstacle(kStepCreate, EINVAL, {});
  CHECK(error.code == av::ErrorCode::kUnsupported);
  CHECK(error.hint.find("--isolation off") != std::string::npos);
}

TEST_CASE("obstacles: what can pass is no reason to go on without isolation",
          "[isolation][obstacles]") {
  for (const int error_number : {ENOSPC, EAGAIN, ENOMEM, EMFILE}) {
    const auto error = explain_obstacle(kStepCreate, error_number, {});
    CHECK(error.code != av::ErrorCode::kUnsupported);
    CHECK(error.hint.find("try again") != std::string::npos);
  }
  SystemFacts never;
  never.max_user_namespaces = 0;
  CHECK(explain_obstacle(kStepCreate, ENOSPC, never).code == av::ErrorCode::kUnsupported);
}

TEST_CASE("level: names go both ways", "[isolation][level]") {
  CHECK(level_from_string("store") == Level::kStore);
  CHECK(level_from_string("strict") == Level::kStrict);
  CHECK_FALSE(level_from_string("Store"));
  CHECK_FALSE(level_from_string(""));
}
