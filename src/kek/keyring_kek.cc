#include <unistd.h>

#include <cstdlib>

#include "core/encoding.h"
#include "kek/glib_handles.h"
#include "kek/keks.h"
#include "kek/library.h"

namespace av::kek {
namespace {

constexpr const char* kStoreAttribute = "store";
constexpr std::size_t kIdSize = 16;
constexpr const char* kReachHint =
    "is a keyring running in this session (GNOME Keyring, KWallet, KeePassXC)? "
    "DBUS_SESSION_BUS_ADDRESS must lead to it";
constexpr const char* kUnlockHint =
    "unlock it in the desktop's own program (Passwords and Keys, KWallet), and try again";

const SecretSchema kSchema = {
    "org.agent_vault.StoreKey",
    SECRET_SCHEMA_NONE,
    {{kStoreAttribute, SECRET_SCHEMA_ATTRIBUTE_STRING}, {nullptr, SECRET_SCHEMA_ATTRIBUTE_STRING}},
    0,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr};

// One question to the service: holds the connection, turns what comes back into ours.
class Session {
 public:
  static Expected<Session> open() {
    // Without an address GLib would start a bus of its own, by a program that it looks up in PATH.
    const char* const address = std::getenv("DBUS_SESSION_BUS_ADDRESS");
    const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
    const bool known =
        (address != nullptr && address[0] != '\0') ||
        (runtime != nullptr && ::access((std::string(runtime) + "/bus").c_str(), F_OK) == 0);
    if (!known) {
      return make_error(ErrorCode::kLocked,
                        "the desktop's keyring cannot be reached: there is no session bus",
                        kReachHint);
    }
    AV_TRY(const SecretLibrary* const api, SecretLibrary::load());
    Session session(*api);
    Failure failed(*api);
    session.service_ = api->service_get(SECRET_SERVICE_OPEN_SESSION, nullptr, failed.out());
    if (session.service_ == nullptr) {
      return failed.error("the desktop's keyring cannot be reached", kReachHint);
    }
    // Or GLib ends this process when the bus ends.
    GDBusConnection* const bus =
        api->connection_of(reinterpret_cast<GDBusProxy*>(session.service_));
    if (bus != nullptr) {
      api->set_exit_on_close(bus, FALSE);
    }
    return session;
  }
  Session(Session&& other) noexcept
      : api_(other.api_), service_(std::exchange(other.service_, nullptr)) {}
  Session& operator=(Session&&) = delete;
  ~Session() {
    if (service_ != nullptr) {
      api_.object_unref(service_);
      api_.disconnect();  // libsecret keeps one more
    }
  }

  Status store(const std::string& id, const std::string& label, const Secret& kek) {
    const auto attributes = attributes_of(id);
    SecretBuffer text;
    kek.reveal([&](std::string_view bytes) { encoding::append_base64(text, bytes); });
    SecretValue* const value =
        api_.value_new(text.view().data(), static_cast<gssize>(text.size()), "text/plain");
    Failure failed(api_);
    const bool stored = api_.store(service_, &kSchema, attributes.get(), SECRET_COLLECTION_DEFAULT,
                                   label.c_str(), value, nullptr, failed.out()) != FALSE;
    api_.value_unref(value);
    return stored ? Status{}
                  : Status(failed.error("the keyring has not taken the key", kUnlockHint));
  }

  // kNotFound when there is none, kLocked when its collection stays locked.
  Expected<Secret> look_up(const std::string& id, bool may_prompt) {
    const auto attributes = attributes_of(id);
    const int flags = SECRET_SEARCH_LOAD_SECRETS | (may_prompt ? SECRET_SEARCH_UNLOCK : 0);
    Failure failed(api_);
    GList* const items = api_.search(service_, &kSchema, attributes.get(),
                                     static_cast<SecretSearchFlags>(flags), nullptr, failed.out());
    if (failed.happened()) {
      return failed.error("the keyring has not given the key", kUnlockHint);
    }
    if (items == nullptr) {
      return make_error(ErrorCode::kNotFound, "the keyring does not have the key of this store");
    }
    Expected<Secret> found = secret_of(static_cast<SecretItem*>(items->data));
    api_.list_free_full(items, api_.object_unref);
    return found;
  }

  Status remove(const std::string& id) {
    const auto attributes = attributes_of(id);
    Failure failed(api_);
    (void)api_.clear(service_, &kSchema, attributes.get(), nullptr, failed.out());
    if (failed.happened()) {
      return failed.error("the keyring has not removed the old key", kUnlockHint);
    }
    // It says nothing of items that it skipped because they are locked.
    const Expected<Secret> left = look_up(id, false);
    if (!left && left.error().code == ErrorCode::kNotFound) {
      return {};
    }
    return left ? Status(make_error(ErrorCode::kIo, "the keyring still has the old key"))
                : Status(left.error());
  }

 private:
  // A GError that may come, and is freed.
  class Failure {
   public:
    explicit Failure(const SecretLibrary& api) : api_(api) {}
    ~Failure() {
      if (error_ != nullptr) {
        api_.error_free(error_);
      }
    }
    Failure(const Failure&) = delete;
    Failure& operator=(const Failure&) = delete;
    GError** out() { return &error_; }
    [[nodiscard]] bool happened() const { return error_ != nullptr; }
    [[nodiscard]] Error error(const std::string& what, const char* hint) const {
      // No word and no success: a question on the screen was dismissed.
      const std::string why =
          error_ == nullptr ? "it is locked, and nobody has unlocked it"
                            : encoding::printable(std::string(error_->message).substr(0, 300));
      return make_error(ErrorCode::kLocked, what + ": " + why, hint);
    }

   private:
    const SecretLibrary& api_;
    GError* error_ = nullptr;
  };

