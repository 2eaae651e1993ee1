#include "cmd/remote.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "cmd/cli.h"
#include "core/encoding.h"
#include "isolation/run_marker.h"

namespace av::cmd {
namespace {

constexpr const char* kLogin = "login";
constexpr const char* kRoots = "roots.pem";
constexpr const char* kAuthority = "authority.pem";
constexpr std::size_t kMostToken = 4096;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string address_of(const Context& context) {
  return context.address.empty() ? environment("AGENT_VAULT_ADDR") : context.address;
}

bool is_inside_run() {
  return !environment("AGENT_VAULT_RUN").empty() || isolation::surrounding_run().has_value();
}

bool is_token(std::string_view text) {
  return !text.empty() && text.find_first_of("\r\n\t ") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Expected<Secret> token_of_file(const std::string& file) {
  AV_TRY(Secret token, fs::read_secret_file(file, kMostToken));
  const auto kept = token.reveal([](std::string_view bytes) {
    const std::size_t last = bytes.find_last_not_of(" \r\n");
    return last == std::string_view::npos ? std::size_t{0} : last + 1;
  });
  token.truncate(kept);
  return token;
}

Status find_token(const Context& context, Remote& remote) {
  const char* const given = std::getenv("AGENT_VAULT_TOKEN");
  const std::string file = environment("AGENT_VAULT_TOKEN_FILE");
  if (given != nullptr && *given != '\0') {
    AV_TRY(remote.token, Secret::copy_of(std::string_view(given)));
    remote.token_from = "AGENT_VAULT_TOKEN";
  } else if (!file.empty()) {
    AV_TRY(remote.token, token_of_file(file));
    remote.token_from = file;
  } else if (!context.paths.data.empty() && !is_inside_run()) {
    AV_TRY(auto login, ServerFiles(context.paths, remote.url).login());
    if (login) {
      remote.token = std::move(login->token);
      remote.token_from = "the login of " + login->email;
    }
  }
  if (!file.empty()) {
    std::error_code ec;
    const auto path = std::filesystem::canonical(file, ec);
    if (!ec) {
      remote.token_files.push_back(path);
    }
  }
  if (remote.token.empty()) {
    return usage_error("AGENT_VAULT_ADDR is set, and AGENT_VAULT_TOKEN is not",
                       "set both, or sign in: agent-vault login; or --local, to use the store of "
                       "this machine");
  }
  if (!remote.token.reveal(is_token)) {
    return usage_error(remote.token_from + " is not a token");
  }
  return {};
}

}  // namespace

bool is_remote(const Context& context) {
  return !context.local && !address_of(context).empty() && !is_inside_run();
}

Expected<HttpUrl> server_url(const Context& context, std::string_view text) {
  AV_TRY(HttpUrl url, parse_http_url(text, "an agent-vault (AGENT_VAULT_ADDR)"));
  const bool allowed = context.allow_cleartext || environment("AGENT_VAULT_ALLOW_CLEARTEXT") == "1";
  if (!url.tls && !url.is_loopback() && !allowed) {
    return usage_error("AGENT_VAULT_ADDR is http:// and on another machine",
                       "use https://: the token could be read on the way; where nobody can listen, "
                       "AGENT_VAULT_ALLOW_CLEARTEXT=1");
  }
  while (url.path.ends_with('/')) {
    url.path.pop_back();
  }
  return url;
}

Expected<std::optional<Remote>> find_remote(const Context& context) {
  const std::string address = address_of(context);
  if (context.local || address.empty()) {
    return std::optional<Remote>();
  }
  Remote remote;
  AV_TRY(remote.url, server_url(context, address));
  remote.cleartext = !remote.url.tls && !remote.url.is_loopback();
  AV_CHECK(find_token(context, remote));
  if (const std::string file = environment("AGENT_VAULT_CA"); !file.empty()) {
    remote.ca_files.push_back(file);
  }
  if (!context.paths.data.empty()) {
    const std::string kept = ServerFiles(context.paths, remote.url).roots_file();
    if (!kept.empty()) {
      remote.ca_files.push_back(kept);
    }
  }
  return std::optional<Remote>(std::move(remote));
}

ServerFiles::ServerFiles(const fs::Paths& paths, const HttpUrl& url)
    : data_(paths.data), url_(url.text()) {
  while (url_.ends_with('/')) {
    url_.pop_back();
  }
  directory_ = data_ / "servers" / encoding::percent(url_);
}

Status ServerFiles::write(const char* name, std::string_view bytes) const {
  AV_CHECK(fs::make_private_directory(data_));
  AV_CHECK(fs::make_private_directory(data_ / "servers"));
  AV_CHECK(fs::make_private_directory(directory_));
  return fs::replace_file(directory_ / name, bytes);
}

// Lines: URL, address, expiry, token.
Expected<std::optional<ServerFiles::Login>> ServerFiles::login() const {
  const auto file = directory_ / kLogin;
  auto text = fs::read_secret_file(file, 2 * kMostToken);
  if (!text) {
    return text.error().code == ErrorCode::kNotFound
               ? Expected<std::optional<Login>>(std::optional<Login>())
               : text.error();
  }
  return text->reveal([&](std::string_view rest) -> Expected<std::optional<Login>> {
    std::array<std::string_view, 4> lines;
    for (std::string_view& line : lines) {
      const std::size_t end = rest.find('\n');
      if (end == std::string_view::npos) {
        return make_error(ErrorCode::kCorrupt, file.string() + " is damaged",
                          "sign in again: agent-vault login --address " + url_);
      }
      line = rest.substr(0, end);
      rest.remove_prefix(end + 1);
    }
    Login login;
    login.email = lines[1];
    login.expires = lines[2];
    AV_TRY(login.token, Secret::copy_of(lines[3]));
    return std::optional<Login>(std::move(login));
  });
}

Status ServerFiles::keep_login(const Login& login) const {
  SecretBuffer text;
  text.append(url_ + "\n" + login.email + "\n" + login.expires + "\n");
  text.append(login.token);
  text.push_back('\n');
  return write(kLogin, text.view());
}

Expected<bool> ServerFiles::forget_login() const {
  if (::unlink((directory_ / kLogin).c_str()) == 0) {
    return true;
  }
  return errno == ENOENT ? Expected<bool>(false)
                         : errno_error(errno, "cannot remove " + (directory_ / kLogin).string());
}

std::string ServerFiles::roots_file() const {
  const auto file = directory_ / kRoots;
  return ::access(file.c_str(), F_OK) == 0 ? file.string() : std::string();
}

Status ServerFiles::keep_roots(std::string_view pem) const {
  return write(kRoots, pem);
}

Expected<std::string> ServerFiles::authority() const {
  auto text = fs::read_file(directory_ / kAuthority, std::size_t{1} << 16);
  if (!text && text.error().code == ErrorCode::kNotFound) {
    return std::string();
  }
  return text;
}

Status ServerFiles::keep_authority(std::string_view pem) const {
  return write(kAuthority, pem);
}

}  // namespace av::cmd
