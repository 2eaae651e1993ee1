#pragma once
// The certificate authority that is kept in the store: what clients of `serve` trust, and what
// `ca show` prints. A run makes one of its own.

#include <string_view>

#include "cmd/command.h"
#include "core/expected.h"
#include "proxy/certificate_authority.h"

namespace av::cmd {

// A new one in the place of what was there. `event`: for the audit log.
[[nodiscard]] Expected<proxy::CertificateAuthority> make_ca(Context& context,
                                                            std::string_view event);
[[nodiscard]] Expected<proxy::CertificateAuthority> load_or_make_ca(Context& context);

}  // namespace av::cmd
