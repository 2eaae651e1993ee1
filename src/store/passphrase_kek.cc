#include <array>
#include <cstdio>

#include "core/encoding.h"
#include "store/key_file.h"
#include "store/local_keks.h"

namespace av::store {
namespace {

constexpr std::size_t kSaltSize = 16;

struct Derivation {
  crypto::Argon2Params parameters;
  crypto::Bytes salt;
};

std::string parameters_text(const crypto::Argon2Params& of) {
  return "t=" + std::to_string(of.passes) + " m=" + std::to_string(of.memory_kib) +
         " p=" + std::to_string(of.lanes);
}

std::string descriptor_of(const Derivation& derivation) {
  return parameters_text(derivation.parameters) + "\n" + encoding::hex(derivation.salt);
}

// The parameters come from the file: kCorrupt for ones that would take the machine down.
Expected<Derivation> read_descriptor(const std::string& text) {
  const Error corrupt =
      make_error(ErrorCode::kCorrupt, "the store names impossible Argon2id parameters",
                 "restore it from a backup");
  Derivation out;
  auto& [passes, memory_kib, lanes] = out.parameters;
  int end = 0;
  if (text.size() > 256 ||
      std::sscanf(text.c_str(), "t=%10u m=%10u p=%10u\n%n", &passes, &memory_kib, &lanes, &end) !=
          3 ||
      end == 0) {
    return corrupt;
  }
  auto salt = encoding::from_hex(std::string_view(text).substr(static_cast<std::size_t>(end)));
  if (!salt || salt->size() < 8) {
    return corrupt;
  }
  out.salt = std::move(*salt);
  const bool sane = passes > 0 && passes <= 64 && memory_kib >= 8 && memory_kib <= (4U << 20) &&
                    lanes > 0 && lanes <= 64;
  return sane && descriptor_of(out) == text ? Expected<Derivation>(std::move(out)) : corrupt;
}

class PassphraseKek final : public vault::KekSource {
 public:
  [[nodiscard]] std::string_view mode() const override { return "passphrase"; }

  [[nodiscard]] Expected<Protected> protect(const vault::Keyholder& holder) const override {
    Derivation derivation;
    derivation.salt.resize(kSaltSize);
    crypto::random_bytes(derivation.salt);
    AV_TRY(const Secret passphrase,
           holder.ask({vault::Asked::kPassphrase, "new passphrase of the store: ", true}));
    Protected made;
    AV_TRY(made.kek, crypto::argon2id(passphrase, derivation.salt, derivation.parameters));
    made.descriptor = descriptor_of(derivation);
    return made;
  }

  [[nodiscard]] Expected<Secret> recover(const vault::KekRecord& record,
                                         const vault::Keyholder& holder) const override {
    AV_TRY(const Derivation derivation, read_descriptor(record.descriptor));
    AV_TRY(const Secret passphrase,
           holder.ask({vault::Asked::kPassphrase, "passphrase of the store: ", false}));
    AV_TRY(Secret kek, crypto::argon2id(passphrase, derivation.salt, derivation.parameters));
    if (key_id(kek) != record.kek_id) {
      return make_error(ErrorCode::kLocked, "wrong passphrase",
                        "try again, or check AGENT_VAULT_MASTER_PASSWORD where that is set");
    }
    return kek;
  }

  [[nodiscard]] bool asks(const vault::KekRecord& /*record*/) const override { return true; }

  [[nodiscard]] std::string detail(const vault::KekRecord& record) const override {
    return "Argon2id " + record.descriptor.substr(0, record.descriptor.find('\n'));
  }
};

}  // namespace

std::shared_ptr<const vault::KekSource> make_passphrase_kek() {
  return std::make_shared<const PassphraseKek>();
}

}  // namespace av::store
