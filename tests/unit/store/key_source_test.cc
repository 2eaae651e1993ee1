// What KeyStore asks of a KekSource, with a device that lives in the test: whatever happens in the
// middle of a change, what the row names can be had.

#include <catch2/catch.hpp>
#include <map>

#include "core/encoding.h"
#include "store/key_file.h"
#include "store/local_keks.h"
#include "store/migrations.h"
#include "temp_home.h"

using namespace av;
using namespace av::test;
using store::KeyMode;

namespace {

// Keeps keys by a number, and hands them out while nobody has taken it away.
class Device final : public vault::KekSource {
 public:
  explicit Device(bool with_pin = false) : with_pin_(with_pin) {}

  [[nodiscard]] std::string_view mode() const override { return "tpm"; }

  [[nodiscard]] Expected<Protected> protect(const vault::Keyholder& holder) const override {
    if (!present) {
      return make_error(ErrorCode::kUnsupported, "no device");
    }
    if (with_pin_) {
      AV_TRY(const Secret pin, holder.ask({vault::Asked::kTpmPin, "new PIN: ", true}));
      pin_ = reveal(pin);
    }
    Protected made;
    AV_TRY(made.kek, crypto::random_secret(crypto::kKeySize));
    made.descriptor = "slot " + std::to_string(++made_);
    keys_[made.descriptor] = reveal(made.kek);
    return made;
  }

  [[nodiscard]] Expected<Secret> recover(const vault::KekRecord& record,
                                         const vault::Keyholder& holder) const override {
    ++recovered;
    if (with_pin_) {
      AV_TRY(const Secret pin, holder.ask({vault::Asked::kTpmPin, "PIN: ", false}));
      if (reveal(pin) != pin_) {
        return make_error(ErrorCode::kLocked, "wrong PIN");
      }
    }
    const auto found = keys_.find(record.descriptor);
    if (!present || found == keys_.end()) {
      return make_error(ErrorCode::kLocked, "the device does not have it");
    }
    return Secret::copy_of(found->second);
  }

  [[nodiscard]] Status forget(const vault::KekRecord& record) const override {
    if (!present) {
      return make_error(ErrorCode::kIo, "no device");
    }
    keys_.erase(record.descriptor);
    return {};
  }

  [[nodiscard]] bool asks(const vault::KekRecord& /*record*/) const override { return with_pin_; }
  [[nodiscard]] std::string detail(const vault::KekRecord& record) const override {
    return record.descriptor;
  }
  [[nodiscard]] std::size_t size() const { return keys_.size(); }

  bool present = true;
  mutable int recovered = 0;

 private:
  const bool with_pin_;
  mutable int made_ = 0;
  mutable std::string pin_;
  mutable std::map<std::string, std::string> keys_;
};

store::KeySources with_device(const std::shared_ptr<const Device>& device, int* asked = nullptr) {
  store::KeySources sources;
  sources.devices.push_back(device);
  if (asked != nullptr) {
    sources.pin = [asked](const vault::KeyQuestion&) {
      ++*asked;
      return Secret::copy_of("1234");
    };
  }
  return sources;
}

vault::Keyholder pin_holder() {
  return {[](const vault::KeyQuestion&) { return Secret::copy_of("1234"); }, false};
}

void stop_after(store::SqliteStore& store, std::string step) {
  store.test_only_keys().test_only_step = [step](std::string_view at) -> Status {
    return at == step ? Status(make_error(ErrorCode::kInternal, "stopped by the test")) : Status{};
  };
}

// A store as the version before the opaque descriptor wrote it.
void make_old_store(const TempHome& home, const std::string& mode, const std::string& kdf,
                    const std::string& columns, const Secret& kek, const std::string& salt_hex) {
  REQUIRE(fs::make_private_directory(home.paths().data));
  const Secret data_key = *crypto::random_secret(crypto::kKeySize);
  const auto wrapped = *data_key.reveal([&](std::string_view bytes) {
    return crypto::seal(
        kek, bytes, "agent-vault data key, version 1\n" + mode + "\n1\n" + kdf + "\n" + salt_hex);
  });
  const auto hex = [](const crypto::Bytes& bytes) { return "x'" + encoding::hex(bytes) + "'"; };
  auto database = store::Database::create(home.paths().database());
  REQUIRE(database);
  constexpr int kBefore = 8;
  REQUIRE(store::migrate(*database, kBefore));
  REQUIRE(database->write("test", [&]() -> Status {
    database->exec(("INSERT INTO key VALUES (1, '" + mode + "', 1, " + columns + ", x'" + salt_hex +
                    "', " + hex(store::key_id(kek)) + ", x'', " + hex(wrapped) + ", 5, 0)")
                       .c_str());
    return {};
  }));
}

}  // namespace

