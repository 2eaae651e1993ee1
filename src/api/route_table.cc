#include <vector>

#include "api/route.h"

namespace av::api {

std::span<const Route> route_table() {
  static const std::vector<Route> kTable = [] {
    std::vector<Route> all;
    for (const auto& routes :
         {general_routes(),    auth_routes(),      user_routes(),        vault_routes(),
          credential_routes(), oauth_routes(),     oauth_token_routes(), oidc_routes(),
          store_routes(),      store_ask_routes(), reference_routes(),   service_routes(),
          rule_routes(),       approval_routes(),  agent_routes(),       session_routes(),
          log_routes(),        proposal_routes(),  page_routes(),        meta_routes()}) {
      all.insert(all.end(), routes.begin(), routes.end());
    }
    return all;
  }();
  return kTable;
}

}  // namespace av::api
