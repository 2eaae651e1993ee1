#include "cmd/serve_options.h"

#include <toml++/toml.h>

#include "api/cors.h"
#include "cmd/duration.h"
#include "cmd/option_set.h"
#include "cmd/serve_oidc.h"
#include "core/fs.h"
#include "proxy/net_guard.h"

namespace av::cmd {
namespace {

constexpr std::uint64_t kAnyPort = 65536;  // in ServeWords: --port 0 was given

Error config_error(const std::filesystem::path& file, const std::string& what) {
  return make_error(ErrorCode::kInvalid, file.string() + ": " + what,
                    "see agent-vault-serve(1) for the keys of [serve]");
}

// cors_origins = ["https://app.example.org"]; those of the command line count as well.
Status take_origins(const toml::table& serve, const std::filesystem::path& file,
                    std::vector<std::string>& target) {
  const toml::node* const node = serve.get("cors_origins");
  if (node == nullptr) {
    return {};
  }
  const toml::array* const list = node->as_array();
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const auto origin = list->get(i)->value<std::string>();
    if (!origin) {
      return config_error(file, "serve.cors_origins is not a list of texts");
    }
    target.push_back(*origin);
  }
  return list == nullptr ? Status(config_error(file, "serve.cors_origins is not a list of texts"))
                         : Status();
}

// What the command line does not say, from the file.
Status fill_in(ServeWords& words, const std::filesystem::path& file) {
  auto text = fs::read_file(file, std::size_t{1} << 20);
  if (!text) {
    return text.error().code == ErrorCode::kNotFound ? Status() : Status(text.error());
  }
  try {
    const toml::table config = toml::parse(*text);
    const toml::table* const serve = config["serve"].as_table();
    if (serve == nullptr) {
      return {};
    }
    const auto take = [&](const char* key, std::string& target) -> Status {
      const toml::node* const node = serve->get(key);
      if (node == nullptr || !target.empty()) {
        return {};
      }
      const auto value = node->value<std::string>();
      if (!value) {
        return config_error(file, std::string("serve.") + key + " is not text");
      }
      target = *value;
      return {};
    };
    const auto take_port = [&](const char* key, std::uint64_t& target) -> Status {
      const toml::node* const node = serve->get(key);
      if (node == nullptr || target != 0) {
        return {};
      }
      const auto value = node->value<std::int64_t>();
      if (!value || *value < 0 || *value > 65535) {
        return config_error(file, std::string("serve.") + key + " is not a port");
      }
      target = *value == 0 ? kAnyPort : static_cast<std::uint64_t>(*value);
      return {};
    };
    AV_CHECK(take("host", words.host));
    AV_CHECK(take_port("port", words.port));
    AV_CHECK(take("proxy_host", words.proxy_host));
    AV_CHECK(take_port("proxy_port", words.proxy_port));
    AV_CHECK(take("base_url", words.base_url));
    AV_CHECK(take("tls_cert", words.tls_cert));
    AV_CHECK(take("tls_key", words.tls_key));
    AV_CHECK(take("grace", words.grace));
    return take_origins(*serve, file, words.cors_origins);
  } catch (const toml::parse_error& e) {
    return config_error(file, "line " + std::to_string(e.source().begin.line) + ": " +
                                  std::string(e.description()));
  }
}

Expected<std::uint16_t> port_of(std::uint64_t given, std::uint16_t usual) {
  if (given == 0) {
    return usual;
  }
  if (given == kAnyPort) {
    return std::uint16_t{0};
  }
  if (given > 65535) {
    return make_error(ErrorCode::kUsage, "there is no port " + std::to_string(given),
                      "give 1 to 65535, or --any-port");
  }
  return static_cast<std::uint16_t>(given);
}

Expected<std::string> host_of(const std::string& given) {
  if (given.empty() || given == "localhost") {
    return std::string("127.0.0.1");
  }
  if (!proxy::parse_ip(given)) {
    return make_error(ErrorCode::kUsage, "'" + given + "' is not an address",
                      "give one of this machine's, as 127.0.0.1, ::1 or 0.0.0.0");
  }
  return given;
}

Status check_base_url(const std::string& url) {
  const bool good = url.empty() || url.starts_with("http://") || url.starts_with("https://");
  const std::size_t host = url.find("://") + 3;
  if (!good || url.find_first_of("/?#@ \"<>\\", url.empty() ? 0 : host) != std::string::npos) {
    return make_error(ErrorCode::kUsage, "'" + url + "' is not how people reach a server",
                      "give scheme, host and port only: https://vault.example.org");
  }
  return {};
}

}  // namespace

