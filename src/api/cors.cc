#include "api/cors.h"

#include <algorithm>
#include <string>

#include "vault/canonical.h"

namespace av::api {
namespace {

constexpr std::string_view kMethods = "GET, HEAD, POST, PUT, PATCH, DELETE";
constexpr std::string_view kFields = "Authorization, Content-Type, X-Vault";
constexpr std::string_view kExposed = "Retry-After";
// Browsers keep the answer no longer than two hours anyway.
constexpr std::string_view kMaxAge = "600";

}  // namespace

bool is_own_origin(const proxy::ApiRequest& request, const ApiOptions& options) {
  const std::string_view origin = request.field("origin");
  const std::string own =
      (request.secure ? "https://" : "http://") + std::string(request.field("host"));
  return origin == own || origin == options.base_url ||
         std::find(options.other_urls.begin(), options.other_urls.end(), origin) !=
             options.other_urls.end();
}

bool is_named_origin(const proxy::ApiRequest& request, const ApiOptions& options) {
  const std::string_view origin = request.field("origin");
  // At the proxy's port there is nothing for people, and so for their pages.
  if (origin.empty() || request.at_proxy || is_own_origin(request, options)) {
    return false;
  }
  return std::find(options.cors_origins.begin(), options.cors_origins.end(), origin) !=
         options.cors_origins.end();
}

std::optional<proxy::LocalReply> preflight(const proxy::ApiRequest& request,
                                           const ApiOptions& options) {
  if (request.method != "OPTIONS" || request.field("access-control-request-method").empty() ||
      !is_named_origin(request, options)) {
    return std::nullopt;
  }
  proxy::LocalReply reply;
  reply.status = 200;
  reply.fields.add("Access-Control-Allow-Methods", kMethods);
  reply.fields.add("Access-Control-Allow-Headers", kFields);
  reply.fields.add("Access-Control-Max-Age", kMaxAge);
  return reply;
}

void add_cors_fields(proxy::LocalReply& reply, const proxy::ApiRequest& request,
                     const ApiOptions& options) {
  if (options.cors_origins.empty()) {
    return;
  }
  // The answer to one origin is not that to another.
  reply.fields.add("Vary", "Origin");
  if (!is_named_origin(request, options)) {
    return;
  }
  reply.fields.add("Access-Control-Allow-Origin", request.field("origin"));
  reply.fields.add("Access-Control-Expose-Headers", kExposed);
}

Status check_origin(std::string_view origin) {
  const auto refuse = [&] {
    return make_error(ErrorCode::kUsage,
                      "'" + std::string(origin.substr(0, 100)) + "' is not an origin",
                      "give scheme, host and port as a browser does: https://app.example.org");
  };
  vault::Scheme scheme = vault::Scheme::kHttps;
  std::string_view rest = origin;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    scheme = vault::Scheme::kHttp;
  } else {
    return refuse();  // "*" and "null" among them
  }
  const auto authority = vault::parse_authority(rest, vault::default_port(scheme));
  if (!authority || vault::to_string(*authority, scheme) != rest ||
      rest.find('*') != std::string_view::npos) {
    return refuse();
  }
  return {};
}

}  // namespace av::api
