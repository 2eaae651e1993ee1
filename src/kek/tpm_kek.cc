#include "kek/descriptor.h"
#include "kek/keks.h"
#include "kek/tpm_session.h"

namespace av::kek {
namespace {

class TpmKek final : public vault::KekSource {
 public:
  explicit TpmKek(TpmOptions options) : options_(std::move(options)) {}

  [[nodiscard]] std::string_view mode() const override { return "tpm"; }

  [[nodiscard]] Expected<Protected> protect(const vault::Keyholder& holder) const override {
    Secret pin;
    if (options_.with_pin) {
      AV_TRY(pin, holder.ask({vault::Asked::kTpmPin, "new PIN of the store: ", true}));
      if (pin.empty()) {
        return make_error(ErrorCode::kInvalid, "an empty PIN is none", "leave out --pin");
      }
    }
    Protected made;
    AV_TRY(made.kek, crypto::random_secret(crypto::kKeySize));
    AV_TRY(TpmSession tpm, TpmSession::open(options_.tcti));
    AV_TRY(const SealedObject sealed, tpm.seal(made.kek, pin));
    AV_TRY(const Secret again, tpm.unseal(sealed, pin));
    if (!again.equals(made.kek)) {
      return make_error(ErrorCode::kCrypto, "the TPM gives back another key than it sealed");
    }
    made.descriptor = nlohmann::ordered_json{{"pin", options_.with_pin},
                                             {"public", base64_of(sealed.public_part)},
                                             {"private", base64_of(sealed.private_part)}}
                          .dump();
    return made;
  }

  [[nodiscard]] Expected<Secret> recover(const vault::KekRecord& record,
                                         const vault::Keyholder& holder) const override {
    AV_TRY(const Descriptor descriptor, Descriptor::parse(record.descriptor));
    SealedObject sealed;
    AV_TRY(sealed.public_part, descriptor.bytes("public"));
    AV_TRY(sealed.private_part, descriptor.bytes("private"));
    // Before the person is asked: a TPM that is not there needs no PIN.
    AV_TRY(TpmSession tpm, TpmSession::open(options_.tcti));
    Secret pin;
    if (descriptor.is_true("pin")) {
      AV_TRY(pin, holder.ask({vault::Asked::kTpmPin, "PIN of the store: ", false}));
    }
    return tpm.unseal(sealed, pin);
  }

  [[nodiscard]] bool asks(const vault::KekRecord& record) const override {
    const auto descriptor = Descriptor::parse(record.descriptor);
    return descriptor && descriptor->is_true("pin");
  }

  [[nodiscard]] std::string detail(const vault::KekRecord& record) const override {
    return asks(record) ? "the TPM of this machine, with a PIN" : "the TPM of this machine";
  }

 private:
  const TpmOptions options_;
};

}  // namespace

std::shared_ptr<const vault::KekSource> make_tpm_kek(TpmOptions options) {
  return std::make_shared<const TpmKek>(std::move(options));
}

}  // namespace av::kek