void add_serve_options(OptionSet& app, ServeWords& words) {
  app.add_option("--host", words.host, "address of the API and the pages (default: 127.0.0.1)")
      ->type_name("ADDRESS");
  app.add_option("--port", words.port, "port of the API and the pages (default: 14321)")
      ->type_name("PORT")
      ->positive();
  app.add_option("--proxy-host", words.proxy_host, "address of the proxy (default: as --host)")
      ->type_name("ADDRESS");
  app.add_option("--proxy-port", words.proxy_port, "port of the proxy (default: 14322)")
      ->type_name("PORT")
      ->positive();
  app.add_flag("--any-port", words.any_port,
               "take any free ports; the first lines that are printed name them");
  app.add_option("--base-url", words.base_url, "how people reach the API, for links")
      ->type_name("URL");
  app.add_flag("--tls", words.tls,
               "TLS for the API, with a certificate of the store's own authority");
  app.add_option("--tls-cert", words.tls_cert, "TLS for the API, with this certificate (PEM)")
      ->type_name("FILE");
  app.add_option("--tls-key", words.tls_key, "its private key (PEM)")->type_name("FILE");
  app.add_flag("--plain-http", words.plain_http,
               "permit the API without TLS on a network address: something in front has TLS");
  app.add_option("--grace", words.grace,
                 "how long requests that are under way may go on at the end (default: 20s)")
      ->type_name("DURATION");
  app.add_option("--cors-origin", words.cors_origins,
                 "let pages of this origin read what the API answers to their token; repeatable")
      ->type_name("ORIGIN")
      ->repeatable();
  add_traffic_options(app, words.traffic);
}

Expected<ServeOptions> resolve_serve_options(const ServeWords& command_line,
                                             const std::filesystem::path& config_file,
                                             const EnvLookup& env) {
  ServeWords words = command_line;
  if (words.any_port) {
    words.port = words.port == 0 ? kAnyPort : words.port;
    words.proxy_port = words.proxy_port == 0 ? kAnyPort : words.proxy_port;
  }
  AV_CHECK(fill_in(words, config_file));
  ServeOptions options;
  AV_TRY(options.sign_in, read_sign_in(config_file));
  AV_TRY(options.traffic, resolve_options(words.traffic, config_file, env, ConfigTable::kServe));
  AV_TRY(options.host, host_of(words.host));
  AV_TRY(options.proxy_host, host_of(words.proxy_host.empty() ? words.host : words.proxy_host));
  AV_TRY(options.port, port_of(words.port, options.port));
  AV_TRY(options.proxy_port, port_of(words.proxy_port, options.proxy_port));
  while (words.base_url.ends_with('/')) {
    words.base_url.pop_back();
  }
  AV_CHECK(check_base_url(words.base_url));
  options.base_url = words.base_url;
  if (words.tls_cert.empty() != words.tls_key.empty()) {
    return make_error(ErrorCode::kUsage, "--tls-cert and --tls-key belong together",
                      "give both, or --tls for a certificate of the store's own authority");
  }
  options.tls = words.tls || !words.tls_cert.empty();
  options.tls_cert = words.tls_cert;
  options.tls_key = words.tls_key;
  for (const std::string& origin : words.cors_origins) {
    AV_CHECK(api::check_origin(origin));
  }
  options.cors_origins = words.cors_origins;
  if (!words.grace.empty()) {
    AV_TRY(options.grace, parse_duration(words.grace));
  }
  const auto address = proxy::parse_ip(options.host);
  if (!(address && proxy::is_loopback(*address)) && !options.tls && !words.plain_http) {
    return make_error(ErrorCode::kUsage,
                      "without TLS, passwords and tokens would travel in clear to " + options.host,
                      "add --tls, or --tls-cert and --tls-key; or --plain-http when something in "
                      "front has TLS");
  }
  return options;
}

}  // namespace av::cmd