TEST_CASE("key source: a device takes the place of the key file, and gives it back",
          "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  const auto device = std::make_shared<const Device>();
  {
    auto store = open_store(home, clock, with_device(device));
    REQUIRE(store);
    REQUIRE(set(**store, "KEY", "value"));
    REQUIRE((*store)->protect_key(*device, {}));
    CHECK(get(**store, "KEY") == "value");
    CHECK((*store)->key_status()->mode == KeyMode::kTpm);
    CHECK((*store)->key_status()->detail == "slot 1");
    CHECK_FALSE(exists(home.paths().key_file()));
  }
  // Without it there is nothing to be had.
  CHECK_FALSE(open_store(home, clock, with_device(std::make_shared<const Device>())));
  CHECK(open_store(home, clock).error().code == ErrorCode::kUnsupported);
  {
    auto store = open_store(home, clock, with_device(device));
    REQUIRE(store);
    REQUIRE((*store)->rotate_key({}));
    // Anew by the same device: what it kept for the old row is forgotten.
    REQUIRE((*store)->protect_key(*device, {}));
    CHECK((*store)->key_status()->detail == "slot 2");
    CHECK(device->size() == 1);
  }
  auto store = open_store(home, clock, with_device(device));
  REQUIRE(store);
  CHECK(get(**store, "KEY") == "value");
  REQUIRE((*store)->protect_key(*store::make_file_kek(home.paths()), {}));
  CHECK(device->size() == 0);
  CHECK(get(**open_store(home, clock), "KEY") == "value");
}

TEST_CASE("key source: a change to and from a device that stops anywhere leaves a store that opens",
          "[store][key][crash]") {
  const TempHome home;
  const TickingClock clock;
  const auto device = std::make_shared<const Device>();
  const std::string step = GENERATE("protected", "key written", "saved", "committed");
  const int to_device = GENERATE(0, 1, 2);  // to a file, from a file, from the device itself
  CAPTURE(step, to_device);
  const bool done = step == "committed";
  {
    auto store = open_store(home, clock, with_device(device));
    REQUIRE(store);
    REQUIRE(set(**store, "KEY", "value"));
    if (to_device != 1) {
      REQUIRE((*store)->protect_key(*device, {}));
    }
    stop_after(**store, step);
    const auto file = store::make_file_kek(home.paths());
    const vault::KekSource& target = to_device != 0 ? *device : *file;
    CHECK_FALSE((*store)->protect_key(target, {}));
  }
  auto store = open_store(home, clock, with_device(device));
  REQUIRE(store);
  CHECK(get(**store, "KEY") == "value");
  CHECK(((*store)->key_status()->mode == KeyMode::kTpm) ==
        (to_device == 2 || (to_device == 1) == done));
  CHECK_FALSE(exists(home.paths().data / "key.new"));
  // The old way is closed once the row says so, by this process or by the next.
  if (done) {
    CHECK(exists(home.paths().key_file()) == (to_device == 0));
    CHECK(device->size() == (to_device == 0 ? 0 : 1));
  }
  REQUIRE((*store)->protect_key(*device, {}));
  store = open_store(home, clock, with_device(device));
  REQUIRE(store);
  CHECK(get(**store, "KEY") == "value");
}

TEST_CASE("key source: a device that is not there changes nothing", "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  const auto device = std::make_shared<Device>();
  auto store = open_store(home, clock, with_device(device));
  REQUIRE(store);
  REQUIRE(set(**store, "KEY", "value"));
  device->present = false;
  CHECK((*store)->protect_key(*device, {}).error().code == ErrorCode::kUnsupported);
  CHECK((*store)->key_status()->mode == KeyMode::kFile);
  CHECK(get(**open_store(home, clock), "KEY") == "value");
}

TEST_CASE("key source: what could not be forgotten is forgotten later", "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  const auto device = std::make_shared<Device>();
  {
    auto store = open_store(home, clock, with_device(device));
    REQUIRE(store);
    REQUIRE((*store)->protect_key(*device, {}));
    device->present = false;
    const auto moved = (*store)->protect_key(*store::make_file_kek(home.paths()), {});
    REQUIRE_FALSE(moved);
    CHECK(moved.error().message.find("the key was changed") == 0);
    CHECK((*store)->key_status()->mode == KeyMode::kFile);
  }
  REQUIRE(open_store(home, clock, with_device(device)));
  CHECK(device->size() == 1);
  device->present = true;
  REQUIRE(open_store(home, clock, with_device(device)));
  CHECK(device->size() == 0);
}

