#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "device.h"
#include "kek/descriptor.h"
#include "kek/library.h"
#include "kek/module_file.h"

using namespace av;
using namespace av::test;

TEST_CASE("token: a key that stays on it wraps the KEK", "[kek][pkcs11]") {
  const Device token("token");
  if (!token.is_there()) {
    WARN("skipped: softhsm2 or opensc is not installed");
    return;
  }
  const Variable config("SOFTHSM2_CONF", (token.directory() / "softhsm2.conf").string());
  const std::string& module = token.line();

  SECTION("AES and RSA") {
    const std::string key = GENERATE("aes", "rsa");
    CAPTURE(key);
    const auto source = kek::make_token_kek({module, "work", key});
    int asked = 0;
    const auto made = source->protect(holder("1234", &asked));
    REQUIRE(made);
    CHECK(asked == 1);
    const vault::KekRecord record{made->descriptor, {}};
    const auto again = kek::make_token_kek({})->recover(record, holder("1234", &asked));
    REQUIRE(again);
    CHECK(again->equals(made->kek));
    CHECK(asked == 2);
    CHECK(source->asks(record));
    CHECK(source->detail(record).find("the key '" + key + "' of the token 'work'") == 0);

    const auto wrong = source->recover(record, holder("9999"));
    CHECK(wrong.error().code == ErrorCode::kLocked);
    CHECK(wrong.error().message.find("wrong PIN") != std::string::npos);

    auto json = nlohmann::ordered_json::parse(made->descriptor);
    SECTION("another token") {
      json["token"] = "play";
      const auto missing = source->recover({json.dump(), {}}, holder("1234", &asked));
      CHECK(missing.error().message == "there is no token with the label 'play'");
      CHECK(missing.error().hint == "there is: 'work'");
      CHECK(asked == 2);  // no PIN for a token that is not there
    }
    SECTION("another key") {
      json["key"] = "gone";
      CHECK(source->recover({json.dump(), {}}, holder("1234")).error().code == ErrorCode::kLocked);
    }
    SECTION("damaged bytes") {
      auto bytes = *kek::Descriptor::parse(made->descriptor)->bytes("wrapped");
      bytes.back() ^= 1;
      json["wrapped"] = kek::base64_of(bytes);
      const auto damaged = source->recover({json.dump(), {}}, holder("1234"));
      CHECK((!damaged || !damaged->equals(made->kek)));
      json["wrapped"] = "";
      CHECK_FALSE(source->recover({json.dump(), {}}, holder("1234")));
      json["mechanism"] = "rot13";
      CHECK(source->recover({json.dump(), {}}, holder("1234")).error().code == ErrorCode::kCorrupt);
    }
  }
  SECTION("a key that may leave it is refused") {
    const auto made = kek::make_token_kek({module, "work", "loose"})->protect(holder("1234"));
    REQUIRE_FALSE(made);
    CHECK(made.error().message.find("can be taken out") != std::string::npos);
  }
  SECTION("a label that is not there says how to make a key") {
    const auto made = kek::make_token_kek({module, "work", "none"})->protect(holder("1234"));
    CHECK(made.error().code == ErrorCode::kNotFound);
    CHECK(made.error().hint.find("--keypairgen") != std::string::npos);
  }
}

TEST_CASE("token: a library that others could have changed is not loaded",
          "[kek][pkcs11][security]") {
  const Device token("token");
  if (!token.is_there()) {
    WARN("skipped: softhsm2 or opensc is not installed");
    return;
  }
  const Variable config("SOFTHSM2_CONF", (token.directory() / "softhsm2.conf").string());
  const auto directory = token.directory() / "lib";
  const auto copy = directory / "module.so";
  std::filesystem::create_directory(directory);
  std::filesystem::copy_file(token.line(), copy);
  const auto protect = [&] {
    return kek::make_token_kek({copy.string(), "work", "aes"})->protect(holder("1234"));
  };
  // The control: in a directory of one's own it is as good as the package's.
  ::chmod(copy.c_str(), 0755);
  ::chmod(directory.c_str(), 0755);
  REQUIRE(protect());
  SECTION("the file") {
    ::chmod(copy.c_str(), 0777);
  }
  SECTION("its directory") {
    ::chmod(directory.c_str(), 0777);
  }
  const auto refused = protect();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kNotPermitted);
  CHECK(refused.error().message.find("not safe to load") != std::string::npos);
}

TEST_CASE("token: the library is named by an absolute path to a library", "[kek][pkcs11]") {
  CHECK(kek::check_module_file("opensc-pkcs11.so").error().code == ErrorCode::kInvalid);
  CHECK(kek::check_module_file("").error().code == ErrorCode::kInvalid);
  CHECK(kek::check_module_file("/nonexistent/x.so").error().code == ErrorCode::kNotFound);
  CHECK(kek::check_module_file("/usr/lib").error().code == ErrorCode::kNotFound);
  const auto made = kek::make_token_kek({"/usr/bin/env", "work", "aes"})->protect({});
  CHECK(made.error().code == ErrorCode::kUnsupported);
}

TEST_CASE("library: one that is not installed names the package, an old one the function",
          "[kek]") {
  const auto missing = kek::Library::load("libnonexistent.so.9", "libnonexistent9");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kUnsupported);
  CHECK(missing.error().hint == "apt-get install libnonexistent9");
  const auto libc = kek::Library::load("libc.so.6", "libc6");
  REQUIRE(libc);
  decltype(&::getpid) function = nullptr;
  REQUIRE(libc->bind(function, "getpid"));
  CHECK(function() == ::getpid());
  CHECK(libc->bind(function, "no_such_function").error().code == ErrorCode::kUnsupported);
}
