#pragma once
// The roots that the child trusts: those of the system (or of the user's own choosing) and the CA
// of this run, as a PEM bundle and as a trust store for Java.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace av::cmd {

// nullptr when the variable is not set; getenv() but for tests.
using EnvLookup = std::function<const char*(const char*)>;

struct Bundle {
  std::string pem;
  std::vector<std::string> warnings;  // for the user
};

// The user's bundle (SSL_CERT_FILE and its kin) or the system's, NODE_EXTRA_CA_CERTS, `ca_pem`.
// A bundle that the user names and that cannot be read is an error; a system without one is not.
// The command will read the result: of a file that it could have led elsewhere, a link to the store
// for one, nothing but certificates is taken. One without any is warned of and passed over.
[[nodiscard]] Expected<Bundle> combined_bundle(std::string_view ca_pem, const EnvLookup& env);

// The certificates of a PEM text, in DER. What is not a certificate is skipped.
[[nodiscard]] std::vector<std::string> certificates_in(std::string_view pem);

// A PKCS #12 trust store (RFC 7292) without password, encryption or MAC: it holds nothing secret,
// and every Java since 8 reads it. Its entries carry Oracle's trustedKeyUsage attribute, without
// which Java ignores a certificate that has no key.
[[nodiscard]] std::string make_trust_store(const std::vector<std::string>& certificates);

}  // namespace av::cmd
