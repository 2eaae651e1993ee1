#include "cmd/child_env.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "vault/placeholder.h"

namespace av::cmd {
namespace {

// They carry keys of the store, or say where it is.
constexpr std::array kRemoved{"SECRET_ENCRYPTION_KEY",      "AGENT_VAULT_MASTER_PASSWORD",
                              "AGENT_VAULT_HOME",           "SSL_CERT_DIR",
                              "AGENT_VAULT_TOKEN_FILE",     "AGENT_VAULT_CA",
                              "AGENT_VAULT_CA_FINGERPRINT", "AGENT_VAULT_ALLOW_CLEARTEXT",
                              "AGENT_VAULT_TPM_PIN",        "AGENT_VAULT_PKCS11_PIN",
                              "AGENT_VAULT_TPM_TCTI"};
// A "secret" that equals a part of one of these is no secret, and without them nothing works.
constexpr std::array kNeverRewritten{"HOME", "USER", "LOGNAME", "SHELL", "PATH",
                                     "PWD",  "TERM", "LANG",    "TMPDIR"};
// Shorter values occur by chance.
constexpr std::size_t kShortestSought = 8;

constexpr std::array kBundleVariables{"SSL_CERT_FILE",
                                      "NODE_EXTRA_CA_CERTS",
                                      "REQUESTS_CA_BUNDLE",
                                      "CURL_CA_BUNDLE",
                                      "GIT_SSL_CAINFO",
                                      "DENO_CERT",
                                      "AWS_CA_BUNDLE",
                                      "PIP_CERT",
                                      "CARGO_HTTP_CAINFO",
                                      "npm_config_cafile",
                                      "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
                                      "NIX_SSL_CERT_FILE",
                                      "CODEX_CA_CERTIFICATE",
                                      "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE"};

template <typename List>
bool contains(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// The user's entries of both spellings, then ours, once each.
std::string merged_no_proxy(const EnvBlock& env) {
  std::vector<std::string_view> entries;
  const auto add = [&](std::string_view list) {
    while (!list.empty()) {
      const std::size_t comma = list.find(',');
      std::string_view entry = list.substr(0, comma);
      list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
      while (entry.starts_with(' ')) {
        entry.remove_prefix(1);
      }
      while (entry.ends_with(' ')) {
        entry.remove_suffix(1);
      }
      if (!entry.empty() && !contains(entries, entry)) {
        entries.push_back(entry);
      }
    }
  };
  add(env.get("NO_PROXY").value_or(""));
  add(env.get("no_proxy").value_or(""));
  add("localhost,127.0.0.1,::1");
  std::string merged;
  for (const std::string_view entry : entries) {
    merged.append(merged.empty() ? "" : ",").append(entry);
  }
  return merged;
}

void add_java(EnvBlock& env, const ProxyAccess& access) {
  std::string options(env.get("JAVA_TOOL_OPTIONS").value_or(""));
  const std::string port = std::to_string(access.port);
  for (const char* scheme : {"http", "https"}) {
    if (!access.catches_all) {
      options +=
          std::string(" -D") + scheme + ".proxyHost=127.0.0.1 -D" + scheme + ".proxyPort=" + port;
    }
  }
  if (!access.catches_all) {
    options += " -Dhttp.nonProxyHosts=localhost|127.*|[::1]";
    // Java refuses Basic to a proxy for a tunnel unless told otherwise (JDK-8160838).
    options += " -Djdk.http.auth.tunneling.disabledSchemes=";
  }
  options += " -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStore=";
  options += access.trust_store;
  env.set("JAVA_TOOL_OPTIONS", options.substr(options.starts_with(' ') ? 1 : 0));
}

}  // namespace

EnvBlock::EnvBlock(const char* const* variables) {
  for (; *variables != nullptr; ++variables) {
    const char* const equals = std::strchr(*variables, '=');
    if (equals != nullptr && equals != *variables) {
      Variable variable;
      variable.name.assign(*variables, equals);
      variable.value.append(equals + 1);
      variables_.push_back(std::move(variable));
    }
  }
}

void EnvBlock::set(std::string_view name, std::string_view value) {
  Variable variable;
  variable.name = name;
  variable.value.append(value);
  unset(name);
  variables_.push_back(std::move(variable));
}

void EnvBlock::set_default(std::string_view name, std::string_view value) {
  if (!get(name)) {
    set(name, value);
  }
}

void EnvBlock::unset(std::string_view name) {
  std::erase_if(variables_, [&](const Variable& variable) { return variable.name == name; });
}

void EnvBlock::unset_beginning(std::string_view beginning) {
  std::erase_if(variables_,
                [&](const Variable& variable) { return variable.name.starts_with(beginning); });
}

std::optional<std::string_view> EnvBlock::get(std::string_view name) const {
  for (const Variable& variable : variables_) {
    if (variable.name == name) {
      return variable.value.view();
    }
  }
  return std::nullopt;
}

std::vector<std::string> EnvBlock::replace_everywhere(std::string_view secret,
                                                      std::string_view placeholder) {
  std::vector<std::string> names;
  if (secret.size() < kShortestSought) {
    return names;
  }
  for (Variable& variable : variables_) {
    const std::string_view value = variable.value.view();
    if (value.find(secret) == std::string_view::npos || contains(kNeverRewritten, variable.name)) {
      continue;
    }
    SecretBuffer clean;
    std::size_t at = 0;
    for (std::size_t hit = value.find(secret); hit != std::string_view::npos;
         hit = value.find(secret, at)) {
      clean.append(value.substr(at, hit - at));
      clean.append(placeholder);
      at = hit + secret.size();
    }
    clean.append(value.substr(at));
    variable.value = std::move(clean);
    names.push_back(variable.name);
  }
  return names;
}

SecretBuffer EnvBlock::encode() const {
  SecretBuffer out;
  for (const Variable& variable : variables_) {
    out.append(variable.name);
    out.push_back('=');
    out.append(variable.value.view());
    out.push_back('\0');
  }
  return out;
}

Placeholders make_placeholders(const vault::PolicySnapshot& snapshot) {
  Placeholders placeholders;
  for (const vault::Service& service : snapshot.matcher.services()) {
    for (const auto& [variable, key] : service.env) {
      if (service.enabled && snapshot.credentials.contains(key) && !placeholders.contains(key)) {
        placeholders.emplace(key, vault::placeholder_for(service, key));
      }
    }
  }
  for (const auto& [key, credential] : snapshot.credentials) {
    if (!placeholders.contains(key)) {
      placeholders.emplace(key, vault::make_placeholder({}));
    }
  }
  return placeholders;
}

vault::PlaceholderIndex index_of(const Placeholders& placeholders) {
  std::vector<std::pair<std::string, std::string>> list;
  for (const auto& [key, text] : placeholders) {
    list.emplace_back(text, key);
  }
  return vault::PlaceholderIndex(std::move(list));
}

const std::string* placeholder_in(const vault::PolicySnapshot& snapshot,
                                  const Placeholders& placeholders, const std::string& variable) {
  for (const vault::Service& service : snapshot.matcher.services()) {
    const auto entry = service.env.find(variable);
    if (service.enabled && entry != service.env.end()) {
      const auto found = placeholders.find(entry->second);
      return found == placeholders.end() ? nullptr : &found->second;
    }
  }
  return nullptr;
}

Status replace_secrets(EnvBlock& env, const vault::PolicySnapshot& snapshot,
                       const vault::KeyRing& key_ring, const Placeholders& placeholders) {
  for (const auto& [key, credential] : snapshot.credentials) {
    if (!credential.sources.empty()) {
      continue;  // nobody here knows it
    }
    AV_TRY(const Secret value,
           key_ring.open({snapshot.vault_uid, "credential", key, credential.version},
                         credential.sealed));
    value.reveal(
        [&](std::string_view bytes) { env.replace_everywhere(bytes, placeholders.at(key)); });
  }
  replace_named(env, snapshot, placeholders);
  return {};
}

void replace_named(EnvBlock& env, const vault::PolicySnapshot& snapshot,
                   const Placeholders& placeholders) {
  for (const auto& [key, credential] : snapshot.credentials) {
    if (env.get(key)) {
      env.set(key, placeholders.at(key));
    }
  }
  for (const vault::Service& service : snapshot.matcher.services()) {
    if (!service.enabled) {
      continue;
    }
    for (const auto& [variable, key] : service.env) {
      const auto placeholder = placeholders.find(key);
      if (placeholder == placeholders.end()) {
        env.unset(variable);
      } else {
        env.set(variable, placeholder->second);
      }
    }
  }
}

void add_proxy_access(EnvBlock& env, const ProxyAccess& access) {
  for (const char* name : kRemoved) {
    env.unset(name);
  }
  const std::string address = "http://127.0.0.1:" + std::to_string(access.port);
  SecretBuffer proxy;
  proxy.append("http://");
  proxy.append(access.token);
  proxy.append(":" + access.vault + "@127.0.0.1:" + std::to_string(access.port));
  for (const char* name :
       {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"}) {
    env.set(name, proxy.view());
  }
  const std::string no_proxy = merged_no_proxy(env);
  env.set("NO_PROXY", no_proxy);
  env.set("no_proxy", no_proxy);
  env.set("AGENT_VAULT_ADDR", address);
  env.set("AGENT_VAULT_PROXY", proxy.view());
  access.token.reveal([&](std::string_view token) { env.set("AGENT_VAULT_TOKEN", token); });
  env.set("AGENT_VAULT_VAULT", access.vault);
  env.set("AGENT_VAULT_RUN", access.run_id);
  for (const char* name : kBundleVariables) {
    env.set(name, access.bundle);
  }
  env.set("NODE_USE_ENV_PROXY", "1");
  // git asks the proxy without credentials first unless it knows the method.
  env.set_default("GIT_HTTP_PROXY_AUTHMETHOD", "basic");
  env.set_default("GIT_TERMINAL_PROMPT", "0");
  if (!access.trust_store.empty()) {
    add_java(env, access);
  }
}

const std::set<std::string>& bundle_variables() {
  static const std::set<std::string> kNames(kBundleVariables.begin(), kBundleVariables.end());
  return kNames;
}

bool is_on_path(std::string_view program, std::string_view path) {
  while (!path.empty()) {
    const std::size_t colon = path.find(':');
    const std::string candidate = std::string(path.substr(0, colon)) + "/" + std::string(program);
    path.remove_prefix(colon == std::string_view::npos ? path.size() : colon + 1);
    if (candidate.front() == '/' && ::access(candidate.c_str(), X_OK) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace av::cmd
