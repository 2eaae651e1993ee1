#include "cmd/egress_settings.h"

#include <initializer_list>

namespace av::cmd {
namespace {

using ProxyPtr = std::shared_ptr<const proxy::EgressProxy>;

struct Variable {
  const char* name = nullptr;
  std::string_view value;
};

// The first that is set and not empty.
Variable first_of(std::initializer_list<const char*> names, const EnvLookup& env) {
  for (const char* const name : names) {
    const char* const value = name == nullptr ? nullptr : env(name);
    if (value != nullptr && *value != '\0') {
      return Variable{name, value};
    }
  }
  return {};
}

Expected<ProxyPtr> parse(std::string_view url, std::string_view source) {
  auto proxy = proxy::EgressProxy::parse(url);
  if (!proxy) {
    Error error = std::move(proxy.error());
    error.message += " (" + std::string(source) + ')';
    return error;
  }
  return ProxyPtr(std::make_shared<const proxy::EgressProxy>(std::move(*proxy)));
}

Expected<ProxyPtr> from_environment(std::initializer_list<const char*> names,
                                    const EnvLookup& env) {
  const Variable variable = first_of(names, env);
  return variable.name == nullptr ? ProxyPtr() : parse(variable.value, variable.name);
}

}  // namespace

Expected<std::shared_ptr<const proxy::EgressOptions>> egress_settings(std::string_view setting,
                                                                      const EnvLookup& env) {
  auto options = std::make_shared<proxy::EgressOptions>();
  if (setting == "none") {
    return std::shared_ptr<const proxy::EgressOptions>();
  }
  if (!setting.empty()) {
    AV_TRY(options->https, parse(setting, "upstream_proxy"));
    options->http = options->https;
  } else {
    AV_TRY(options->https,
           from_environment({"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"}, env));
    // In a CGI program, HTTP_PROXY is the header "Proxy" of a request (CVE-2016-5385).
    const char* const upper = env("REQUEST_METHOD") == nullptr ? "HTTP_PROXY" : nullptr;
    AV_TRY(options->http, from_environment({upper, "http_proxy", "ALL_PROXY", "all_proxy"}, env));
  }
  if (options->https == nullptr && options->http == nullptr) {
    return std::shared_ptr<const proxy::EgressOptions>();
  }
  options->no_proxy = proxy::NoProxyList(first_of({"NO_PROXY", "no_proxy"}, env).value);
  return std::shared_ptr<const proxy::EgressOptions>(std::move(options));
}

void remove_proxy_password(EnvBlock& env, const proxy::EgressOptions& egress) {
  for (const ProxyPtr& proxy : {egress.https, egress.http}) {
    if (proxy == nullptr) {
      continue;
    }
    for (const Secret* const secret : {&proxy->password(), &proxy->password_as_written()}) {
      secret->reveal([&](std::string_view bytes) { env.replace_everywhere(bytes, "removed"); });
    }
  }
}

}  // namespace av::cmd
