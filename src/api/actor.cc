#include "api/actor.h"

namespace av::api {

std::string_view to_string(Role role) {
  switch (role) {
    case Role::kNone:
      return "none";
    case Role::kProxy:
      return "proxy";
    case Role::kMember:
      return "member";
    case Role::kAdmin:
      return "admin";
  }
  return "none";
}

Role role_from_string(std::string_view text) {
  for (const Role role : {Role::kProxy, Role::kMember, Role::kAdmin}) {
    if (text == to_string(role)) {
      return role;
    }
  }
  return Role::kNone;
}

std::string Actor::words() const {
  switch (kind) {
    case Kind::kNobody:
      return "nobody";
    case Kind::kRun:
      return name.empty() ? "run:" + run : "agent:" + name;
    case Kind::kSession:
      return name.empty() ? "session:" + run : "agent:" + name;
    case Kind::kAgent:
      return "agent:" + name;
    case Kind::kUser:
      return "user:" + name;
  }
  return {};
}

}  // namespace av::api
