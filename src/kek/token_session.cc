#include "kek/token_session.h"

#include <openssl/crypto.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <vector>

#include "core/encoding.h"
#include "kek/library.h"
#include "kek/module_file.h"

namespace av::kek {
namespace {

constexpr std::size_t kMostWrapped = 4096;
constexpr std::string_view kAesGcm = "aes-gcm";
constexpr std::string_view kOaepSha256 = "rsa-oaep-sha256";
constexpr std::string_view kOaepSha1 = "rsa-oaep-sha1";

std::mutex& one_at_a_time() {
  static std::mutex mutex;
  return mutex;
}

std::string quoted(const std::string& label) {
  return "'" + encoding::printable(label) + "'";
}

Error failed(const std::string& what, CK_RV code) {
  switch (code) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
      return make_error(ErrorCode::kLocked, what + ": wrong PIN",
                        "try again; after some wrong ones the token takes none any more");
    case CKR_PIN_LOCKED:
      return make_error(ErrorCode::kLocked, what + ": the PIN is locked after too many wrong ones",
                        "set a new one with the token's PUK: pkcs11-tool --init-pin --login "
                        "--login-type so");
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_DEVICE_REMOVED:
      return make_error(ErrorCode::kLocked, what + ": the token is not there any more",
                        "put it in, and try again");
    default:
      break;
  }
  char number[24];
  std::snprintf(number, sizeof number, "0x%lx", static_cast<unsigned long>(code));
  return make_error(ErrorCode::kLocked, what + ": error " + number + " of the token",
                    "look for it in the manual of the token (PKCS #11 return values)");
}

// Fixed width, padded with blanks.
std::string label_of(const CK_TOKEN_INFO& info) {
  std::string label(reinterpret_cast<const char*>(info.label), sizeof info.label);
  label.erase(label.find_last_not_of(' ') + 1);
  return label;
}

template <typename T>
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, T& value) {
  return {type, &value, sizeof value};
}

// What a mechanism needs beside it, kept where its pointers lead.
class Mechanism {
 public:
  Mechanism(std::string_view name, CK_BYTE* nonce) {
    if (name == kAesGcm) {
      gcm_ = {nonce, crypto::kNonceSize, crypto::kNonceSize * 8, nullptr, 0, crypto::kTagSize * 8};
      value_ = {CKM_AES_GCM, &gcm_, sizeof gcm_};
    } else {
      const bool sha256 = name == kOaepSha256;
      oaep_ = {sha256 ? CKM_SHA256 : CKM_SHA_1, sha256 ? CKG_MGF1_SHA256 : CKG_MGF1_SHA1,
               CKZ_DATA_SPECIFIED, nullptr, 0};
      value_ = {CKM_RSA_PKCS_OAEP, &oaep_, sizeof oaep_};
    }
  }
  Mechanism(const Mechanism&) = delete;
  Mechanism& operator=(const Mechanism&) = delete;
  CK_MECHANISM* get() { return &value_; }

 private:
  CK_GCM_PARAMS gcm_{};
  CK_RSA_PKCS_OAEP_PARAMS oaep_{};
  CK_MECHANISM value_{};
};

}  // namespace

