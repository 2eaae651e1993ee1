#include "cmd/child_env.h"

#include <catch2/catch.hpp>

using namespace av;  // NOLINT: a test

namespace {

constexpr std::string_view kValue = "real-value-of-the-key";

vault::PolicySnapshot snapshot_with(const vault::KeyRing& ring, bool enabled = true) {
  vault::Service service;
  service.name = "openai";
  service.host = "api.openai.com";
  service.enabled = enabled;
  service.auth = vault::BearerAuth{"OPENAI_API_KEY"};
  service.env = {{"OPENAI_API_KEY", "OPENAI_API_KEY"}, {"OTHER_NAME", "NOT_STORED"}};
  service.placeholder_shape = "sk-av-{40}";
  vault::PolicySnapshot snapshot;
  snapshot.vault_uid = "uid";
  snapshot.set_services({service});
  auto sealed = ring.seal({"uid", "credential", "OPENAI_API_KEY", 3}, kValue);
  REQUIRE(sealed);
  snapshot.credentials["OPENAI_API_KEY"] = {"OPENAI_API_KEY", 3, std::move(*sealed), {}};
  return snapshot;
}

cmd::EnvBlock block(std::vector<const char*> variables) {
  variables.push_back(nullptr);
  return cmd::EnvBlock(variables.data());
}

std::string value(const cmd::EnvBlock& env, std::string_view name) {
  return std::string(env.get(name).value_or("(unset)"));
}

}  // namespace

TEST_CASE("child env: a block keeps order, replaces and removes", "[cmd][child_env]") {
  cmd::EnvBlock env = block({"A=1", "broken", "B=x=y", "A=2"});
  CHECK(value(env, "A") == "1");
  CHECK(value(env, "B") == "x=y");
  env.set("A", "3");
  CHECK(env.encode().view() == std::string_view("B=x=y\0A=3\0", 10));
  env.set_default("A", "4");
  CHECK(value(env, "A") == "3");
  env.unset("A");
  CHECK(value(env, "A") == "(unset)");
}

TEST_CASE("child env: a stored value is replaced wherever it sits", "[cmd][child_env]") {
  const auto ring = vault::KeyRing::generate();
  REQUIRE(ring);
  const auto snapshot = snapshot_with(*ring);
  const auto placeholders = cmd::make_placeholders(snapshot);
  cmd::EnvBlock env = block({"OPENAI_API_KEY=real-value-of-the-key", "COPY=real-value-of-the-key",
                             "URL=https://u:real-value-of-the-key@h/real-value-of-the-key",
                             "OTHER_NAME=something real", "PLAIN=kept"});
  REQUIRE(cmd::replace_secrets(env, snapshot, *ring, placeholders));
  const std::string& placeholder = placeholders.at("OPENAI_API_KEY");
  CHECK(placeholder.substr(0, 6) == "sk-av-");
  CHECK(value(env, "OPENAI_API_KEY") == placeholder);
  CHECK(value(env, "COPY") == placeholder);
  CHECK(value(env, "URL") == "https://u:" + placeholder + "@h/" + placeholder);
  CHECK(value(env, "OTHER_NAME") == "(unset)");
  CHECK(value(env, "PLAIN") == "kept");
  CHECK(env.encode().view().find(kValue) == std::string_view::npos);
}

TEST_CASE("child env: a variable named like a credential never keeps the parent's value",
          "[cmd][child_env]") {
  const auto ring = vault::KeyRing::generate();
  REQUIRE(ring);
  const auto snapshot = snapshot_with(*ring, /*enabled=*/false);
  const auto placeholders = cmd::make_placeholders(snapshot);
  cmd::EnvBlock env = block({"OPENAI_API_KEY=an older value"});
  REQUIRE(cmd::replace_secrets(env, snapshot, *ring, placeholders));
  CHECK(value(env, "OPENAI_API_KEY") == placeholders.at("OPENAI_API_KEY"));
  CHECK(cmd::placeholder_in(snapshot, placeholders, "OPENAI_API_KEY") == nullptr);
}

TEST_CASE("child env: short values and the user's own place are left alone", "[cmd][child_env]") {
  cmd::EnvBlock env = block({"HOME=/home/christopher", "USER=christopher", "A=christopher", "B=1"});
  CHECK(env.replace_everywhere("1", "x").empty());
  CHECK(env.replace_everywhere("christopher", "x") == std::vector<std::string>{"A"});
  CHECK(value(env, "HOME") == "/home/christopher");
}

TEST_CASE("child env: the proxy, the bundle and the user's NO_PROXY", "[cmd][child_env]") {
  const auto token = Secret::copy_of(std::string_view("av_sess_x"));
  REQUIRE(token);
  cmd::EnvBlock env =
      block({"NO_PROXY=a.example, localhost", "no_proxy=b.example,a.example",
             "https_proxy=http://stale:1", "SSL_CERT_DIR=/certs", "SECRET_ENCRYPTION_KEY=k",
             "AGENT_VAULT_MASTER_PASSWORD=p", "AGENT_VAULT_HOME=/h", "JAVA_TOOL_OPTIONS=-Dmine=1",
             "GIT_TERMINAL_PROMPT=1"});
  cmd::add_proxy_access(env, {4711, *token, "work", "run_1", "/r/ca.pem", "/r/trust.p12", false});
  for (const char* name :
       {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"}) {
    CHECK(value(env, name) == "http://av_sess_x:work@127.0.0.1:4711");
  }
  CHECK(value(env, "NO_PROXY") == "a.example,localhost,b.example,127.0.0.1,::1");
  CHECK(value(env, "no_proxy") == value(env, "NO_PROXY"));
  CHECK(value(env, "AGENT_VAULT_ADDR") == "http://127.0.0.1:4711");
  CHECK(value(env, "AGENT_VAULT_TOKEN") == "av_sess_x");
  CHECK(value(env, "AGENT_VAULT_VAULT") == "work");
  CHECK(value(env, "CODEX_CA_CERTIFICATE") == "/r/ca.pem");
  CHECK(value(env, "npm_config_cafile") == "/r/ca.pem");
  CHECK(value(env, "NODE_USE_ENV_PROXY") == "1");
  CHECK(value(env, "GIT_TERMINAL_PROMPT") == "1");
  CHECK(value(env, "JAVA_TOOL_OPTIONS").find("-Dmine=1 -Dhttp.proxyHost=127.0.0.1") == 0);
  for (const char* name : {"SECRET_ENCRYPTION_KEY", "AGENT_VAULT_MASTER_PASSWORD",
                           "AGENT_VAULT_HOME", "SSL_CERT_DIR"}) {
    CHECK(value(env, name) == "(unset)");
  }
}
