#include "core/expected.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <memory>
#include <string>

#include "core/clock.h"
#include "core/exit_code.h"

using av::Error;
using av::ErrorCode;
using av::Expected;
using av::Status;

namespace {

Expected<int> half(int number) {
  if (number % 2 != 0) {
    return av::make_error(ErrorCode::kInvalid, "odd", "give an even number");
  }
  return number / 2;
}

Expected<int> quarter(int number) {
  AV_TRY(const int once, half(number));
  AV_TRY(const int twice, half(once));
  return twice;
}

Status divisible_by_four(int number) {
  AV_CHECK(half(number));
  AV_CHECK(quarter(number));
  return {};
}

}  // namespace

TEST_CASE("expected: AV_TRY hands on values and errors", "[core][expected]") {
  CHECK(quarter(8).value() == 2);
  REQUIRE_FALSE(quarter(6));
  CHECK(quarter(6).error().message == "odd");
  CHECK(quarter(6).error().hint == "give an even number");
  CHECK(divisible_by_four(12));
  CHECK_FALSE(divisible_by_four(2));
  CHECK(half(3).value_or(7) == 7);
}

TEST_CASE("expected: carries what can only be moved", "[core][expected]") {
  const auto make = []() -> Expected<std::unique_ptr<int>> { return std::make_unique<int>(5); };
  auto result = make();
  const std::unique_ptr<int> owned = std::move(*result);
  CHECK(*owned == 5);
}

TEST_CASE("exit codes: the frozen table", "[core][exit_code]") {
  using av::exit_code_for;
  using av::ExitCode;
  CHECK(exit_code_for(ErrorCode::kUsage) == ExitCode::kUsage);
  CHECK(exit_code_for(ErrorCode::kNotFound) == ExitCode::kNotFound);
  CHECK(exit_code_for(ErrorCode::kLocked) == ExitCode::kLocked);
  CHECK(exit_code_for(ErrorCode::kNotPermitted) == ExitCode::kLocked);
  CHECK(exit_code_for(ErrorCode::kExists) == ExitCode::kConflict);
  CHECK(exit_code_for(ErrorCode::kConflict) == ExitCode::kConflict);
  CHECK(exit_code_for(ErrorCode::kIo) == ExitCode::kFailure);
  CHECK(exit_code_for(ErrorCode::kInternal) == ExitCode::kFailure);
  CHECK(static_cast<int>(ExitCode::kRunNotFound) == 127);
}

TEST_CASE("errno_error: picks the code and says what the system said", "[core][error]") {
  CHECK(av::errno_error(ENOENT, "cannot open x").code == ErrorCode::kNotFound);
  CHECK(av::errno_error(EACCES, "cannot open x").code == ErrorCode::kNotPermitted);
  CHECK(av::errno_error(ENOSPC, "cannot write x").code == ErrorCode::kNoSpace);
  CHECK(av::errno_error(EDQUOT, "cannot write x").code == ErrorCode::kNoSpace);
  CHECK(av::errno_error(EIO, "cannot write x").code == ErrorCode::kIo);
  CHECK(av::errno_error(ENOENT, "cannot open x").message.find("cannot open x") == 0);
  CHECK(av::errno_error(ENOENT, "cannot open x").message.find("o such file") != std::string::npos);
}

TEST_CASE("format_utc: RFC 3339 with milliseconds", "[core][clock]") {
  CHECK(av::format_utc(0) == "1970-01-01T00:00:00.000Z");
  CHECK(av::format_utc(1769846950123) == "2026-01-31T08:09:10.123Z");
  CHECK(av::format_utc(951827696789) == "2000-02-29T12:34:56.789Z");
}
