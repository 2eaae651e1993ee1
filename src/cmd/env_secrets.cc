#include "cmd/env_secrets.h"

#include <openssl/crypto.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

#include "core/crypto.h"
#include "core/encoding.h"

namespace av::cmd {
namespace {

constexpr const char* kEncryptionKey = "SECRET_ENCRYPTION_KEY";
constexpr const char* kMasterPassword = "AGENT_VAULT_MASTER_PASSWORD";
constexpr const char* kTpmPin = "AGENT_VAULT_TPM_PIN";
constexpr const char* kTokenPin = "AGENT_VAULT_PKCS11_PIN";
constexpr const char* kToken = "AGENT_VAULT_TOKEN";

void wipe(const char* name) {
  // A variable may be there more than once; unsetenv removes them all but overwrites none.
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::size_t length = std::strlen(name);
    if (std::strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') {
      OPENSSL_cleanse(*entry + length + 1, std::strlen(*entry + length + 1));
    }
  }
  ::unsetenv(name);
}

Expected<Secret> take(const char* name) {
  const char* value = std::getenv(name);
  Expected<Secret> secret = Secret::copy_of(std::string_view(value == nullptr ? "" : value));
  wipe(name);
  return secret;
}

Expected<Secret> decode(const Secret& text) {
  AV_TRY(Secret key, Secret::with_size(encoding::base64_decoded_bound(text.size())));
  const bool ok = text.reveal([&](std::string_view bytes) {
    while (!bytes.empty() && (bytes.back() == '\n' || bytes.back() == '\r')) {
      bytes.remove_suffix(1);
    }
    for (const auto alphabet : {encoding::Base64::kStandard, encoding::Base64::kUrl}) {
      const auto size = encoding::from_base64(bytes, key.writable(), alphabet);
      if (size && *size == crypto::kKeySize) {
        key.truncate(*size);
        return true;
      }
    }
    return false;
  });
  if (!ok) {
    return make_error(ErrorCode::kInvalid, "SECRET_ENCRYPTION_KEY is not 32 bytes in base64",
                      "make one with: openssl rand -base64 32");
  }
  return key;
}

}  // namespace

Expected<EnvSecrets> capture_env_secrets() {
  Expected<Secret> key = take(kEncryptionKey);
  Expected<Secret> password = take(kMasterPassword);
  Expected<Secret> tpm_pin = take(kTpmPin);
  Expected<Secret> token_pin = take(kTokenPin);
  EnvSecrets secrets;
  for (const Expected<Secret>* each : {&key, &password, &tpm_pin, &token_pin}) {
    if (!*each) {
      return each->error();
    }
  }
  if (!key->empty()) {
    AV_TRY(secrets.encryption_key, decode(*key));
  }
  secrets.master_password = std::move(*password);
  secrets.tpm_pin = std::move(*tpm_pin);
  secrets.token_pin = std::move(*token_pin);
  return secrets;
}

void wipe_env_secrets() {
  wipe(kEncryptionKey);
  wipe(kMasterPassword);
  wipe(kTpmPin);
  wipe(kTokenPin);
  wipe(kToken);
}

}  // namespace av::cmd
