#include "cmd/egress_settings.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "cmd/run_options.h"

using namespace av;  // NOLINT: a test

namespace {

cmd::EnvLookup lookup(std::map<std::string, std::string> variables) {
  auto kept = std::make_shared<std::map<std::string, std::string>>(std::move(variables));
  return [kept](const char* name) -> const char* {
    const auto found = kept->find(name);
    return found == kept->end() ? nullptr : found->second.c_str();
  };
}

std::string label(const std::shared_ptr<const proxy::EgressProxy>& proxy) {
  return proxy == nullptr ? "direct" : proxy->label();
}

std::string chosen(std::string_view setting, std::map<std::string, std::string> variables) {
  const auto options = cmd::egress_settings(setting, lookup(std::move(variables)));
  REQUIRE(options);
  return *options == nullptr ? "none" : label((*options)->https) + ' ' + label((*options)->http);
}

}  // namespace

TEST_CASE("egress settings: what is said wins over the environment", "[cmd][egress]") {
  CHECK(chosen("", {}) == "none");
  CHECK(chosen("none", {{"HTTPS_PROXY", "http://env:1"}}) == "none");
  CHECK(chosen("http://said:1", {{"HTTPS_PROXY", "http://env:1"}}) ==
        "http://said:1 http://said:1");
}

TEST_CASE("egress settings: the environment, as curl reads it", "[cmd][egress]") {
  CHECK(chosen("", {{"HTTPS_PROXY", "http://s:1"}}) == "http://s:1 direct");
  CHECK(chosen("", {{"https_proxy", "http://s:1"}, {"http_proxy", "http://h:1"}}) ==
        "http://s:1 http://h:1");
  CHECK(chosen("", {{"HTTPS_PROXY", "http://a:1"}, {"https_proxy", "http://b:1"}}) ==
        "http://a:1 direct");
  CHECK(chosen("", {{"HTTPS_PROXY", ""}, {"ALL_PROXY", "socks5h://t:9050"}}) ==
        "socks5h://t:9050 socks5h://t:9050");
  CHECK(chosen("", {{"all_proxy", "socks5://t"}, {"HTTP_PROXY", "http://h:1"}}) ==
        "socks5://t:1080 http://h:1");
  // A CGI program's HTTP_PROXY comes from a request; the lower-case one cannot.
  CHECK(chosen("", {{"HTTP_PROXY", "http://evil:1"}, {"REQUEST_METHOD", "GET"}}) == "none");
  CHECK(chosen("", {{"http_proxy", "http://h:1"}, {"REQUEST_METHOD", "GET"}}) ==
        "direct http://h:1");
}

TEST_CASE("egress settings: NO_PROXY counts whoever names the proxy", "[cmd][egress]") {
  for (const char* const name : {"NO_PROXY", "no_proxy"}) {
    const auto options =
        cmd::egress_settings("http://said:1", lookup({{name, ".inside.test,10.0.0.0/8"}}));
    REQUIRE(options);
    CHECK((*options)->proxy_for(vault::Scheme::kHttps, {"a.inside.test", 443}) == nullptr);
    CHECK((*options)->proxy_for(vault::Scheme::kHttps, {"10.1.1.1", 443}) == nullptr);
    CHECK((*options)->proxy_for(vault::Scheme::kHttps, {"outside.test", 443}) != nullptr);
  }
}

TEST_CASE("egress settings: an unusable proxy is an error that names its source only",
          "[cmd][egress]") {
  auto bad = cmd::egress_settings("", lookup({{"HTTPS_PROXY", "ftp://u:s3cret@host"}}));
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message.find("HTTPS_PROXY") != std::string::npos);
  CHECK(bad.error().message.find("s3cret") == std::string::npos);
}

TEST_CASE("egress settings: the proxy's password is left nowhere in the command's environment",
          "[cmd][egress]") {
  const auto options =
      cmd::egress_settings("", lookup({{"HTTPS_PROXY", "http://u:pa%24%24word1@host:1"}}));
  REQUIRE(options);
  const char* const variables[] = {"npm_config_proxy=http://u:pa%24%24word1@host:1",
                                   "CORP_PASSWORD=pa$$word1", "HOME=/home/u", nullptr};
  cmd::EnvBlock env(variables);
  cmd::remove_proxy_password(env, **options);
  CHECK(*env.get("npm_config_proxy") == "http://u:removed@host:1");
  CHECK(*env.get("CORP_PASSWORD") == "removed");
  CHECK(*env.get("HOME") == "/home/u");
}

TEST_CASE("run options: no password on the command line", "[cmd][egress]") {
  cmd::RunWords words;
  words.upstream_proxy = "http://u:s3cret@host:1";
  auto options = cmd::resolve_options(words, "/nonexistent/config.toml", lookup({}));
  REQUIRE_FALSE(options);
  CHECK(options.error().code == ErrorCode::kUsage);
  CHECK(options.error().message.find("s3cret") == std::string::npos);
  words.upstream_proxy = "http://host:1";
  words.connect_timeout = 2.5;
  options = cmd::resolve_options(words, "/nonexistent/config.toml", lookup({}));
  REQUIRE(options);
  CHECK(options->connect_timeout == Millis{2500});
  for (const double seconds : {-1.0, 1e9}) {
    words.connect_timeout = seconds;
    CHECK_FALSE(cmd::resolve_options(words, "/nonexistent/config.toml", lookup({})));
  }
}
