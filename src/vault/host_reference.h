#pragma once
// References that name another item for each host: op://Agents/{host}/token. The host comes from
// the agent's request, so it is put into the reference only where it stands for one whole part of
// its path, and only when it is a name that cannot be read as anything else.

#include <string>
#include <string_view>

#include "core/expected.h"

namespace av::vault {

inline constexpr std::string_view kHostPart = "{host}";

[[nodiscard]] bool names_host(std::string_view reference);
// That "{host}" stands there once, as a whole part of the path. kInvalid.
[[nodiscard]] Status check_host_part(std::string_view reference);
// Whether a host may stand in a reference: in canonical form (canonical.h), two labels or more, and
// no address.
[[nodiscard]] bool fills_reference(std::string_view host);
// `text` with the host in the place of each "{host}"; empty when the host may not stand there.
[[nodiscard]] std::string fill_host(std::string_view text, std::string_view host);
// Whether an item, as a parser has made it, is another one for each host: its store finds it by the
// host (it is empty), or its name has the host in it.
[[nodiscard]] inline bool depends_on_host(std::string_view item) {
  return item.empty() || names_host(item);
}

}  // namespace av::vault
