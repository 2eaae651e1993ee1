#pragma once
// Cross-origin reads (Fetch standard, "CORS protocol"): pages of other origins may read answers
// where the owner of the server has named them, one by one. Never with a cookie: such a page shows
// a token of its own, and what a browser adds by itself counts for nothing.

#include <optional>
#include <string_view>

#include "api/options.h"
#include "proxy/api_handler.h"
#include "proxy/local_reply.h"

namespace av::api {

// Our own pages', by one of the names that we have.
[[nodiscard]] bool is_own_origin(const proxy::ApiRequest& request, const ApiOptions& options);
// The request comes from a page of an origin that was named, and that is not our own.
[[nodiscard]] bool is_named_origin(const proxy::ApiRequest& request, const ApiOptions& options);
// What the browser asks before it sends the request itself; nothing for any other request.
[[nodiscard]] std::optional<proxy::LocalReply> preflight(const proxy::ApiRequest& request,
                                                         const ApiOptions& options);
// What lets the page read the answer; nothing for any other.
void add_cors_fields(proxy::LocalReply& reply, const proxy::ApiRequest& request,
                     const ApiOptions& options);

// "https://app.example.org": a scheme, a host, perhaps a port, as a browser writes it. kUsage.
[[nodiscard]] Status check_origin(std::string_view origin);

}  // namespace av::api
