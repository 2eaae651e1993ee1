#include <catch2/catch.hpp>

#include "device.h"
#include "kek/descriptor.h"

using namespace av;
using namespace av::test;

TEST_CASE("tpm: what one TPM seals only that one opens", "[kek][tpm]") {
  const Device one("tpm");
  if (!one.is_there()) {
    WARN("skipped: swtpm is not installed");
    return;
  }
  const auto source = kek::make_tpm_kek({one.line(), false});
  const auto made = source->protect({});
  REQUIRE(made);
  CHECK(made->kek.size() == crypto::kKeySize);
  const vault::KekRecord record{made->descriptor, {}};
  CHECK_FALSE(source->asks(record));
  CHECK(source->detail(record) == "the TPM of this machine");
  const auto again = source->recover(record, {});
  REQUIRE(again);
  CHECK(again->equals(made->kek));
  // The key is not in what is kept on disk.
  CHECK(made->descriptor.find(encoding::base64(shown(made->kek)).substr(0, 40)) ==
        std::string::npos);

  SECTION("another TPM") {
    const Device two("tpm");
    const auto other = kek::make_tpm_kek({two.line(), false})->recover(record, {});
    REQUIRE_FALSE(other);
    CHECK(other.error().code == ErrorCode::kLocked);
    CHECK(other.error().message.find("another TPM") != std::string::npos);
  }
  SECTION("a damaged object") {
    auto json = nlohmann::ordered_json::parse(made->descriptor);
    json["private"] = "AAAA";
    const auto broken = source->recover({json.dump(), {}}, {});
    CHECK(broken.error().code == ErrorCode::kCorrupt);
    CHECK(source->recover({"", {}}, {}).error().code == ErrorCode::kCorrupt);
    CHECK(source->recover({R"({"private": 5, "public": []})", {}}, {}).error().code ==
          ErrorCode::kCorrupt);
  }
}

TEST_CASE("tpm: a PIN is checked by the TPM, which takes none after some wrong ones",
          "[kek][tpm]") {
  const Device tpm("tpm");
  if (!tpm.is_there()) {
    WARN("skipped: swtpm is not installed");
    return;
  }
  const auto source = kek::make_tpm_kek({tpm.line(), true});
  int asked = 0;
  const auto made = source->protect(holder("2468", &asked));
  REQUIRE(made);
  CHECK(asked == 1);
  const vault::KekRecord record{made->descriptor, {}};
  CHECK(source->asks(record));
  const auto opened = source->recover(record, holder("2468", &asked));
  REQUIRE(opened);
  CHECK(opened->equals(made->kek));
  const auto wrong = source->recover(record, holder("1357"));
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::kLocked);
  CHECK(wrong.error().message.find("wrong PIN") != std::string::npos);
  // The descriptor's word that there is no PIN does not make it so.
  auto json = nlohmann::ordered_json::parse(made->descriptor);
  json["pin"] = false;
  CHECK_FALSE(source->recover({json.dump(), {}}, {}));
  std::string last;
  for (int i = 0; i < 40 && last.find("takes none") == std::string::npos; ++i) {
    last = source->recover(record, holder("1357")).error().message;
  }
  CHECK(last.find("takes none for now") != std::string::npos);
  // Not the right one either.
  CHECK_FALSE(source->recover(record, holder("2468")));
}

TEST_CASE("tpm: one that is not there is named, and no PIN asked for", "[kek][tpm]") {
  init_secret_arena();
  int asked = 0;
  const auto made =
      kek::make_tpm_kek({"device:/nonexistent/tpm", false})->protect(holder("x", &asked));
  REQUIRE_FALSE(made);
  CHECK(made.error().message.find("/nonexistent/tpm") != std::string::npos);
  CHECK_FALSE(made.error().hint.empty());
  CHECK(asked == 0);
}
