#include "kek/tpm_session.h"

#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "core/encoding.h"
#include "kek/tpm_library.h"

namespace av::kek {
namespace {

constexpr const char* kDevice = "/dev/tpmrm0";
constexpr TPMT_SYM_DEF kSessionCipher = {
    .algorithm = TPM2_ALG_AES, .keyBits = {.aes = 128}, .mode = {.aes = TPM2_ALG_CFB}};

// The error of the TPM itself without the number of the parameter or session that it is about
// (TPM 2.0 Library part 2, 6.6); 0 when it is not the TPM's.
TSS2_RC tpm_error(TSS2_RC code) {
  const TSS2_RC layer = code & TSS2_RC_LAYER_MASK;
  if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER) {
    return 0;
  }
  const TSS2_RC number = code & 0xffffU;
  return (number & TPM2_RC_FMT1) != 0 ? number & (TPM2_RC_FMT1 | 0x3fU) : number;
}

Error failed(const std::string& what, TSS2_RC code) {
  switch (tpm_error(code)) {
    case TPM2_RC_AUTH_FAIL:
    case TPM2_RC_BAD_AUTH:
      return make_error(ErrorCode::kLocked, what + ": wrong PIN",
                        "try again; after some wrong ones the TPM takes none for a while");
    case TPM2_RC_LOCKOUT:
      return make_error(ErrorCode::kLocked,
                        what + ": after too many wrong PINs the TPM takes none for now",
                        "wait (tpm2_getcap properties-variable says how long), or clear it: "
                        "tpm2_dictionarylockout --clear-lockout");
    case TPM2_RC_INTEGRITY:
      return make_error(ErrorCode::kLocked,
                        what + ": it was sealed by another TPM, or this one was cleared since",
                        "open the store on the machine where it was locked, or restore a backup");
    default:
      break;
  }
  char number[16];
  std::snprintf(number, sizeof number, "0x%x", code);
  return make_error(ErrorCode::kLocked, what + ": error " + number + " of the TPM",
                    "see what it means: tpm2_rc_decode " + std::string(number));
}

Status check_device() {
  if (::access(kDevice, R_OK | W_OK) == 0) {
    return {};
  }
  return errno == EACCES
             ? make_error(ErrorCode::kNotPermitted,
                          std::string(kDevice) + " may not be used by you",
                          "sudo usermod -aG tss \"$USER\", and log in anew")
             : make_error(
                   ErrorCode::kUnsupported,
                   std::string("this machine has no TPM 2.0 that is switched on (") + kDevice + ")",
                   "look in the firmware's settings, or lock the store in another way");
}

// ESAPI writes its errors to standard error unless the environment says otherwise, which it reads
// once.
class Quiet {
 public:
  Quiet() : ours_(std::getenv(kName) == nullptr) {
    if (ours_) {
      ::setenv(kName, "all+none", 0);
    }
  }
  ~Quiet() {
    if (ours_) {
      ::unsetenv(kName);
    }
  }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  static constexpr const char* kName = "TSS2_LOG";
  const bool ours_;
};

// The template of a storage key, TCG EK Credential Profile's and everybody's for an SRK: the same
// seed and template give the same key.
TPM2B_PUBLIC primary_template() {
  TPM2B_PUBLIC out{};
  TPMT_PUBLIC& area = out.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_FIXEDTPM |
                          TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
  area.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_AES;
  area.parameters.eccDetail.symmetric.keyBits.aes = 128;
  area.parameters.eccDetail.symmetric.mode.aes = TPM2_ALG_CFB;
  area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
  area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
  area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
  return out;
}

TPM2B_PUBLIC sealed_template(bool with_pin) {
  TPM2B_PUBLIC out{};
  out.publicArea.type = TPM2_ALG_KEYEDHASH;
  out.publicArea.nameAlg = TPM2_ALG_SHA256;
  // Without a PIN there is nothing to guess, and a lockout would be somebody else's doing.
  out.publicArea.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                    TPMA_OBJECT_USERWITHAUTH | (with_pin ? 0U : TPMA_OBJECT_NODA);
  out.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
  return out;
}

// An authValue has at most the size of the name's hash: a PIN of any length becomes one.
void set_auth_value(TPM2B_AUTH& out, const Secret& pin) {
  out.size = 0;
  if (!pin.empty()) {
    crypto::Digest digest = pin.reveal([](std::string_view bytes) {
      return crypto::sha256("agent-vault TPM PIN, version 1\n", bytes);
    });
    std::copy(digest.begin(), digest.end(), out.buffer);
    out.size = static_cast<UINT16>(digest.size());
    OPENSSL_cleanse(digest.data(), digest.size());
  }
}

// What holds a secret on its way into the library.
template <typename T>
struct Wiped {
  T value{};
  Wiped() = default;
  ~Wiped() { OPENSSL_cleanse(&value, sizeof value); }
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
};

}  // namespace