  explicit Session(const SecretLibrary& api) : api_(api) {}

  // Borrows `id`.
  [[nodiscard]] std::unique_ptr<GHashTable, void (*)(GHashTable*)> attributes_of(
      const std::string& id) const {
    GHashTable* const table = api_.table_new(api_.str_hash, api_.str_equal);
    api_.table_insert(table, const_cast<char*>(kStoreAttribute), const_cast<char*>(id.c_str()));
    return {table, api_.table_unref};
  }

  Expected<Secret> secret_of(SecretItem* item) const {
    SecretValue* const value = api_.item_locked(item) ? nullptr : api_.item_secret(item);
    if (value == nullptr) {
      return make_error(ErrorCode::kLocked, "the keyring that has the key of this store is locked",
                        kUnlockHint);
    }
    gsize size = 0;
    const char* const text = api_.value_get(value, &size);
    Expected<Secret> out = Secret::with_size(encoding::base64_decoded_bound(size));
    if (out) {
      const auto decoded = encoding::from_base64({text, size}, out->writable());
      out->truncate(decoded.value_or(0));
    }
    api_.value_unref(value);
    return out;
  }

  const SecretLibrary& api_;
  SecretService* service_ = nullptr;
};

Status check_id(const std::string& id) {
  const auto bytes = encoding::from_hex(id);
  if (!bytes || bytes->size() != kIdSize) {
    return make_error(ErrorCode::kCorrupt, "the store names an impossible item of the keyring",
                      "restore it from a backup");
  }
  return {};
}

class KeyringKek final : public vault::KekSource {
 public:
  explicit KeyringKek(std::string place) : place_(std::move(place)) {}

  [[nodiscard]] std::string_view mode() const override { return "keyring"; }

  [[nodiscard]] Expected<Protected> protect(const vault::Keyholder& /*holder*/) const override {
    Protected made;
    made.descriptor = crypto::random_hex(kIdSize);
    AV_TRY(made.kek, crypto::random_secret(crypto::kKeySize));
    AV_TRY(Session session, Session::open());
    AV_CHECK(session.store(made.descriptor, "agent-vault: key of " + place_, made.kek));
    // A collection that lives in memory only, or a service that says yes to everything.
    AV_TRY(const Secret kept, session.look_up(made.descriptor, false));
    if (!kept.equals(made.kek)) {
      return make_error(ErrorCode::kLocked, "the keyring gives back another key than it was given");
    }
    return made;
  }

  [[nodiscard]] Expected<Secret> recover(const vault::KekRecord& record,
                                         const vault::Keyholder& holder) const override {
    AV_CHECK(check_id(record.descriptor));
    AV_TRY(Session session, Session::open());
    Expected<Secret> kek = session.look_up(record.descriptor, holder.may_prompt);
    if (!kek && kek.error().code == ErrorCode::kNotFound) {
      return make_error(
          ErrorCode::kLocked,
          "the keyring does not have the key of this store (item " + record.descriptor + ")",
          "log in as the person and on the machine where the key was put into the "
          "keyring; without it the values are lost");
    }
    return kek;
  }

  [[nodiscard]] Status forget(const vault::KekRecord& record) const override {
    AV_CHECK(check_id(record.descriptor));
    AV_TRY(Session session, Session::open());
    return session.remove(record.descriptor);
  }

  [[nodiscard]] std::string detail(const vault::KekRecord& record) const override {
    return "the desktop's keyring, item " + encoding::printable(record.descriptor);
  }

 private:
  const std::string place_;
};

}  // namespace

Expected<const SecretLibrary*> SecretLibrary::load() {
  static const Expected<SecretLibrary> loaded = []() -> Expected<SecretLibrary> {
    AV_TRY(const Library library, Library::load("libsecret-1.so.0", "libsecret-1-0"));
    SecretLibrary api;
    AV_CHECK(library.bind(api.service_get, "secret_service_get_sync"));
    AV_CHECK(library.bind(api.disconnect, "secret_service_disconnect"));
    AV_CHECK(library.bind(api.search, "secret_service_search_sync"));
    AV_CHECK(library.bind(api.store, "secret_service_store_sync"));
    AV_CHECK(library.bind(api.clear, "secret_service_clear_sync"));
    AV_CHECK(library.bind(api.item_locked, "secret_item_get_locked"));
    AV_CHECK(library.bind(api.item_secret, "secret_item_get_secret"));
    AV_CHECK(library.bind(api.value_new, "secret_value_new"));
    AV_CHECK(library.bind(api.value_get, "secret_value_get"));
    AV_CHECK(library.bind(api.value_unref, "secret_value_unref"));
    // Of GLib and GIO, which libsecret has brought.
    AV_CHECK(library.bind(api.table_new, "g_hash_table_new"));
    AV_CHECK(library.bind(api.table_insert, "g_hash_table_insert"));
    AV_CHECK(library.bind(api.table_unref, "g_hash_table_unref"));
    AV_CHECK(library.bind(api.str_hash, "g_str_hash"));
    AV_CHECK(library.bind(api.str_equal, "g_str_equal"));
    AV_CHECK(library.bind(api.list_free_full, "g_list_free_full"));
    AV_CHECK(library.bind(api.object_unref, "g_object_unref"));
    AV_CHECK(library.bind(api.connection_of, "g_dbus_proxy_get_connection"));
    AV_CHECK(library.bind(api.set_exit_on_close, "g_dbus_connection_set_exit_on_close"));
    AV_CHECK(library.bind(api.error_free, "g_error_free"));
    return api;
  }();
  if (!loaded) {
    return loaded.error();
  }
  return &*loaded;
}

std::shared_ptr<const vault::KekSource> make_keyring_kek(std::string place) {
  return std::make_shared<const KeyringKek>(std::move(place));
}

}  // namespace av::kek
