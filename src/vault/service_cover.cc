#include "vault/service_cover.h"

#include <algorithm>
#include <string_view>

#include "vault/matcher.h"
#include "vault/service_codec.h"

namespace av::vault {
namespace {

Error wider(std::string_view field) {
  return make_error(ErrorCode::kNotPermitted,
                    "\"" + std::string(field) + "\" would allow more than was proposed",
                    "what is allowed can only be narrowed; for more, reject it and add a service");
}

bool host_covers(std::string_view wide, std::string_view narrow) {
  if (wide == narrow) {
    return true;
  }
  // A wildcard stands for one whole label; an address has none.
  const std::size_t dot = narrow.find('.');
  return wide.starts_with("*.") && !narrow.starts_with("*") && dot != std::string_view::npos &&
         dot > 0 && narrow.substr(dot + 1) == wide.substr(2);
}

// Without a port it is the scheme's own, of each scheme that is allowed.
bool port_covers(const Service& wide, const Service& narrow) {
  return wide.port == narrow.port || (wide.port == 0 && narrow.port == 443 && !narrow.allow_http);
}

// A star in `narrow` is only met by a star of `wide`, which takes whatever stands there, so the
// pattern may stand for all its paths; also for "/x", which "/x/*" covers too.
bool path_covers(std::string_view wide, std::string_view narrow) {
  return wide.empty() || (!narrow.empty() && path_matches(wide, narrow));
}

bool methods_cover(const std::vector<std::string>& wide, const std::vector<std::string>& narrow) {
  return wide.empty() ||
         (!narrow.empty() && std::all_of(narrow.begin(), narrow.end(), [&](const auto& method) {
           return std::find(wide.begin(), wide.end(), method) != wide.end();
         }));
}

// Whatever else a service is, compared as its text; what may be narrower is taken out.
std::string rest_of(Service service) {
  service.name = "any";
  service.host = "any.example";
  service.port = 0;
  service.path.clear();
  service.methods.clear();
  service.enabled = true;
  service.expires_ms = 0;
  service.max_uses = 0;
  service.grant.clear();
  service.allow_http = false;
  service.allow_uninspected = false;
  service.allow_quoted_placeholders = false;
  service.drop_cookies = false;
  return service_to_json(service);
}

}  // namespace

bool reaches_no_further(const Service& narrow, const Service& wide) {
  return host_covers(wide.host, narrow.host) && port_covers(wide, narrow) &&
         path_covers(wide.path, narrow.path) && methods_cover(wide.methods, narrow.methods) &&
         (wide.allow_http || !narrow.allow_http);
}

Status check_covered(const Service& narrow, const Service& wide) {
  if (!host_covers(wide.host, narrow.host)) {
    return wider("host");
  }
  if (!port_covers(wide, narrow)) {
    return wider("port");
  }
  if (!path_covers(wide.path, narrow.path)) {
    return wider("path");
  }
  if (!methods_cover(wide.methods, narrow.methods)) {
    return wider("methods");
  }
  if (narrow.enabled && !wide.enabled) {
    return wider("enabled");
  }
  if (wide.expires_ms != 0 && (narrow.expires_ms == 0 || narrow.expires_ms > wide.expires_ms)) {
    return wider("expires");
  }
  if (wide.max_uses != 0 && (narrow.max_uses == 0 || narrow.max_uses > wide.max_uses)) {
    return wider("uses");
  }
  if (narrow.allow_http && !wide.allow_http) {
    return wider("allow_http");
  }
  if (narrow.allow_uninspected && !wide.allow_uninspected) {
    return wider("allow_uninspected");
  }
  if (narrow.allow_quoted_placeholders && !wide.allow_quoted_placeholders) {
    return wider("allow_quoted_placeholders");
  }
  if (wide.drop_cookies && !narrow.drop_cookies) {
    return wider("drop_cookies");
  }
  if (rest_of(narrow) != rest_of(wide)) {
    return wider("auth");
  }
  return {};
}

}  // namespace av::vault