struct TpmSession::Impl {
  const TpmLibrary& api;
  Quiet quiet;
  TSS2_TCTI_CONTEXT* tcti = nullptr;
  ESYS_CONTEXT* esys = nullptr;
  ESYS_TR primary = ESYS_TR_NONE;
  ESYS_TR session = ESYS_TR_NONE;

  explicit Impl(const TpmLibrary& library) : api(library) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    flush(session);
    flush(primary);
    if (esys != nullptr) {
      api.finalize(&esys);
    }
    if (tcti != nullptr) {
      api.tcti_close(&tcti);
    }
  }

  void flush(ESYS_TR handle) const {
    if (handle != ESYS_TR_NONE) {
      (void)api.flush(esys, handle);
    }
  }

  Status make_primary() {
    const TPM2B_SENSITIVE_CREATE nothing{};
    const TPM2B_PUBLIC wanted = primary_template();
    const TPM2B_DATA outside{};
    const TPML_PCR_SELECTION pcrs{};
    const TSS2_RC code = api.create_primary(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                            ESYS_TR_NONE, &nothing, &wanted, &outside, &pcrs,
                                            &primary, nullptr, nullptr, nullptr, nullptr);
    const TSS2_RC number = tpm_error(code);
    if (number == TPM2_RC_BAD_AUTH || number == TPM2_RC_AUTH_FAIL) {
      return make_error(ErrorCode::kUnsupported,
                        "the owner hierarchy of this TPM has a password, which is not supported",
                        "tpm2_changeauth -c owner -p OLD, or lock the store in another way");
    }
    return code == TSS2_RC_SUCCESS ? Status{}
                                   : Status(failed("the TPM makes no storage key", code));
  }

  Status start_session() {
    const TSS2_RC code =
        api.start_session(esys, primary, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                          nullptr, TPM2_SE_HMAC, &kSessionCipher, TPM2_ALG_SHA256, &session);
    return code == TSS2_RC_SUCCESS ? Status{} : Status(failed("the TPM opens no session", code));
  }

  // Of what is secret: the first parameter of commands (DECRYPT) or answers (ENCRYPT).
  Status encrypt(TPMA_SESSION way) const {
    const TPMA_SESSION flags = way | TPMA_SESSION_CONTINUESESSION;
    const TSS2_RC code = api.set_attributes(esys, session, flags, 0xff);
    return code == TSS2_RC_SUCCESS ? Status{} : Status(failed("the TPM's session failed", code));
  }

  template <typename T, typename F>
  Expected<crypto::Bytes> marshalled(const T& from, F put) const {
    crypto::Bytes out(sizeof(T) + 2);
    std::size_t size = 0;
    const TSS2_RC code = put(&from, out.data(), out.size(), &size);
    if (code != TSS2_RC_SUCCESS) {
      return failed("the TPM's answer cannot be kept", code);
    }
    out.resize(size);
    return out;
  }

  template <typename T, typename F>
  Expected<T> unmarshalled(const crypto::Bytes& from, F get) const {
    T out{};
    std::size_t at = 0;
    if (get(from.data(), from.size(), &at, &out) != TSS2_RC_SUCCESS || at != from.size()) {
      return make_error(ErrorCode::kCorrupt, "the object of the TPM in the store is damaged",
                        "restore the store from a backup");
    }
    return out;
  }
};

TpmSession::TpmSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TpmSession::TpmSession(TpmSession&&) noexcept = default;
TpmSession::~TpmSession() = default;

