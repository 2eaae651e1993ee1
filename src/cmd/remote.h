#pragma once
// Remote: the `serve` that commands speak to in place of the store of this machine. Where it is,
// who we are to it, and what it showed when we first met. AGENT_VAULT_ADDR names it; inside a run
// the same variable names the run's own broker, which is nothing to manage a store by.
//
// Kept for each server under the data directory, so that a run's isolation hides it with the store:
// servers/URL/login (token, 0600), roots.pem (what its certificate is under), authority.pem (the
// authority of its proxy).

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/command.h"
#include "cmd/http_client.h"

namespace av::cmd {

struct Remote {
  HttpUrl url;  // its path without a slash at the end
  Secret token;
  std::string token_from;  // in words: where it was found
  std::vector<std::string> ca_files;
  bool cleartext = false;  // http:// to another machine, which somebody has asked for
  // Files with a token that do not lie in the data directory: not for the command of a run.
  std::vector<std::filesystem::path> token_files;
};

// Whether commands speak to a server. False with --local, without an address, and inside a run.
// Touches nothing secret.
[[nodiscard]] bool is_remote(const Context& context);

// The server that is named, with what opens it: AGENT_VAULT_TOKEN, the file in
// AGENT_VAULT_TOKEN_FILE, or what `agent-vault login` has kept. Nothing when no address is set or
// --local is given. kUsage: nobody is signed in; or in clear to another machine.
[[nodiscard]] Expected<std::optional<Remote>> find_remote(const Context& context);

// An address with the one rule about clear text: http:// only on this machine, or where somebody
// who knows says so.
[[nodiscard]] Expected<HttpUrl> server_url(const Context& context, std::string_view text);

// What is kept of one server.
class ServerFiles {
 public:
  ServerFiles(const fs::Paths& paths, const HttpUrl& url);

  struct Login {
    std::string email;
    std::string expires;  // RFC 3339
    Secret token;
  };
  // Nothing when nobody is signed in.
  [[nodiscard]] Expected<std::optional<Login>> login() const;
  [[nodiscard]] Status keep_login(const Login& login) const;
  // False: there was none.
  [[nodiscard]] Expected<bool> forget_login() const;

  // Empty when there are none.
  [[nodiscard]] std::string roots_file() const;
  [[nodiscard]] Status keep_roots(std::string_view pem) const;

  [[nodiscard]] Expected<std::string> authority() const;  // "" when it is not known yet
  [[nodiscard]] Status keep_authority(std::string_view pem) const;

 private:
  [[nodiscard]] Status write(const char* name, std::string_view bytes) const;
  std::filesystem::path data_;
  std::filesystem::path directory_;
  std::string url_;
};

}  // namespace av::cmd
