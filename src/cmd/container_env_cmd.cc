// container-env: what a container needs so that its programs go through a server's proxy, as two
// files and the arguments with which `docker run` (or anything else) takes them in. The token is in
// a file and never in an argument: everybody on the machine sees those.

#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "api/json_view.h"
#include "cmd/ca_bundle.h"
#include "cmd/child_env.h"
#include "cmd/cli.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/remote.h"
#include "cmd/remote_proxy.h"
#include "cmd/remote_store.h"
#include "core/encoding.h"
#include "vault/canonical.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kBundleInside = "/etc/agent-vault/ca.pem";

struct ContainerOptions {
  std::string directory;
  std::string agent;
  std::string ca_fingerprint;
  std::string proxy;  // HOST:PORT
  bool allow_cleartext = false;
};

// "http://TOKEN:VAULT@HOST:PORT" with another host and port.
Expected<Secret> at_other_host(const Secret& url, const std::string& authority) {
  SecretBuffer out;
  url.reveal([&](std::string_view bytes) {
    const std::size_t at = bytes.rfind('@');
    out.append(bytes.substr(0, at == std::string_view::npos ? 0 : at + 1));
    out.append(authority);
  });
  return out.to_secret();
}

// What of the environment says where things are, for one who reaches the proxy by another name. The
// API that agents may use is at the proxy's port too.
Expected<Secret> seen_from_container(const std::string& name, Secret value,
                                     const std::string& proxy) {
  if (name == "AGENT_VAULT_ADDR") {
    return Secret::copy_of("http://" + proxy);
  }
  if (name == "NO_PROXY" || name == "no_proxy") {
    SecretBuffer out;
    out.append(value);
    out.append("," + proxy.substr(0, proxy.rfind(':')));
    return out.to_secret();
  }
  if (name.ends_with("_PROXY") || name.ends_with("_proxy")) {
    return at_other_host(value, proxy);
  }
  return value;
}

// docker's env files have no quoting and end a value at the line's end.
Status append_line(SecretBuffer& out, const std::string& name, std::string_view value) {
  const bool plain = value.find_first_of(std::string_view("\n\r\0", 3)) == std::string_view::npos;
  if (!plain || name.empty() || name.find_first_of("=\n\r") != std::string::npos) {
    return make_error(ErrorCode::kNetwork,
                      "the answer of agent-vault holds a variable that is none");
  }
  out.append(name + "=");
  out.append(value);
  out.push_back('\n');
  return {};
}

struct Made {
  SecretBuffer env;
  std::string agent;
  std::string vault;
  std::string expires;
};

Expected<Made> ask_for_env(ApiClient& api, const std::string& vault,
                           const ContainerOptions& options) {
  std::string target = "/v1/container-config?vault=" + encoding::percent(vault);
  target += options.agent.empty() ? "" : "&agent=" + encoding::percent(options.agent);
  AV_TRY(const HttpReply reply, api.exchange("GET", target));
  AV_TRY(const api::JsonDocument document, api::JsonDocument::parse(reply.body.view()));
  const auto env = document.root().find("env");
  if (!env || env->children().empty()) {
    return make_error(ErrorCode::kNetwork, "the answer of agent-vault has no environment");
  }
  Made made;
  const auto text = [&](const char* name) {
    const auto member = document.root().find(name);
    return member ? encoding::printable(member->text()) : std::string();
  };
  made.agent = text("agent");
  made.vault = text("vault");
  made.expires = text("expiresAt");
  for (const api::JsonView& member : env->children()) {
    const std::string name = member.name();
    if (bundle_variables().contains(name)) {
      continue;
    }
    AV_TRY(Secret value, member.secret());
    if (!options.proxy.empty()) {
      AV_TRY(value, seen_from_container(name, std::move(value), options.proxy));
    }
    AV_CHECK(
        value.reveal([&](std::string_view bytes) { return append_line(made.env, name, bytes); }));
  }
  for (const std::string& name : bundle_variables()) {
    AV_CHECK(append_line(made.env, name, kBundleInside));
  }
  if (!options.proxy.empty()) {
    // Its token goes that way to the proxy as well.
    AV_CHECK(append_line(made.env, "AGENT_VAULT_ALLOW_CLEARTEXT", "1"));
  }
  return made;
}

Expected<int> container_env(Context& context, const ContainerOptions& options) {
  context.allow_cleartext = options.allow_cleartext;
  if (!options.proxy.empty() && !vault::parse_authority(options.proxy, 0)) {
    return usage_error("--proxy wants HOST:PORT", "like broker:14322");
  }
  if (!is_remote(context)) {
    return usage_error("which server? AGENT_VAULT_ADDR names none",
                       "containers use the proxy of agent-vault serve: see agent-vault-serve(1)");
  }
  AV_TRY(const auto remote, find_remote(context));
  AV_CHECK(context.open_store());
  ApiClient& api = context.remote()->api();
  AV_TRY(const RemoteProxy proxy, meet_proxy(context, *remote, api, options.ca_fingerprint));
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const Made made, ask_for_env(api, vault, options));
  std::error_code ec;
  const std::filesystem::path directory = std::filesystem::absolute(options.directory, ec);
  AV_CHECK(fs::make_private_directory(directory));
  AV_TRY(const Bundle bundle, combined_bundle(proxy.authority_pem, std::getenv));
  for (const std::string& warning : bundle.warnings) {
    warn(context, warning);
  }
  AV_CHECK(fs::replace_file(directory / "env", made.env.view()));
  AV_CHECK(fs::replace_file(directory / "ca.pem", bundle.pem, 0644));
  const std::vector<std::string> arguments = {
      "--env-file", (directory / "env").string(), "--volume",
      (directory / "ca.pem").string() + ":" + kBundleInside + ":ro"};
  if (context.json) {
    const Json out = {{"env_file", (directory / "env").string()},
                      {"ca_file", (directory / "ca.pem").string()},
                      {"ca_file_inside", kBundleInside},
                      {"arguments", arguments},
                      {"agent", made.agent},
                      {"vault", made.vault},
                      {"expires", made.expires}};
    print(context.out, out.dump() + "\n");
    return 0;
  }
  for (const std::string& argument : arguments) {
    print(context.out, argument + "\n");
  }
  notice(context,
         "for agent '" + made.agent + "' in vault '" + made.vault + "', until " + made.expires);
  return 0;
}

Run setup_container_env(OptionSet& app) {
  const auto options = std::make_shared<ContainerOptions>();
  app.add_option("DIRECTORY", options->directory,
                 "where the files go: env, with a token in it, and ca.pem")
      ->required();
  app.add_option("--agent", options->agent, "for this agent, within its scope and limits")
      ->type_name("NAME");
  app.add_option("--proxy", options->proxy,
                 "how the container reaches the proxy (default: as the server says)")
      ->type_name("HOST:PORT");
  app.add_option("--ca-fingerprint", options->ca_fingerprint,
                 "the server's authority must be this one, by its SHA-256")
      ->type_name("FINGERPRINT");
  app.add_flag("--allow-cleartext", options->allow_cleartext,
               "let tokens go in clear to a server on another machine");
  app.footer("It prints the arguments for docker run or podman run, one to a line.");
  return [options](Context& context) { return container_env(context, *options); };
}

}  // namespace

std::span<const Command> container_commands() {
  static constexpr std::array<Command, 1> kCommands = {{
      {"container-env", "environment and certificates for a container at a server's proxy",
       Needs::kNothing, setup_container_env, true},
  }};
  return kCommands;
}

}  // namespace av::cmd
