#include "source/store_url.h"

#include <algorithm>

#include "core/ascii.h"
#include "source/program_setting.h"
#include "vault/canonical.h"
#include "vault/store_settings.h"

namespace av::source {
namespace {

Failure invalid(std::string message, std::string hint = {}) {
  return failure(Failure::Why::kInvalid, std::move(message), std::move(hint));
}

}  // namespace

bool is_this_machine(std::string_view host) {
  return host == "localhost" || host == "[::1]" ||
         (host.starts_with("127.") &&
          host.find_first_not_of("0123456789.") == std::string_view::npos);
}

Result<bool> plain_http(const vault::ExternalStore& store) {
  const std::string given = setting(store, vault::kPlainHttpSetting);
  if (!given.empty() && given != "yes" && given != "no") {
    return invalid("plain_http is neither yes nor no");
  }
  return given == "yes";
}

Result<std::string> store_url(std::string_view text, bool cleartext) {
  text = ascii::trim(text);
  std::string scheme = "https";
  const std::size_t mark = text.find("://");
  if (mark != std::string_view::npos) {
    scheme = ascii::lower(text.substr(0, mark));
    text.remove_prefix(mark + 3);
  }
  if (scheme != "https" && scheme != "http") {
    return invalid("the URL of a store begins with https://");
  }
  if (text.find_first_of("?#@\\") != std::string_view::npos || text.size() > 512 ||
      std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c > '~'; })) {
    return invalid("the URL of a store is a scheme, a host, perhaps a port and a path");
  }
  const std::size_t slash = std::min(text.find('/'), text.size());
  const vault::Scheme kind = scheme == "https" ? vault::Scheme::kHttps : vault::Scheme::kHttp;
  const auto authority = vault::parse_authority(text.substr(0, slash), vault::default_port(kind));
  if (!authority) {
    return invalid("the URL's host is none: " + authority.error().message);
  }
  if (scheme == "http" && !cleartext && !is_this_machine(authority->host)) {
    return invalid("http:// would send the token in the clear", std::string(kPlainHttpHint));
  }
  std::string path(text.substr(slash));
  while (!path.empty() && path.back() == '/') {
    path.pop_back();
  }
  if (!path.empty()) {
    const auto target = vault::canonical_target(path);
    if (!target || target->to_string() != path) {
      return invalid("the URL's path is not a plain one");
    }
  }
  return scheme + "://" + vault::to_string(*authority, kind) + path;
}

}  // namespace av::source
