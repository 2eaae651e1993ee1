#include "vault/request_text.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "core/ascii.h"
#include "core/encoding.h"

namespace av::vault {
namespace {

constexpr std::array<std::pair<std::string_view, Scheme>, 4> kSchemes = {{
    {"https", Scheme::kHttps},
    {"http", Scheme::kHttp},
    {"wss", Scheme::kHttps},
    {"ws", Scheme::kHttp},
}};

Error invalid(std::string message) {
  return make_error(ErrorCode::kInvalid, std::move(message),
                    "write it like https://api.example.com/v1/items");
}

}  // namespace

Expected<RequestIdentity> parse_request(std::string_view method, std::string_view url) {
  RequestIdentity out;
  if (method.empty() || !std::all_of(method.begin(), method.end(), ascii::is_token_char)) {
    return invalid("\"" + encoding::printable(method.substr(0, 80)) + "\" is no method");
  }
  for (const char c : method) {
    out.method.push_back(ascii::upper(c));
  }
  const std::size_t mark = url.find("://");
  if (mark != std::string_view::npos && mark < url.find_first_of("/?#")) {
    const std::string scheme = ascii::lower(url.substr(0, mark));
    const auto* const known = std::find_if(kSchemes.begin(), kSchemes.end(),
                                           [&](const auto& each) { return each.first == scheme; });
    if (known == kSchemes.end()) {
      return invalid("the proxy passes http and https only");
    }
    out.scheme = known->second;
    url.remove_prefix(mark + 3);
  }
  url = url.substr(0, url.find('#'));
  const std::size_t path = std::min(url.find_first_of("/?"), url.size());
  AV_TRY(out.authority, parse_authority(url.substr(0, path), default_port(out.scheme)));
  std::string target(url.substr(path));
  if (!target.starts_with('/')) {
    target.insert(0, "/");
  }
  auto canonical = canonical_target(target);
  if (!canonical) {
    return make_error(ErrorCode::kNotPermitted, canonical.error().message, canonical.error().hint);
  }
  out.target = std::move(*canonical);
  return out;
}

Expected<RequestIdentity> parse_request(std::string_view method_and_url) {
  const std::size_t blank = method_and_url.find(' ');
  if (blank == std::string_view::npos) {
    return parse_request("GET", method_and_url);
  }
  return parse_request(method_and_url.substr(0, blank), ascii::trim(method_and_url.substr(blank)));
}

std::string to_string(const RequestIdentity& request) {
  return request.method + " " + std::string(to_string(request.scheme)) + "://" +
         to_string(request.authority, request.scheme) + request.target.to_string();
}

}  // namespace av::vault
