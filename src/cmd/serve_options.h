#pragma once
// What `serve` was asked for, on the command line and in table [serve] of the user's config file.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "api/options.h"
#include "cmd/run_options.h"

namespace av::cmd {

// As written, before anything is checked. Empty or 0: not given.
struct ServeWords {
  RunWords traffic;
  std::string host;
  std::uint64_t port = 0;
  std::string proxy_host;
  std::uint64_t proxy_port = 0;
  std::string base_url;
  std::string tls_cert;
  std::string tls_key;
  std::string grace;
  std::vector<std::string> cors_origins;
  bool tls = false;
  bool plain_http = false;
  bool any_port = false;
};
void add_serve_options(OptionSet& app, ServeWords& words);

struct ServeOptions {
  RunOptions traffic;
  std::string host = "127.0.0.1";  // of the API; an address, or localhost
  std::uint16_t port = 14321;      // 0: any
  std::string proxy_host = "127.0.0.1";
  std::uint16_t proxy_port = 14322;
  std::string base_url;  // how people reach it, without a slash at the end; empty: by host and port
  bool tls = false;      // of the API
  std::string tls_cert;  // empty with `tls`: a certificate of the store's own authority
  std::string tls_key;
  std::optional<api::SignInOptions> sign_in;
  std::vector<std::string> cors_origins;  // whose pages may read what the API answers
  Millis grace{20'000};                   // for requests that are under way when it is told to end
};
// kUsage where tokens and passwords would travel in clear over a network.
[[nodiscard]] Expected<ServeOptions> resolve_serve_options(const ServeWords& words,
                                                           const std::filesystem::path& config_file,
                                                           const EnvLookup& env);

}  // namespace av::cmd
