#pragma once
// Services as text: JSON in the published Infisical shape plus our fields, and the same keys in
// TOML. Unknown keys are an error that names the key: a misspelt restriction must not silently
// vanish.

#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "vault/service.h"

namespace av::vault {

// One object. Fields: name, host ("host[:port][/path]"), enabled, auth, substitutions, methods,
// env, expires, uses, grant, allow_http, placeholder...
[[nodiscard]] Expected<Service> service_from_json(std::string_view text);
// `pretty` with two spaces; otherwise one line. Key order is fixed.
[[nodiscard]] std::string service_to_json(const Service& service, bool pretty = false);
[[nodiscard]] std::string services_to_json(const std::vector<Service>& services, bool pretty);
[[nodiscard]] std::string services_to_toml(const std::vector<Service>& services);

// A file. JSON: an object with "services", an array of services, or one service. TOML: [[services]]
// tables, or the fields of one service. Told apart by the first characters ("{" or "[ {" is JSON).
// A service without a name is named after its host and path. Errors carry line and column, and in
// TOML the line with a caret. A file that names no services at all must say `services = []`.
[[nodiscard]] Expected<std::vector<Service>> services_from_file_text(std::string_view text);

}  // namespace av::vault
