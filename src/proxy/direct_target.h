#pragma once
// Where a program of an isolated run wanted to go, which knows of no proxy and has connected to us
// in the belief that we are it (isolation/network.h).

#include <optional>
#include <string>

#include "proxy/name_pool.h"
#include "vault/canonical.h"

namespace av::proxy {

// What the client of this accepted socket connected to (getsockname(2)): the name that the address
// was given for, if it was for one, or else the address itself. nullopt: the socket is broken.
[[nodiscard]] std::optional<vault::Authority> direct_target(int socket, const NamePool& names);

}  // namespace av::proxy
