#include "cmd/run_options.h"

#include <openssl/crypto.h>
#include <unistd.h>

#include "cmd/duration.h"
#include "cmd/egress_settings.h"
#include "cmd/option_set.h"
#include "cmd/run_config.h"
#include "cmd/ways_out.h"

#include "core/fs.h"
#include "vault/names.h"

namespace av::cmd {
namespace {

Expected<std::optional<Millis>> timeout_of(double seconds, const char* what) {
  if (seconds == 0) {
    return std::optional<Millis>();
  }
  if (!(seconds >= 0.001 && seconds <= 86'400)) {
    return make_error(ErrorCode::kUsage, std::string("the ") + what + " timeout is out of range",
                      "give 0.001 to 86400 seconds");
  }
  return std::optional<Millis>(Millis(static_cast<std::int64_t>(seconds * 1000)));
}

// No shell has looked at what a file says.
void expand_home(std::vector<std::string>& paths, const EnvLookup& env) {
  const char* const home = env("HOME");
  for (std::string& path : paths) {
    if (home != nullptr && home[0] == '/' && (path == "~" || path.starts_with("~/"))) {
      path = home + path.substr(1);
    }
  }
}

Status parse_net(const RunWords& words, RunOptions& options) {
  for (const std::string& text : words.resolve) {
    AV_TRY(proxy::ResolveOverride override_entry, proxy::parse_resolve(text));
    options.net.resolve.push_back(std::move(override_entry));
  }
  for (const std::string& text : words.allow_net) {
    AV_TRY(const proxy::Cidr cidr, proxy::parse_cidr(text));
    options.net.allow_net.push_back(cidr);
  }
  for (const std::string& file : words.upstream_ca) {
    std::error_code ec;
    const auto path = std::filesystem::absolute(file, ec);
    if (::access(path.c_str(), R_OK) != 0) {
      return errno_error(errno, "cannot read " + file, "--upstream-ca takes a PEM file");
    }
    if (!std::filesystem::is_regular_file(path, ec)) {
      return make_error(ErrorCode::kInvalid, file + " is not a file",
                        "--upstream-ca takes a PEM file");
    }
    options.upstream_ca.push_back(path.string());
  }
  return {};
}

}  // namespace

void add_run_options(OptionSet& app, RunWords& words) {
  app.add_option("--profile", words.profile,
                 "settings of [profile.NAME] (default: the name of the program); - for none")
      ->type_name("NAME");
  app.add_option("--agent", words.agent,
                 "act for this agent, within its scope and limits; - for none")
      ->type_name("NAME");
  app.add_option("--ttl", words.ttl,
                 "the session ends after this long: 90s, 30m, 8h, 2d (default: with the command)")
      ->type_name("DURATION");
  app.add_option(
         "--isolation", words.isolation,
         "what the command cannot do: off, landlock, store, network or strict (default: store)")
      ->type_name("LEVEL");
  app.add_option("--expose", words.expose,
                 "at network: let programs outside reach this port of the command; repeatable")
      ->type_name("[OUTSIDE:]PORT")
      ->repeatable();
  app.add_option("--allow-local", words.allow_local,
                 "at network: let the command reach this port of 127.0.0.1; repeatable")
      ->type_name("PORT")
      ->repeatable();
  app.add_option("--share", words.share,
                 "give the command what is closed to it: docker, session-bus, ssh-agent, x11 ...; "
                 "repeatable")
      ->type_name("NAME")
      ->repeatable();
  app.add_option("--write", words.write,
                 "at strict: let the command write here as well; repeatable")
      ->type_name("PATH")
      ->repeatable();
  app.add_option("--read", words.read,
                 "at strict: let the command see this private file or directory; repeatable")
      ->type_name("PATH")
      ->repeatable();
  add_traffic_options(app, words);
  app.add_flag("--no-skill", words.no_skill, "do not install the skill file for known agents");
  app.add_flag("--capture-logins", words.capture_logins,
               "keep what programs get where they log in themselves, once you allow it; they get "
               "stand-ins");
  app.add_option("--address", words.address,
                 "use the proxy of this server (default: AGENT_VAULT_ADDR, else one of its own)")
      ->type_name("URL");
  app.add_option("--ca-fingerprint", words.ca_fingerprint,
                 "of the server: its authority must be this one, by its SHA-256")
      ->type_name("FINGERPRINT");
  app.add_flag("--allow-cleartext", words.allow_cleartext,
               "let tokens and requests go in clear to a server on another machine");
}

void add_traffic_options(OptionSet& app, RunWords& words) {
  add_reach_options(app, words);
  app.add_option("--unmatched", words.unmatched, "hosts without a service: passthrough or deny")
      ->type_name("POLICY");
  app.add_option("--connect-timeout", words.connect_timeout,
                 "give up on a connection to an upstream after this long (default: 10)")
      ->type_name("SECONDS");
  app.add_option("--header-timeout", words.header_timeout,
                 "wait this long for a response to begin (default: 300)")
      ->type_name("SECONDS");
}

void add_reach_options(OptionSet& app, RunWords& words) {
  app.add_option("--upstream-ca", words.upstream_ca,
                 "trust the roots in this PEM file as well as the system's")
      ->type_name("FILE")
      ->repeatable();
  app.add_option("--resolve", words.resolve, "connect to ADDR for HOST:PORT; repeatable")
      ->type_name("HOST:PORT:ADDR[:PORT]")
      ->repeatable();
  app.add_option("--allow-net", words.allow_net,
                 "let traffic go to these private addresses; repeatable")
      ->type_name("CIDR")
      ->repeatable();
  app.add_option("--upstream-proxy", words.upstream_proxy,
                 "go through this proxy (default: HTTPS_PROXY and its kin), or none")
      ->type_name("URL");
}

Expected<RunOptions> resolve_options(const RunWords& command_line,
                                     const std::filesystem::path& config_file, const EnvLookup& env,
                                     ConfigTable table, const ProfileChoice& profile) {
  // Other users of the machine see the arguments of every process.
  if (command_line.upstream_proxy.find('@') != std::string::npos) {
    return make_error(ErrorCode::kUsage, "a user or password does not belong on the command line",
                      "put the URL into HTTPS_PROXY, or as upstream_proxy into config.toml");
  }
  AV_TRY(RunConfig config, read_run_config(config_file, table, profile));
  RunWords words = merge(std::move(config.words), command_line);
  for (std::vector<std::string>* const paths : {&words.write, &words.read, &words.upstream_ca}) {
    expand_home(*paths, env);
  }
  RunOptions options;
  options.vault = std::move(config.vault);
  options.command = std::move(config.command);
  options.agent = words.agent == "-" ? std::string() : words.agent;
  options.skill = !words.no_skill;
  options.capture_logins = words.capture_logins;
  if (!options.agent.empty()) {
    AV_CHECK(vault::check_slug("agent name", options.agent));
  }
  if (!words.ttl.empty()) {
    AV_TRY(options.ttl, parse_duration(words.ttl));
  }
  if (!words.isolation.empty()) {
    options.isolation = isolation::level_from_string(words.isolation);
    if (!options.isolation) {
      return make_error(ErrorCode::kUsage, "unknown isolation level " + words.isolation,
                        "choose off, landlock, store, network or strict");
    }
  }
  if (!words.unmatched.empty()) {
    options.unmatched = vault::unmatched_from_string(words.unmatched);
    if (!options.unmatched) {
      return make_error(ErrorCode::kUsage, "unknown policy " + words.unmatched,
                        "choose passthrough or deny");
    }
  }
  AV_TRY(options.header_timeout, timeout_of(words.header_timeout, "header"));
  AV_TRY(options.connect_timeout, timeout_of(words.connect_timeout, "connect"));
  AV_TRY(options.egress, egress_settings(words.upstream_proxy, env));
  OPENSSL_cleanse(words.upstream_proxy.data(), words.upstream_proxy.size());
  AV_CHECK(parse_net(words, options));
  AV_CHECK(check_shares(words.share));
  options.share = std::move(words.share);
  options.write = std::move(words.write);
  options.read = std::move(words.read);
  AV_TRY(options.ports, parse_ports(words.expose, words.allow_local));
  return options;
}

}  // namespace av::cmd
