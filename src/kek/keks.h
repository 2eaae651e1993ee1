#pragma once
// The ways to keep the KEK that need a library which is loaded at use.

#include <memory>
#include <string>
#include <vector>

#include "vault/kek_source.h"

namespace av::kek {

// The desktop's keyring (Secret Service API 0.2), by libsecret. The KEK is an item of the default
// collection; the descriptor names it. `place`: what a person recognises the store by, for the
// item's label.
[[nodiscard]] std::shared_ptr<const vault::KekSource> make_keyring_kek(std::string place);

struct TpmOptions {
  // As Tss2_TctiLdr_Initialize(3) takes it; empty: the resource manager of the kernel.
  std::string tcti;
  bool with_pin = false;  // of what protect() makes
};
// A TPM 2.0, by tpm2-tss. The KEK is sealed by a primary key of the owner hierarchy, which the TPM
// makes from its seed each time: nothing stays in the TPM, and the sealed object is in the
// descriptor. A PIN is the object's authValue, under the TPM's protection against guessing.
[[nodiscard]] std::shared_ptr<const vault::KekSource> make_tpm_kek(TpmOptions options);

struct TokenOptions {
  // Of what protect() uses; recover() reads them from the descriptor.
  std::string module;  // absolute path of the PKCS #11 library
  std::string token;   // label
  std::string key;     // label
};
// A token by PKCS #11 2.40. The KEK is encrypted by a key that is on the token: AES-GCM, or
// RSA-OAEP.
[[nodiscard]] std::shared_ptr<const vault::KekSource> make_token_kek(TokenOptions options);

}  // namespace av::kek