struct TokenSession::Impl {
  std::unique_lock<std::mutex> turn{one_at_a_time()};
  CK_FUNCTION_LIST_PTR api = nullptr;
  bool initialised = false;
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  std::string token;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (session != CK_INVALID_HANDLE) {
      (void)api->C_Logout(session);
      (void)api->C_CloseSession(session);
    }
    if (initialised) {
      (void)api->C_Finalize(nullptr);
    }
  }

  Status load(const std::string& path) {
    AV_TRY(const std::string file, check_module_file(path));
    AV_TRY(const Library library, Library::load(file.c_str(), ""));
    CK_C_GetFunctionList list = nullptr;
    AV_CHECK(library.bind(list, "C_GetFunctionList"));
    CK_RV code = list(&api);
    if (code == CKR_OK && api != nullptr) {
      CK_C_INITIALIZE_ARGS arguments{};
      arguments.flags = CKF_OS_LOCKING_OK;
      code = api->C_Initialize(&arguments);
    }
    initialised = code == CKR_OK;
    return initialised || code == CKR_CRYPTOKI_ALREADY_INITIALIZED
               ? Status{}
               : Status(failed("the token's library does not start", code));
  }

  Expected<CK_SLOT_ID> find_token() {
    CK_ULONG count = 0;
    CK_RV code = api->C_GetSlotList(CK_TRUE, nullptr, &count);
    std::vector<CK_SLOT_ID> slots(count);
    if (code == CKR_OK && count > 0) {
      code = api->C_GetSlotList(CK_TRUE, slots.data(), &count);
      slots.resize(std::min<std::size_t>(slots.size(), count));
    }
    if (code != CKR_OK) {
      return failed("the tokens cannot be listed", code);
    }
    std::vector<CK_SLOT_ID> found;
    std::string seen;
    for (const CK_SLOT_ID slot : slots) {
      CK_TOKEN_INFO info{};
      if (api->C_GetTokenInfo(slot, &info) != CKR_OK || (info.flags & CKF_TOKEN_INITIALIZED) == 0) {
        continue;
      }
      if (label_of(info) == token) {
        found.push_back(slot);
      }
      seen += (seen.empty() ? "" : ", ") + quoted(label_of(info));
    }
    if (found.size() == 1) {
      return found.front();
    }
    return found.empty()
               ? make_error(ErrorCode::kLocked, "there is no token with the label " + quoted(token),
                            seen.empty() ? "put it in, and try again" : "there is: " + seen)
               : make_error(ErrorCode::kInvalid,
                            "there are several tokens with the label " + quoted(token),
                            "take out the others");
  }

  Status log_in(CK_SLOT_ID slot, const vault::Keyholder& holder) {
    CK_TOKEN_INFO info{};
    CK_RV code = api->C_GetTokenInfo(slot, &info);
    if (code == CKR_OK) {
      code = api->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session);
    }
    if (code != CKR_OK) {
      return failed("the token " + quoted(token) + " does not answer", code);
    }
    if ((info.flags & CKF_LOGIN_REQUIRED) == 0) {
      return {};
    }
    if ((info.flags & CKF_USER_PIN_LOCKED) != 0) {
      return failed("the token " + quoted(token), CKR_PIN_LOCKED);
    }
    Secret pin;
    // Else the PIN is typed at the token itself.
    if ((info.flags & CKF_PROTECTED_AUTHENTICATION_PATH) == 0) {
      const bool last = (info.flags & CKF_USER_PIN_FINAL_TRY) != 0;
      AV_TRY(pin, holder.ask({vault::Asked::kTokenPin,
                              "PIN of the token " + quoted(token) +
                                  (last ? " (the last try before it is locked): " : ": "),
                              false}));
    }
    code = pin.reveal([&](std::string_view bytes) {
      return api->C_Login(
          session, CKU_USER,
          bytes.empty() ? nullptr : reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(bytes.data())),
          bytes.size());
    });
    return code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN
               ? Status{}
               : Status(failed("the token " + quoted(token) + " does not open", code));
  }

  // At most two: more than one is too many.
  std::vector<CK_OBJECT_HANDLE> find(std::vector<CK_ATTRIBUTE> wanted) const {
    std::array<CK_OBJECT_HANDLE, 2> found{};
    CK_ULONG count = 0;
    if (api->C_FindObjectsInit(session, wanted.data(), wanted.size()) == CKR_OK) {
      (void)api->C_FindObjects(session, found.data(), found.size(), &count);
      (void)api->C_FindObjectsFinal(session);
    }
    return {found.begin(), found.begin() + std::min<std::size_t>(count, found.size())};
  }

  std::vector<CK_OBJECT_HANDLE> find_labelled(CK_OBJECT_CLASS kind, CK_KEY_TYPE type,
                                              const std::string& label) const {
    return find({attribute(CKA_CLASS, kind), attribute(CKA_KEY_TYPE, type),
                 CK_ATTRIBUTE{CKA_LABEL, const_cast<char*>(label.data()), label.size()}});
  }

  // The key that unwraps.
  Expected<CK_OBJECT_HANDLE> find_key(const std::string& label, bool aes) const {
    const auto found = aes ? find_labelled(CKO_SECRET_KEY, CKK_AES, label)
                           : find_labelled(CKO_PRIVATE_KEY, CKK_RSA, label);
    if (found.size() == 1) {
      return found.front();
    }
    if (found.size() > 1) {
      return make_error(
          ErrorCode::kInvalid,
          "the token " + quoted(token) + " has several keys labelled " + quoted(label),
          "give one of them another label");
    }
    return make_error(
        ErrorCode::kNotFound,
        "the token " + quoted(token) + " has no AES or RSA key labelled " + quoted(label),
        "make one: pkcs11-tool --module FILE --token-label LABEL --login --keypairgen "
        "--key-type rsa:3072 --label LABEL --id 01");
  }

  bool has_true(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const {
    CK_BBOOL value = CK_FALSE;
    CK_ATTRIBUTE asked = attribute(type, value);
    return api->C_GetAttributeValue(session, object, &asked, 1) == CKR_OK && value == CK_TRUE;
  }

  // The other half of a pair of RSA, by the identifier that they share.
  Expected<CK_OBJECT_HANDLE> public_half(CK_OBJECT_HANDLE key, const std::string& label) const {
    std::array<CK_BYTE, 256> id{};
    CK_ATTRIBUTE asked{CKA_ID, id.data(), id.size()};
    CK_OBJECT_CLASS kind = CKO_PUBLIC_KEY;
    std::vector<CK_OBJECT_HANDLE> found;
    if (api->C_GetAttributeValue(session, key, &asked, 1) == CKR_OK && asked.ulValueLen > 0 &&
        asked.ulValueLen <= id.size()) {
      found = find({attribute(CKA_CLASS, kind), CK_ATTRIBUTE{CKA_ID, id.data(), asked.ulValueLen}});
    }
    if (found.empty()) {
      found = find_labelled(CKO_PUBLIC_KEY, CKK_RSA, label);
    }
    if (found.size() == 1) {
      return found.front();
    }
    return make_error(
        ErrorCode::kNotFound,
        "the token " + quoted(token) + " has no public key that belongs to " + quoted(label),
        "make the pair anew: pkcs11-tool --keypairgen");
  }

  Expected<crypto::Bytes> encrypt(CK_OBJECT_HANDLE key, std::string_view mechanism,
                                  const Secret& secret) const {
    crypto::Bytes out(kMostWrapped);
    std::size_t begin = 0;
    if (mechanism == kAesGcm) {
      begin = crypto::kNonceSize;
      crypto::random_bytes(std::span(out).first(begin));
    }
    Mechanism how(mechanism, out.data());
    CK_RV code = api->C_EncryptInit(session, how.get(), key);
    CK_ULONG size = out.size() - begin;
    if (code == CKR_OK) {
      code = secret.reveal([&](std::string_view bytes) {
        return api->C_Encrypt(session, reinterpret_cast<CK_BYTE*>(const_cast<char*>(bytes.data())),
                              bytes.size(), out.data() + begin, &size);
      });
    }
    if (code != CKR_OK) {
      return failed("the token does not encrypt the key", code);
    }
    out.resize(begin + size);
    return out;
  }

  Expected<Secret> decrypt(CK_OBJECT_HANDLE key, const WrappedKey& wrapped) const {
    crypto::Bytes from = wrapped.bytes;
    const std::size_t begin = wrapped.mechanism == kAesGcm ? crypto::kNonceSize : 0;
    if (from.size() <= begin) {
      return make_error(ErrorCode::kCorrupt, "the wrapped key in the store is damaged",
                        "restore the store from a backup");
    }
    Mechanism how(wrapped.mechanism, from.data());
    AV_TRY(Secret out, Secret::with_size(kMostWrapped));
    CK_ULONG size = out.size();
    CK_RV code = api->C_DecryptInit(session, how.get(), key);
    if (code == CKR_OK) {
      code = api->C_Decrypt(session, from.data() + begin, from.size() - begin,
                            out.writable().data(), &size);
    }
    if (code != CKR_OK) {
      return failed("the token does not decrypt the key of this store", code);
    }
    out.truncate(std::min<std::size_t>(size, out.size()));
    return out;
  }
};

