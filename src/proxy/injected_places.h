#pragma once
// Which places of a request a service fills by itself, said once: Injector writes there, and
// PlaceholderGuard takes a placeholder there for what it stands for.

#include <string_view>
#include <variant>

#include "core/overloaded.h"
#include "vault/service.h"

namespace av::proxy {

// Calls `visit(name, source)` for each header field, in the order in which they are written;
// `source` is what its value is made from: BearerAuth, BasicAuth, ApiKeyAuth or CustomAuth::Header.
template <typename Visit>
void for_each_injected_field(const vault::AuthScheme& auth, Visit visit) {
  constexpr std::string_view kAuthorization = "Authorization";
  std::visit(Overloaded{[&](const vault::BearerAuth& bearer) { visit(kAuthorization, bearer); },
                        [&](const vault::BasicAuth& basic) { visit(kAuthorization, basic); },
                        [&](const vault::ApiKeyAuth& api_key) {
                          if (api_key.query.empty()) {
                            visit(std::string_view(api_key.header), api_key);
                          }
                        },
                        [&](const vault::CustomAuth& custom) {
                          for (const vault::CustomAuth::Header& header : custom.headers) {
                            visit(std::string_view(header.name), header);
                          }
                        },
                        [](const vault::PassthroughAuth&) {}},
             auth);
}

// The scheme that fills a parameter of the query; null: none does.
[[nodiscard]] inline const vault::ApiKeyAuth* injected_parameter(const vault::Service* service) {
  const vault::ApiKeyAuth* const api_key =
      service == nullptr ? nullptr : std::get_if<vault::ApiKeyAuth>(&service->auth);
  return api_key != nullptr && !api_key->query.empty() ? api_key : nullptr;
}

}  // namespace av::proxy
