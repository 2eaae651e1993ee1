#include "oauth/mix_up.h"

#include <algorithm>

#include "oauth/provider.h"

namespace av::oauth {
namespace {

bool is_in(std::string_view host, std::string_view site) {
  return host == site || (host.size() > site.size() && host.ends_with(site) &&
                          host[host.size() - site.size() - 1] == '.');
}

bool is_alias(const Provider& provider, std::string_view host) {
  return std::find(provider.aliases.begin(), provider.aliases.end(), host) !=
         provider.aliases.end();
}

// Whether people know the host as the provider's: it may have more of them than the catalogue has.
bool is_of(const Provider& provider, std::string_view host) {
  const std::string own = vault::host_of_url(provider.client.authorization_url);
  return is_in(host, site_of(own)) ||
         std::any_of(provider.aliases.begin(), provider.aliases.end(),
                     [&](const std::string& alias) { return is_in(host, alias); });
}

Error mixed_up(std::string message) {
  return make_error(ErrorCode::kNotPermitted, std::move(message),
                    "whoever has given these addresses may be after your tokens");
}

}  // namespace

std::string site_of(std::string_view host) {
  constexpr std::size_t kShort = 3;  // "co.uk", "com.au"
  constexpr std::size_t kCountry = 2;
  if (host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string_view::npos) {
    return std::string(host);
  }
  const auto dot_before = [&](std::size_t end) {
    return end == 0 ? std::string_view::npos : host.rfind('.', end - 1);
  };
  const std::size_t last = dot_before(host.size());
  if (last == std::string_view::npos) {
    return std::string(host);
  }
  std::size_t second = dot_before(last);
  const std::size_t begin = second == std::string_view::npos ? 0 : second + 1;
  if (second != std::string_view::npos && host.size() - last - 1 == kCountry &&
      last - begin <= kShort) {
    second = dot_before(second);
  }
  return std::string(second == std::string_view::npos ? host : host.substr(second + 1));
}

Status check_not_mixed_up(std::string_view authorization_url, std::string_view token_url) {
  if (authorization_url.empty() || token_url.empty()) {
    return {};
  }
  const std::string person = vault::host_of_url(authorization_url);
  const std::string token = vault::host_of_url(token_url);
  for (const Provider& provider : providers()) {
    const std::string known = vault::host_of_url(provider.client.token_url);
    // Of a provider's other hosts, which may be its customers', only the one that the person has
    // seen is as good.
    if (is_of(provider, person) && token != person && token != known) {
      return mixed_up("this would send what " + provider.title + " gives to " + token +
                      ", which is not " + provider.title);
    }
    if (token == known && person != vault::host_of_url(provider.client.authorization_url) &&
        person != token && !is_alias(provider, person)) {
      return mixed_up("this would send you to " + person + " to sign in, which is not " +
                      provider.title);
    }
  }
  return {};
}

}  // namespace av::oauth
