#include "cmd/run_options.h"

#include <openssl/crypto.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "cmd/duration.h"
#include "cmd/egress_settings.h"
#include "cmd/option_set.h"
#include "cmd/ways_out.h"

#include "core/fs.h"
#include "vault/names.h"

namespace av::cmd {
namespace {

Error config_error(const std::filesystem::path& file, const std::string& what) {
  return make_error(ErrorCode::kInvalid, file.string() + ": " + what,
                    "see agent-vault-run(1) for the keys of [run]");
}

Status read_list(const toml::node& node, std::vector<std::string>& list,
                 const std::filesystem::path& file, const std::string& key) {
  // Ports are numbers, and may be written so.
  const auto word = [](const toml::node& each) {
    const auto number = each.value_exact<std::int64_t>();
    return number ? std::optional<std::string>(std::to_string(*number)) : each.value<std::string>();
  };
  if (const auto one = word(node)) {
    list.push_back(*one);
    return {};
  }
  const toml::array* const array = node.as_array();
  if (array == nullptr) {
    return config_error(file, key + " is neither text nor a list");
  }
  for (const toml::node& element : *array) {
    const auto text = word(element);
    if (!text) {
      return config_error(file, key + " holds something that is not text");
    }
    list.push_back(*text);
  }
  return {};
}

std::vector<std::string>* list_key(RunWords& words, std::string_view key) {
  return key == "upstream_ca"   ? &words.upstream_ca
         : key == "resolve"     ? &words.resolve
         : key == "allow_net"   ? &words.allow_net
         : key == "expose"      ? &words.expose
         : key == "allow_local" ? &words.allow_local
         : key == "share"       ? &words.share
         : key == "write"       ? &words.write
         : key == "read"        ? &words.read
                                : nullptr;
}

std::string* text_key(RunWords& words, std::string_view key) {
  return key == "agent"            ? &words.agent
         : key == "ttl"            ? &words.ttl
         : key == "unmatched"      ? &words.unmatched
         : key == "isolation"      ? &words.isolation
         : key == "upstream_proxy" ? &words.upstream_proxy
                                   : nullptr;
}

double* seconds_key(RunWords& words, std::string_view key) {
  return key == "header_timeout"    ? &words.header_timeout
         : key == "connect_timeout" ? &words.connect_timeout
                                    : nullptr;
}

bool is_only_for(ConfigTable table, std::string_view key) {
  static constexpr std::array<std::string_view, 9> kServeOnly{
      "host",     "port",    "proxy_host", "proxy_port", "base_url",
      "tls_cert", "tls_key", "grace",      "oidc"};
  static constexpr std::array<std::string_view, 9> kRunOnly{
      "agent", "ttl",   "isolation", "capture_logins", "expose", "allow_local",
      "share", "write", "read"};
  return table == ConfigTable::kServe
             ? std::find(kServeOnly.begin(), kServeOnly.end(), key) != kServeOnly.end()
             : std::find(kRunOnly.begin(), kRunOnly.end(), key) != kRunOnly.end();
}

Status read_table(const toml::table& settings, ConfigTable which, RunWords& words,
                  const std::filesystem::path& file) {
  const std::string table = which == ConfigTable::kRun ? "run" : "serve";
  for (const auto& [name, node] : settings) {
    const std::string key(name.str());
    if (which == ConfigTable::kServe && is_only_for(which, key)) {
      continue;
    }
    if (which == ConfigTable::kServe && is_only_for(ConfigTable::kRun, key)) {
      return config_error(file, "unknown key serve." + key);
    }
    std::vector<std::string>* const list = list_key(words, key);
    if (list != nullptr) {
      AV_CHECK(read_list(node, *list, file, table + "." + key));
    } else if (std::string* const text = text_key(words, key)) {
      const auto value = node.value<std::string_view>();
      if (!value) {
        return config_error(file, table + "." + key + " is not text");
      }
      *text = *value;
    } else if (double* const seconds = seconds_key(words, key); seconds && node.is_number()) {
      *seconds = node.value<double>().value_or(0);
    } else if (key == "capture_logins" && node.is_boolean()) {
      words.capture_logins = node.value<bool>().value_or(false);
    } else {
      return config_error(file, "unknown key " + table + "." + key);
    }
  }
  return {};
}

Expected<RunWords> read_config(const std::filesystem::path& file, ConfigTable which) {
  const char* const name = which == ConfigTable::kRun ? "run" : "serve";
  RunWords words;
  auto text = fs::read_file(file, std::size_t{1} << 20);
  if (!text) {
    if (text.error().code == ErrorCode::kNotFound) {
      return words;
    }
    return text.error();
  }
  try {
    toml::table table = toml::parse(*text);
    OPENSSL_cleanse(text->data(), text->size());  // the URL of a proxy may hold a password
    for (const auto& [key, value] : table) {
      // [audit] and [key] are read by the commands that they are for (audit_settings.cc,
      // key_settings.cc).
      if ((key != "run" && key != "audit" && key != "serve" && key != "key") || !value.is_table()) {
        return config_error(file, "unknown or misplaced \"" + std::string(key.str()) +
                                      "\"; settings of run stand under [run]");
      }
    }
    if (const toml::table* const settings = table[name].as_table()) {
      AV_CHECK(read_table(*settings, which, words, file));
    }
    if (auto* const url = table[name]["upstream_proxy"].as_string()) {
      OPENSSL_cleanse(url->get().data(), url->get().size());
    }
    return words;
  } catch (const toml::parse_error& e) {
    return config_error(file, "line " + std::to_string(e.source().begin.line) + ": " +
                                  std::string(e.description()));
  }
}

void append(std::vector<std::string>& list, const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
}

RunWords merge(RunWords words, const RunWords& command_line) {
  append(words.upstream_ca, command_line.upstream_ca);
  append(words.resolve, command_line.resolve);
  append(words.allow_net, command_line.allow_net);
  append(words.expose, command_line.expose);
  append(words.allow_local, command_line.allow_local);
  append(words.share, command_line.share);
  append(words.write, command_line.write);
  append(words.read, command_line.read);
  if (!command_line.unmatched.empty()) {
    words.unmatched = command_line.unmatched;
  }
  if (!command_line.isolation.empty()) {
    words.isolation = command_line.isolation;
  }
  if (!command_line.upstream_proxy.empty()) {
    words.upstream_proxy = command_line.upstream_proxy;
  }
  if (command_line.header_timeout != 0) {
    words.header_timeout = command_line.header_timeout;
  }
  if (command_line.connect_timeout != 0) {
    words.connect_timeout = command_line.connect_timeout;
  }
  if (!command_line.agent.empty()) {
    words.agent = command_line.agent;
  }
  if (!command_line.ttl.empty()) {
    words.ttl = command_line.ttl;
  }
  words.no_skill = command_line.no_skill;
  words.capture_logins = words.capture_logins || command_line.capture_logins;
  return words;
}

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
    options.upstream_ca.push_back(path.string());
  }
  return {};
}

}  // namespace

void add_run_options(OptionSet& app, RunWords& words) {
  app.add_option("--agent", words.agent,
                 "act for this agent, within its scope and limits; - for none")
      ->type_name("NAME");
  app.add_option("--ttl", words.ttl,
                 "the session ends after this long: 90s, 30m, 8h, 2d (default: with the command)")
      ->type_name("DURATION");
  app.add_option("--isolation", words.isolation,
                 "what the command cannot do: off, store, network or strict (default: store)")
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
                                     ConfigTable table) {
  // Other users of the machine see the arguments of every process.
  if (command_line.upstream_proxy.find('@') != std::string::npos) {
    return make_error(ErrorCode::kUsage, "a user or password does not belong on the command line",
                      "put the URL into HTTPS_PROXY, or as upstream_proxy into config.toml");
  }
  AV_TRY(RunWords words, read_config(config_file, table));
  words = merge(std::move(words), command_line);
  RunOptions options;
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
                        "choose off, store, network or strict");
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
