#pragma once
// A conversation with a TPM 2.0 by ESAPI (TSS 2.0 Enhanced System API): a primary key of the owner
// hierarchy, a session that is salted with it and encrypts what is secret on the way to the chip,
// and under that key the sealing of one secret. Everything that it makes in the TPM is flushed when
// it goes.

#include <memory>
#include <string>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/secret.h"

namespace av::kek {

// TPM2B_PUBLIC and TPM2B_PRIVATE, marshalled: of use to this TPM alone.
struct SealedObject {
  crypto::Bytes public_part;
  crypto::Bytes private_part;
};

class TpmSession {
 public:
  // `tcti` as Tss2_TctiLdr_Initialize(3) takes it; empty: /dev/tpmrm0.
  [[nodiscard]] static Expected<TpmSession> open(const std::string& tcti);
  TpmSession(TpmSession&&) noexcept;
  TpmSession& operator=(TpmSession&&) = delete;
  ~TpmSession();

  // `pin`: empty for none. With one the object is under the TPM's protection against guessing.
  [[nodiscard]] Expected<SealedObject> seal(const Secret& secret, const Secret& pin);
  // kLocked: the PIN is wrong, the TPM does not take PINs for now, or it is another TPM.
  [[nodiscard]] Expected<Secret> unseal(const SealedObject& sealed, const Secret& pin);

 private:
  struct Impl;
  explicit TpmSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace av::kek
