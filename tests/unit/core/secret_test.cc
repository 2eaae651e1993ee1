#include "core/secret.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <type_traits>

#include "core/locked_bytes.h"

using av::LockedBytes;
using av::Secret;
using av::SecretBuffer;

namespace {

template <typename T, typename = void>
struct IsPrintable : std::false_type {};
template <typename T>
struct IsPrintable<T, std::void_t<decltype(std::declval<std::ostream&>() << std::declval<T>())>>
    : std::true_type {};
template <typename T, typename = void>
struct IsComparable : std::false_type {};
template <typename T>
struct IsComparable<T, std::void_t<decltype(std::declval<T>() == std::declval<T>())>>
    : std::true_type {};

std::string text_of(const Secret& from) {
  return from.reveal([](std::string_view b) { return std::string(b); });
}

}  // namespace

// What a secret must not be able to do is checked by the compiler.
static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(!std::is_copy_constructible_v<SecretBuffer>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);
static_assert(std::is_nothrow_move_assignable_v<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_constructible_v<std::string, const Secret&>);
static_assert(!std::is_constructible_v<std::string_view, const Secret&>);
static_assert(!std::is_constructible_v<nlohmann::json, const Secret&>);
static_assert(!std::is_constructible_v<nlohmann::json, Secret>);
static_assert(!std::is_constructible_v<nlohmann::ordered_json, const Secret&>);
static_assert(!std::is_constructible_v<nlohmann::json, const SecretBuffer&>);
static_assert(!IsPrintable<const Secret&>::value && !IsPrintable<const SecretBuffer&>::value);
static_assert(!IsComparable<const Secret&>::value);

TEST_CASE("secret: lends the bytes that it was made of", "[core][secret]") {
  const std::string value("with\0 NUL and \xff", 15);
  const Secret secret = Secret::copy_of(value).value();
  CHECK(secret.size() == value.size());
  CHECK(text_of(secret) == value);
}

TEST_CASE("secret: an empty one needs nothing", "[core][secret]") {
  const Secret none;
  CHECK(none.empty());
  CHECK(text_of(none).empty());
  CHECK(Secret::copy_of("").value().empty());
  CHECK(none.equals(Secret()));
  CHECK(none.clone().value().empty());
}

TEST_CASE("secret: moving leaves nothing behind", "[core][secret]") {
  Secret first = Secret::copy_of("one").value();
  Secret second = std::move(first);
  CHECK(first.empty());  // NOLINT: that is the question
  CHECK(text_of(second) == "one");
  Secret third = Secret::copy_of("three").value();
  third = std::move(second);
  CHECK(text_of(third) == "one");
  Secret& same = third;
  third = std::move(same);
  CHECK(text_of(third) == "one");
}

TEST_CASE("secret: a clone is its own", "[core][secret]") {
  Secret first = Secret::copy_of("value").value();
  const Secret second = first.clone().value();
  first.writable()[0] = 'V';
  CHECK(text_of(second) == "value");
  CHECK_FALSE(first.equals(second));
}

TEST_CASE("secret: equality looks at all of it", "[core][secret]") {
  const Secret a = Secret::copy_of("abcdef").value();
  CHECK(a.equals(Secret::copy_of("abcdef").value()));
  CHECK_FALSE(a.equals(Secret::copy_of("abcdeg").value()));
  CHECK_FALSE(a.equals(Secret::copy_of("abcde").value()));
  CHECK_FALSE(a.equals(Secret()));
}

TEST_CASE("secret: truncating keeps the head", "[core][secret]") {
  Secret secret = Secret::copy_of("abcdef").value();
  secret.truncate(3);
  CHECK(text_of(secret) == "abc");
  secret.truncate(0);
  CHECK(secret.empty());
  secret.truncate(0);
  CHECK(secret.empty());
}

TEST_CASE("secret: an exhausted arena is an error, and freeing gives the room back",
          "[core][secret]") {
  {
    std::vector<Secret> held;
    bool refused = false;
    for (int i = 0; i < 100 && !refused; ++i) {
      auto more = Secret::with_size(std::size_t{256} << 10);
      refused = !more;
      if (more) {
        held.push_back(std::move(*more));
      }
    }
    CHECK(refused);
    CHECK_FALSE(held.empty());
  }
  CHECK(Secret::with_size(std::size_t{256} << 10));
}

TEST_CASE("secret buffer: grows, keeps its bytes, gives them to a secret", "[core][secret]") {
  SecretBuffer buffer;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    buffer.append("0123456789");
    buffer.push_back('!');
    expected += "0123456789!";
  }
  CHECK(buffer.view() == expected);
  buffer.append(Secret::copy_of("tail").value());
  CHECK(buffer.view().substr(expected.size()) == "tail");
  CHECK(text_of(buffer.to_secret().value()) == expected + "tail");
  SecretBuffer moved = std::move(buffer);
  CHECK(buffer.empty());  // NOLINT: that is the question
  moved.truncate(4);
  CHECK(moved.view() == "0123");
}

TEST_CASE("secret buffer: clearing and truncating wipe what they drop", "[core][secret]") {
  SecretBuffer buffer;
  buffer.append("sensitive");
  const char* const memory = buffer.data();
  buffer.truncate(4);
  CHECK(std::string(memory, 9) == std::string("sens\0\0\0\0\0", 9));
  buffer.clear();
  CHECK(std::string(memory, 9) == std::string(9, '\0'));
}

namespace {

// The flags of the mapping that has this address, as /proc/self/smaps tells them.
std::string flags_of(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      here = wanted >= begin && wanted < end;
    } else if (here && line.starts_with("VmFlags:")) {
      return line + " ";
    }
  }
  return {};
}

}  // namespace

TEST_CASE("locked bytes are in pages that are not dumped, and not swapped where that is allowed",
          "[secret]") {
  const std::string text(10'000, 'x');
  LockedBytes bytes = LockedBytes::copy_of(text);
  REQUIRE(bytes.view() == text);
  const char* const where = bytes.view().data();
  CHECK(flags_of(where).find(" dd ") != std::string::npos);
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
  if (limit.rlim_cur >= std::size_t{8} << 20) {
    CHECK(flags_of(where).find(" lo ") != std::string::npos);
  }
  // The control: ordinary memory is neither.
  CHECK(flags_of(text.data()).find(" dd ") == std::string::npos);
  LockedBytes moved = std::move(bytes);
  CHECK(moved.view().data() == where);
  CHECK(bytes.empty());  // NOLINT(bugprone-use-after-move)
  moved = LockedBytes::copy_of("other");
  CHECK(moved.view() == "other");
  CHECK(LockedBytes::copy_of("").empty());
}
