#pragma once
// LocalLogin: a token endpoint that the broker answers itself. A program that is logged in by a
// stand-in would refresh it there; what it sends is worthless, and what it would get is not for it.
// The request never reaches the network.

#include <string>
#include <string_view>
#include <vector>

#include "vault/canonical.h"

namespace av::proxy {

struct LocalLogin {
  std::string host;    // canonical; port 443, https
  std::string path;    // canonical, whole
  std::string answer;  // JSON, with stand-ins
};

// Null when the request goes its usual way.
[[nodiscard]] inline const LocalLogin* find_local_login(const std::vector<LocalLogin>& logins,
                                                        const vault::RequestIdentity& identity) {
  for (const LocalLogin& login : logins) {
    if (identity.method == "POST" && identity.scheme == vault::Scheme::kHttps &&
        identity.authority.port == 443 && identity.authority.host == login.host &&
        identity.target.path == login.path) {
      return &login;
    }
  }
  return nullptr;
}

}  // namespace av::proxy
