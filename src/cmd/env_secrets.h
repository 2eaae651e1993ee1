#pragma once
// The environment variables that open the store: SECRET_ENCRYPTION_KEY (32 bytes in base64),
// AGENT_VAULT_MASTER_PASSWORD, AGENT_VAULT_TPM_PIN and AGENT_VAULT_PKCS11_PIN. They are overwritten
// in place when they are read, so that neither /proc/<pid>/environ nor a child shows them. Call
// from the only thread.

#include "core/expected.h"
#include "core/secret.h"

namespace av::cmd {

struct EnvSecrets {
  Secret encryption_key;   // decoded; empty when unset
  Secret master_password;  // empty when unset
  Secret tpm_pin;
  Secret token_pin;
};

// kInvalid when SECRET_ENCRYPTION_KEY is not 32 bytes in base64 (either alphabet). The variables
// are gone from the environment in any case.
[[nodiscard]] Expected<EnvSecrets> capture_env_secrets();

// Overwrites and unsets them, and AGENT_VAULT_TOKEN, without keeping them: for a forked process
// that must not know them.
void wipe_env_secrets();

}  // namespace av::cmd