TokenSession::TokenSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TokenSession::TokenSession(TokenSession&&) noexcept = default;
TokenSession::~TokenSession() = default;

Expected<TokenSession> TokenSession::open(const std::string& module, const std::string& token,
                                          const vault::Keyholder& holder) {
  auto impl = std::make_unique<Impl>();
  impl->token = token;
  AV_CHECK(impl->load(module));
  AV_TRY(const CK_SLOT_ID slot, impl->find_token());
  AV_CHECK(impl->log_in(slot, holder));
  return TokenSession(std::move(impl));
}

Expected<WrappedKey> TokenSession::wrap(const std::string& key, const Secret& secret) {
  const bool aes = !impl_->find_labelled(CKO_SECRET_KEY, CKK_AES, key).empty();
  AV_TRY(const CK_OBJECT_HANDLE unwraps, impl_->find_key(key, aes));
  if (impl_->has_true(unwraps, CKA_EXTRACTABLE)) {
    return make_error(ErrorCode::kInvalid,
                      "the key " + quoted(key) + " can be taken out of the token",
                      "use one that cannot: pkcs11-tool makes such keys without --extractable");
  }
  CK_OBJECT_HANDLE wraps = unwraps;
  if (!aes) {
    AV_TRY(wraps, impl_->public_half(unwraps, key));
  }
  const std::vector<std::string_view> ways =
      aes ? std::vector{kAesGcm} : std::vector{kOaepSha256, kOaepSha1};
  Expected<WrappedKey> last = make_error(ErrorCode::kUnsupported, "the token has no way to wrap");
  for (const std::string_view way : ways) {
    auto bytes = impl_->encrypt(wraps, way, secret);
    if (!bytes) {
      last = bytes.error();
      continue;
    }
    // Some encrypt in software what the chip then cannot decrypt.
    WrappedKey wrapped{std::string(way), std::move(*bytes)};
    const auto again = impl_->decrypt(unwraps, wrapped);
    if (again && again->equals(secret)) {
      return wrapped;
    }
    last =
        again ? make_error(ErrorCode::kCrypto, "the token gives back another key") : again.error();
  }
  last.error().code = ErrorCode::kUnsupported;
  return last;
}

Expected<Secret> TokenSession::unwrap(const std::string& key, const WrappedKey& wrapped) {
  const bool aes = wrapped.mechanism == kAesGcm;
  if (!aes && wrapped.mechanism != kOaepSha256 && wrapped.mechanism != kOaepSha1) {
    return make_error(ErrorCode::kCorrupt, "the store names an unknown way of wrapping",
                      "restore the store from a backup");
  }
  auto found = impl_->find_key(key, aes);
  if (!found) {
    return make_error(ErrorCode::kLocked, found.error().message,
                      "use the token that the store was locked with");
  }
  return impl_->decrypt(*found, wrapped);
}

}  // namespace av::kek