TEST_CASE("key source: an open store asks nobody again, and one that is kept asks nobody at all",
          "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  const auto device = std::make_shared<const Device>(true);
  int asked = 0;
  {
    auto store = open_store(home, clock, with_device(device, &asked));
    REQUIRE(store);
    REQUIRE(set(**store, "KEY", "value"));
    REQUIRE((*store)->protect_key(*device, pin_holder()));
    CHECK((*store)->key_status()->asks);
  }
  CHECK(open_store(home, clock, with_device(device)).error().code == ErrorCode::kLocked);
  CHECK(asked == 0);
  auto store = open_store(home, clock, with_device(device, &asked));
  REQUIRE(store);
  CHECK(asked == 1);
  const auto open = (*store)->open_kek();
  REQUIRE(open);
  // From where it is kept: no device, no question.
  const auto kept = [&](const std::string& bytes) {
    auto sources = with_device(device, &asked);
    sources.kept = [bytes](const crypto::Bytes&) { return Secret::copy_of(bytes); };
    return sources;
  };
  const int recovered = device->recovered;
  auto again = open_store(home, clock, kept(reveal(open->kek)));
  REQUIRE(again);
  CHECK(get(**again, "KEY") == "value");
  CHECK(device->recovered == recovered);
  CHECK(asked == 1);
  // What is kept for another row is of no use: the person is asked.
  REQUIRE(open_store(home, clock, kept(std::string(32, 'x'))));
  CHECK(asked == 2);
  // Somebody locks it anew, with a new data key: nobody is asked in the middle of the work.
  REQUIRE((*again)->protect_key(*device, pin_holder()));
  REQUIRE((*again)->rotate_key({}));
  CHECK((*store)->load_snapshot("default").error().code == ErrorCode::kLocked);
  CHECK(asked == 2);
}

TEST_CASE("key source: the descriptor is bound to the wrapped key", "[store][key][security]") {
  const TempHome home;
  const TickingClock clock;
  const auto device = std::make_shared<const Device>();
  {
    auto store = open_store(home, clock, with_device(device));
    REQUIRE(store);
    REQUIRE((*store)->protect_key(*device, {}));
  }
  SECTION("as it was, it opens") {
    CHECK(open_store(home, clock, with_device(device)));
  }
  SECTION("a letter more, and a device that does not mind") {
    class Careless final : public vault::KekSource {
     public:
      explicit Careless(std::string kek) : kek_(std::move(kek)) {}
      [[nodiscard]] std::string_view mode() const override { return "tpm"; }
      [[nodiscard]] Expected<Protected> protect(const vault::Keyholder&) const override {
        return make_error(ErrorCode::kInternal, "not asked");
      }
      [[nodiscard]] Expected<Secret> recover(const vault::KekRecord&,
                                             const vault::Keyholder&) const override {
        return Secret::copy_of(kek_);
      }
      [[nodiscard]] std::string detail(const vault::KekRecord&) const override { return "x"; }

     private:
      const std::string kek_;
    };
    const Secret kek = std::move((*open_store(home, clock, with_device(device)))->open_kek()->kek);
    store::KeySources sources;
    sources.devices.push_back(std::make_shared<const Careless>(reveal(kek)));
    tamper(home, "UPDATE key SET descriptor = descriptor || 'x'");
    CHECK(open_store(home, clock, std::move(sources)).error().code == ErrorCode::kCorrupt);
  }
}

TEST_CASE("key source: rows of earlier versions open as they did", "[store][key][migrations]") {
  const TempHome home;
  const TickingClock clock;
  SECTION("key file") {
    const Secret kek = *crypto::random_secret(crypto::kKeySize);
    make_old_store(home, "file", "t=0 m=0 p=0", "0, 0, 0", kek, "");
    REQUIRE(store::write_key_file(home.paths().key_file(), kek));
    const auto store = open_store(home, clock);
    REQUIRE(store);
    CHECK((*store)->key_status()->mode == KeyMode::kFile);
    REQUIRE((*store)->rotate_key({}));
    CHECK(open_store(home, clock));
  }
  SECTION("passphrase") {
    const std::string salt = "00112233445566778899aabbccddeeff";
    const Secret kek =
        *crypto::argon2id(secret("passphrase"), *encoding::from_hex(salt), {1, 64, 1});
    make_old_store(home, "passphrase", "t=1 m=64 p=1", "1, 64, 1", kek, salt);
    CHECK(open_store(home, clock, with_passphrase("wrong")).error().code == ErrorCode::kLocked);
    const auto store = open_store(home, clock, with_passphrase("passphrase"));
    REQUIRE(store);
    CHECK((*store)->key_status()->detail == "Argon2id t=1 m=64 p=1");
  }
}

TEST_CASE("key source: a way to lock that this program does not know is named", "[store][key]") {
  const TempHome home;
  const TickingClock clock;
  REQUIRE(open_store(home, clock));
  tamper(home, "UPDATE key SET mode = 'brainwave'");
  const auto store = open_store(home, clock);
  REQUIRE_FALSE(store);
  CHECK(store.error().code == ErrorCode::kCorrupt);
  CHECK(store.error().message.find("brainwave") != std::string::npos);
}
