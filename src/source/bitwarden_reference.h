#pragma once
// References to Bitwarden, of all three kinds:
//     bw://domain/github.com#password      the login for a site
//     bw://id/01234567-....#username       an item by its identifier
//     bw://search/Open%20AI#totp           the one item that a search finds
//     bw://key/OPENAI_API_KEY              Secrets Manager: a secret by its name
// Without "#field": the password, or the value of a secret.

#include <string>
#include <string_view>

#include "source/kinds.h"

namespace av::source {

[[nodiscard]] Result<Reference> parse_bitwarden_access(std::string_view text);
[[nodiscard]] Result<Reference> parse_bitwarden_cli(std::string_view text);
[[nodiscard]] Result<Reference> parse_bitwarden_sm(std::string_view text);

// An item of those, taken apart: "domain/github.com" -> domain, github.com.
struct BitwardenItem {
  std::string_view kind;
  std::string_view text;
};
[[nodiscard]] BitwardenItem bitwarden_item(std::string_view item);

// The item for a site: what bw://domain/HOST names, and what is asked for when only the host of a
// request is known. Empty when it is no host.
[[nodiscard]] std::string bitwarden_item_of_host(std::string_view host);

[[nodiscard]] bool is_uuid(std::string_view text);

}  // namespace av::source
