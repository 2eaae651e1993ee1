#include "cmd/run_config.h"

#include <openssl/crypto.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>

#include "cmd/config_file.h"

namespace av::cmd {
namespace {

constexpr const char* kConfigHint = "see agent-vault-run(1) for the keys of [run]";

Error config_error(const std::filesystem::path& file, const std::string& what) {
  return make_error(ErrorCode::kInvalid, file.string() + ": " + what, kConfigHint);
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

Status read_table(const toml::table& settings, ConfigTable which, const std::string& table,
                  RunWords& words, const std::filesystem::path& file) {
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

void append(std::vector<std::string>& list, const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
}

// [audit] and [key] are read by the commands that they are for (audit_settings.cc,
// key_settings.cc).
bool is_known_table(std::string_view name) {
  return name == "run" || name == "serve" || name == "audit" || name == "key" ||
         name == "profile" || name == "shell";
}

// The keys that a profile has beside those of [run] are taken out of it.
Status read_profile(toml::table settings, const std::string& name, RunConfig& config,
                    const std::filesystem::path& file) {
  const std::string table = "profile." + name;
  if (const toml::node* const vault = settings.get("vault")) {
    if (!vault->is_string()) {
      return config_error(file, table + ".vault is not text");
    }
    config.vault = vault->value_or(std::string());
    settings.erase("vault");
  }
  if (const toml::node* const command = settings.get("command")) {
    AV_CHECK(read_list(*command, config.command, file, table + ".command"));
    settings.erase("command");
  }
  RunWords words;
  AV_CHECK(read_table(settings, ConfigTable::kRun, table, words, file));
  config.words = merge(std::move(config.words), words);
  return {};
}

std::string names_in(const toml::table* profiles) {
  std::string out;
  for (const auto& [name, node] : profiles != nullptr ? *profiles : toml::table()) {
    out += (out.empty() ? "" : ", ") + std::string(name.str());
  }
  return out;
}

Status find_profile(const toml::table& file_table, const ProfileChoice& profile, RunConfig& config,
                    const std::filesystem::path& file) {
  const toml::table* const profiles = file_table["profile"].as_table();
  const toml::table* const chosen =
      profiles != nullptr ? (*profiles)[profile.name].as_table() : nullptr;
  if (chosen != nullptr) {
    return read_profile(*chosen, profile.name, config, file);
  }
  if (!profile.required) {
    return {};
  }
  const std::string there = names_in(profiles);
  return make_error(ErrorCode::kNotFound, file.string() + " has no [profile." + profile.name + "]",
                    there.empty() ? "add one: see agent-vault-run(1)" : "choose of " + there);
}

}  // namespace

RunWords merge(RunWords words, const RunWords& more) {
  append(words.upstream_ca, more.upstream_ca);
  append(words.resolve, more.resolve);
  append(words.allow_net, more.allow_net);
  append(words.expose, more.expose);
  append(words.allow_local, more.allow_local);
  append(words.share, more.share);
  append(words.write, more.write);
  append(words.read, more.read);
  if (!more.unmatched.empty()) {
    words.unmatched = more.unmatched;
  }
  if (!more.isolation.empty()) {
    words.isolation = more.isolation;
  }
  if (!more.upstream_proxy.empty()) {
    words.upstream_proxy = more.upstream_proxy;
  }
  if (more.header_timeout != 0) {
    words.header_timeout = more.header_timeout;
  }
  if (more.connect_timeout != 0) {
    words.connect_timeout = more.connect_timeout;
  }
  if (!more.agent.empty()) {
    words.agent = more.agent;
  }
  if (!more.ttl.empty()) {
    words.ttl = more.ttl;
  }
  words.no_skill = words.no_skill || more.no_skill;
  words.capture_logins = words.capture_logins || more.capture_logins;
  return words;
}

namespace {

// kInvalid says where the file is no TOML, or has tables that nobody knows. Empty when it is not
// there.
Expected<toml::table> parse_config(const std::filesystem::path& file) {
  AV_TRY(toml::table table, parse_config_file(file, kConfigHint));
  for (const auto& [key, value] : table) {
    if (!is_known_table(key.str()) || !value.is_table()) {
      return config_error(file, "unknown or misplaced \"" + std::string(key.str()) +
                                    "\"; settings of run stand under [run]");
    }
  }
  return table;
}

void wipe_passwords(toml::table& table) {
  for (const char* const each : {"run", "serve"}) {
    if (auto* const url = table[each]["upstream_proxy"].as_string()) {
      OPENSSL_cleanse(url->get().data(), url->get().size());
    }
  }
}

}  // namespace

Expected<RunConfig> read_run_config(const std::filesystem::path& file, ConfigTable which,
                                    const ProfileChoice& profile) {
  const char* const name = which == ConfigTable::kRun ? "run" : "serve";
  RunConfig config;
  AV_TRY(toml::table table, parse_config(file));
  if (const toml::table* const settings = table[name].as_table()) {
    AV_CHECK(read_table(*settings, which, name, config.words, file));
  }
  if (!profile.name.empty()) {
    AV_CHECK(find_profile(table, profile, config, file));
  }
  wipe_passwords(table);
  return config;
}

Expected<std::vector<std::string>> read_wrapped_programs(const std::filesystem::path& file) {
  std::vector<std::string> programs;
  AV_TRY(toml::table table, parse_config(file));
  wipe_passwords(table);
  if (const toml::table* const settings = table["shell"].as_table()) {
    for (const auto& [name, node] : *settings) {
      if (name.str() != "wrap") {
        return config_error(file, "unknown key shell." + std::string(name.str()));
      }
      AV_CHECK(read_list(node, programs, file, "shell.wrap"));
    }
  }
  return programs;
}

}  // namespace av::cmd