Expected<TpmSession> TpmSession::open(const std::string& tcti) {
  if (tcti.empty()) {
    AV_CHECK(check_device());
  }
  AV_TRY(const TpmLibrary* const api, TpmLibrary::load());
  auto impl = std::make_unique<Impl>(*api);
  // Never the loader's own list, which ends with whoever listens on a port of this machine.
  const std::string where = tcti.empty() ? "device:" + std::string(kDevice) : tcti;
  TSS2_RC code = api->tcti_open(where.c_str(), &impl->tcti);
  if (code == TSS2_RC_SUCCESS) {
    code = api->initialize(&impl->esys, impl->tcti, nullptr);
  }
  if (code != TSS2_RC_SUCCESS) {
    char number[16];
    std::snprintf(number, sizeof number, "0x%x", code);
    return make_error(
        ErrorCode::kLocked,
        "the TPM at " + encoding::printable(where) + " cannot be reached (error " + number + ")",
        tcti.empty() ? "apt-get install libtss2-tcti-device0" : "check AGENT_VAULT_TPM_TCTI");
  }
  AV_CHECK(impl->make_primary());
  AV_CHECK(impl->start_session());
  return TpmSession(std::move(impl));
}

Expected<SealedObject> TpmSession::seal(const Secret& secret, const Secret& pin) {
  Wiped<TPM2B_SENSITIVE_CREATE> sensitive;
  TPMS_SENSITIVE_CREATE& inside = sensitive.value.sensitive;
  set_auth_value(inside.userAuth, pin);
  secret.reveal([&](std::string_view bytes) {
    inside.data.size = static_cast<UINT16>(std::min(bytes.size(), sizeof inside.data.buffer));
    std::copy_n(bytes.begin(), inside.data.size, inside.data.buffer);
  });
  const TPM2B_PUBLIC wanted = sealed_template(!pin.empty());
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION pcrs{};
  AV_CHECK(impl_->encrypt(TPMA_SESSION_DECRYPT));
  TPM2B_PRIVATE* private_part = nullptr;
  TPM2B_PUBLIC* public_part = nullptr;
  const TSS2_RC code = impl_->api.create(impl_->esys, impl_->primary, impl_->session, ESYS_TR_NONE,
                                         ESYS_TR_NONE, &sensitive.value, &wanted, &outside, &pcrs,
                                         &private_part, &public_part, nullptr, nullptr, nullptr);
  if (code != TSS2_RC_SUCCESS) {
    return failed("the TPM does not seal the key", code);
  }
  auto sealed_public = impl_->marshalled(*public_part, impl_->api.put_public);
  auto sealed_private = impl_->marshalled(*private_part, impl_->api.put_private);
  impl_->api.free(public_part);
  impl_->api.free(private_part);
  SealedObject out;
  AV_TRY(out.public_part, std::move(sealed_public));
  AV_TRY(out.private_part, std::move(sealed_private));
  return out;
}

Expected<Secret> TpmSession::unseal(const SealedObject& sealed, const Secret& pin) {
  AV_TRY(const auto public_part,
         impl_->unmarshalled<TPM2B_PUBLIC>(sealed.public_part, impl_->api.get_public));
  AV_TRY(const auto private_part,
         impl_->unmarshalled<TPM2B_PRIVATE>(sealed.private_part, impl_->api.get_private));
  AV_CHECK(impl_->encrypt(0));
  ESYS_TR object = ESYS_TR_NONE;
  TSS2_RC code = impl_->api.load_object(impl_->esys, impl_->primary, impl_->session, ESYS_TR_NONE,
                                        ESYS_TR_NONE, &private_part, &public_part, &object);
  if (code != TSS2_RC_SUCCESS) {
    return failed("the TPM does not know the key of this store", code);
  }
  Wiped<TPM2B_AUTH> auth;
  set_auth_value(auth.value, pin);
  code = impl_->api.set_auth(impl_->esys, object, &auth.value);
  Status ready = impl_->encrypt(TPMA_SESSION_ENCRYPT);
  TPM2B_SENSITIVE_DATA* data = nullptr;
  if (code == TSS2_RC_SUCCESS && ready) {
    code =
        impl_->api.unseal(impl_->esys, object, impl_->session, ESYS_TR_NONE, ESYS_TR_NONE, &data);
  }
  impl_->flush(object);
  AV_CHECK(std::move(ready));
  if (code != TSS2_RC_SUCCESS) {
    return failed("the TPM does not open the key of this store", code);
  }
  Expected<Secret> out = Secret::copy_of(std::span<const std::uint8_t>(data->buffer, data->size));
  OPENSSL_cleanse(data, sizeof *data);
  impl_->api.free(data);
  return out;
}

}  // namespace av::kek
