#include <catch2/catch.hpp>

#include "device.h"

using namespace av;
using namespace av::test;

// One process talks to one bus: GIO keeps the connection.
TEST_CASE("keyring: it keeps the key, gives it back, and forgets it", "[kek][keyring]") {
  Device ring("keyring");
  if (!ring.is_there()) {
    WARN("skipped: gnome-keyring or dbus is not installed");
    return;
  }
  const Variable bus("DBUS_SESSION_BUS_ADDRESS", ring.line());
  const auto source = kek::make_keyring_kek("/home/me/store");
  const auto one = source->protect({});
  REQUIRE(one);
  const auto two = source->protect({});
  REQUIRE(two);
  const vault::KekRecord first{one->descriptor, {}};
  const vault::KekRecord second{two->descriptor, {}};
  // Both are there until the row says which.
  const auto kept = source->recover(first, {});
  REQUIRE(kept);
  CHECK(kept->equals(one->kek));
  CHECK(source->recover(second, {})->equals(two->kek));
  CHECK_FALSE(source->asks(first));
  CHECK(source->detail(first).find(one->descriptor) != std::string::npos);

  // An item that makes no sense is not looked for.
  CHECK(source->recover({"../x", {}}, {}).error().code == ErrorCode::kCorrupt);
  CHECK(source->forget({"", {}}).error().code == ErrorCode::kCorrupt);

  // Forgotten, and the other is left.
  REQUIRE(source->forget(first));
  const auto gone = source->recover(first, {});
  CHECK(gone.error().code == ErrorCode::kLocked);
  CHECK(gone.error().message.find("does not have the key") != std::string::npos);
  CHECK(source->recover(second, {}));
  CHECK(source->forget(first));  // fine when it is gone

  // Locked, it gives nothing, takes nothing and forgets nothing without saying so.
  REQUIRE(ring.tell("lock") == "locked");
  const auto locked = source->recover(second, {});
  REQUIRE_FALSE(locked);
  CHECK(locked.error().code == ErrorCode::kLocked);
  CHECK(locked.error().message.find("locked") != std::string::npos);
  CHECK(source->protect({}).error().code == ErrorCode::kLocked);
  CHECK(source->forget(second).error().code == ErrorCode::kLocked);
}

TEST_CASE("keyring: without a session bus there is none, and no bus is started", "[kek][keyring]") {
  init_secret_arena();
  ::unsetenv("DBUS_SESSION_BUS_ADDRESS");
  ::unsetenv("XDG_RUNTIME_DIR");
  const auto made = kek::make_keyring_kek("x")->protect({});
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::kLocked);
  CHECK(made.error().message.find("no session bus") != std::string::npos);
  const Variable nowhere("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
  CHECK(kek::make_keyring_kek("x")->protect({}).error().code == ErrorCode::kLocked);
}
