#pragma once
// Router: finds the route of a request, finds out who makes it, checks that they may, and calls the
// handler. Everything that all routes have in common is here. Belongs to the API's thread.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "api/route.h"

namespace av::api {

class Router {
 public:
  explicit Router(std::span<const Route> routes);

  [[nodiscard]] Reply answer(Call& call) const;
  // Whether the one who made a call that was parked may still have the answer.
  [[nodiscard]] proxy::Outcome<void> check_again(Call& call) const;

  // The path as it is in the table, and how the alias /api/... is spelt there. Segments are split
  // before they are decoded, so an encoded slash is no slash.
  struct Found {
    const Route* route = nullptr;  // null: none with this path
    std::vector<std::string_view> parts;
    const Json* body = nullptr;  // what its body may have
    std::string allowed;         // methods that the path has, when it has not this one
  };
  [[nodiscard]] Found find(std::string_view method, std::string_view path, Where where) const;

 private:
  struct Row {
    const Route* route;
    std::vector<std::string_view> segments;
    bool open_end = false;
    std::shared_ptr<const Json> body;  // schema; in a vault "vault" too, where the path has none
  };
  [[nodiscard]] proxy::Outcome<void> check_who(Call& call, const Route& route) const;
  [[nodiscard]] proxy::Outcome<void> check_vault(Call& call, const Route& route) const;
  [[nodiscard]] static proxy::Outcome<void> check_body(Call& call, const Json& schema);

  std::vector<Row> rows_;
};

// Sets call.actor. A token that nobody has is nobody's.
[[nodiscard]] Status identify(Call& call);

// `Host` is an IP literal, localhost, or a name of ours: else a name of somebody else's was made to
// lead here (DNS rebinding).
[[nodiscard]] bool is_our_host(std::string_view host, const ApiOptions& options);
// A browser that follows some other page's orders has that page's Origin, and cannot add a field
// without asking us first.
[[nodiscard]] bool is_same_origin(const proxy::ApiRequest& request, const ApiOptions& options);

}  // namespace av::api
