#pragma once
// Ports: what a provider needs of the world. All may be called from several threads.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/expected.h"
#include "core/secret.h"
#include "source/provider.h"
#include "vault/external.h"

namespace av::source {

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // absolute http(s), without a secret in it
  // Whole lines with CRLF ("X-Vault-Token: ...\r\n"); Host, Content-Length, Connection and
  // User-Agent are the port's.
  SecretBuffer fields;
  SecretBuffer body;
};
struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::string retry_after;
  Secret body;  // at most kMostBody; a longer one is an error of the port
};
inline constexpr std::size_t kMostBody = std::size_t{1} << 20;

// Verifies certificates (against the setting `ca` as well, when the store has one), resolves once
// and checks every address (private ones only with the setting `allow_net`), follows no redirect,
// uses no proxy of the environment, gives up after 15 s.
class Http {
 public:
  virtual ~Http() = default;
  // kUnreachable, kTimeout, kRefused (its address), kMalformed (not HTTP, or too long).
  virtual Result<HttpAnswer> send(const HttpRequest& request) = 0;
};

// A WebSocket (RFC 6455), text messages only; over the same connections as Http's.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  virtual Result<void> send(std::string_view text) = 0;
  // The next whole text message; kTimeout when none came; at most kMostBody. Pings are answered
  // inside.
  virtual Result<SecretBuffer> receive(std::int64_t timeout_ms) = 0;
};
class WebSockets {
 public:
  virtual ~WebSockets() = default;
  virtual Result<std::unique_ptr<WebSocket>> open(const std::string& url) = 0;  // wss:// or ws://
};

struct Command {
  std::string program;                 // absolute path
  std::vector<std::string> arguments;  // without the program; no secret among them
  // Beside PATH, HOME, LANG, XDG_*, TMPDIR, DBUS_SESSION_BUS_ADDRESS and DISPLAY of this process:
  // of that child only.
  std::vector<std::pair<std::string, Secret>> environment;
  SecretBuffer input;
  std::int64_t timeout_ms = 15'000;
  std::size_t most_output = std::size_t{256} << 10;
  // SHA-256 (hex) that the program had when it was paired; empty: it belongs to root, and is not
  // looked at.
  std::string digest;
};
struct CommandOutcome {
  int exit_code = 0;  // 128 + signal for one that was killed
  Secret output;
  std::string errors;  // standard error, at most 4 KiB; may quote anything: see excerpt()
};
// Runs a program without a shell, in a process group of its own that is killed as a whole at the
// end.
class Processes {
 public:
  virtual ~Processes() = default;
  // kUnreachable: not there, or cannot be run. kTimeout. kRefused: its digest is another.
  // kMalformed: more output than allowed.
  virtual Result<CommandOutcome> run(const Command& command) = 0;
};

struct Ports {
  Http* http = nullptr;
  WebSockets* websockets = nullptr;
  Processes* processes = nullptr;
  const Clock* clock = nullptr;
  // Replaces the secrets of this store, on disk when it returns.
  std::function<Status(const vault::StoreSecrets&)> keep;
  // Directories and files that no store may lead into: those of this program.
  std::vector<std::filesystem::path> closed = {};
};

}  // namespace av::source
