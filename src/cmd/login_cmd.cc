// login, logout, whoami: who one is to a `serve` elsewhere.

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "api/json_view.h"
#include "cmd/cli.h"
#include "cmd/given_secret.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/remote.h"
#include "cmd/remote_json.h"
#include "cmd/term.h"
#include "core/encoding.h"
#include "vault/password.h"
#include "vault/user.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

struct LoginOptions {
  std::string address;
  std::string email;
  std::string label;
  std::string ca;
  bool from_stdin = false;
  bool allow_cleartext = false;
};

std::string this_machine() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// --address, else AGENT_VAULT_ADDR.
Expected<HttpUrl> address_of(Context& context, const std::string& given) {
  const char* const set = std::getenv("AGENT_VAULT_ADDR");
  const std::string text = !given.empty() ? given : set == nullptr ? "" : set;
  if (text.empty()) {
    return usage_error("which server?", "agent-vault login --address https://vault.example.org");
  }
  return server_url(context, text);
}

Expected<std::string> ask_email(const std::string& given) {
  std::string typed = given;
  if (typed.empty()) {
    AV_TRY(const std::optional<std::string> line, ask_line("e-mail address: "));
    typed = line.value_or("");
  }
  return vault::canonical_email(typed);
}

Expected<Secret> ask_password(const LoginOptions& options, const std::string& what) {
  Expected<Secret> password = Secret();
  if (options.from_stdin) {
    password = fs::read_secret_fd(STDIN_FILENO, 4 * vault::kMaxPassword);
    if (password) {
      drop_final_newline(*password);
    }
  } else {
    password = read_hidden(what);
    if (!password && password.error().hint.empty()) {
      password.error().hint = "pipe it in with --password-stdin";
    }
  }
  return password;
}

// The old session of the same server, best effort: one who signs in anew need not keep it.
void end_old(const HttpUrl& url, const std::vector<std::string>& ca_files, const Secret& token) {
  if (auto client = ApiClient::create(url, ca_files, token)) {
    (void)client->send("POST", "/v1/auth/logout");
  }
}

Expected<int> login(Context& context, const LoginOptions& options) {
  context.allow_cleartext = options.allow_cleartext;
  AV_TRY(const HttpUrl url, address_of(context, options.address));
  const ServerFiles files(context.paths, url);
  const char* const set = std::getenv("AGENT_VAULT_CA");
  const std::string ca = !options.ca.empty() ? options.ca : set == nullptr ? "" : set;
  std::vector<std::string> ca_files;
  if (!ca.empty()) {
    ca_files.push_back(ca);
  } else if (const std::string kept = files.roots_file(); !kept.empty()) {
    ca_files.push_back(kept);
  }
  AV_TRY(ApiClient nobody, ApiClient::create(url, ca_files, Secret()));
  // Before anybody types a password: is it there, and is it what it says?
  AV_CHECK(remote_json::ask(nobody, "GET", "/v1/status"));
  AV_TRY(const std::string email, ask_email(options.email));
  AV_TRY(const Secret password,
         ask_password(options, "password of " + email + " at " + url.text() + ": "));
  SecretBuffer body;
  body.append("{\"email\":\"" + encoding::json_escaped(email) + "\",\"device_label\":\"" +
              encoding::json_escaped(options.label.empty() ? this_machine() : options.label) +
              "\",\"password\":\"");
  password.reveal([&](std::string_view bytes) { encoding::append_json_escaped(body, bytes); });
  body.append("\"}");
  AV_TRY(const HttpReply reply, nobody.exchange("POST", "/v1/auth/login", body.view()));
  AV_TRY(const api::JsonDocument document, api::JsonDocument::parse(reply.body.view()));
  const auto token = document.root().find("token");
  const auto expires = document.root().find("expires_at");
  if (!token) {
    return make_error(ErrorCode::kNetwork, "the answer of agent-vault has no token");
  }
  ServerFiles::Login fresh;
  AV_TRY(fresh.token, token->secret());
  fresh.email = email;
  fresh.expires = expires ? encoding::printable(expires->text()) : "";
  auto old = files.login();
  if (!ca.empty()) {
    AV_TRY(const std::string roots, fs::read_file(ca, std::size_t{1} << 20));
    AV_CHECK(files.keep_roots(roots));
  }
  AV_CHECK(files.keep_login(fresh));
  if (old && *old) {
    end_old(url, ca_files, (*old)->token);
  }
  if (context.json) {
    print(
        context.out,
        Json{{"address", url.text()}, {"email", email}, {"expires", fresh.expires}}.dump() + "\n");
    return 0;
  }
  notice(context, "signed in to " + url.text() + " as " + email);
  if (const char* const address = std::getenv("AGENT_VAULT_ADDR");
      address == nullptr || *address == '\0') {
    notice(context, "commands use it with: export AGENT_VAULT_ADDR=" + url.text());
  }
  return 0;
}

Expected<int> logout(Context& context, const LoginOptions& options) {
  context.allow_cleartext = true;  // to be rid of a token
  AV_TRY(const HttpUrl url, address_of(context, options.address));
  const ServerFiles files(context.paths, url);
  AV_TRY(const auto known, files.login());
  if (!known) {
    return make_error(ErrorCode::kNotFound, "nobody is signed in to " + url.text());
  }
  std::vector<std::string> ca_files;
  if (const std::string kept = files.roots_file(); !kept.empty()) {
    ca_files.push_back(kept);
  }
  auto client = ApiClient::create(url, ca_files, known->token);
  const auto ended =
      client ? client->send("POST", "/v1/auth/logout") : Expected<std::string>(client.error());
  AV_CHECK(files.forget_login());
  if (!ended && ended.error().code != ErrorCode::kNotPermitted) {
    warn(context, "the token is gone from here, and holds at the server until " + known->expires +
                      ": " + ended.error().message);
  }
  if (context.json) {
    print(context.out, Json{{"address", url.text()}, {"signed_out", true}}.dump() + "\n");
  } else {
    notice(context, "signed out of " + url.text());
  }
  return 0;
}

Expected<int> whoami(Context& context, const std::string& address) {
  context.address = address;
  AV_TRY(const auto remote, find_remote(context));
  if (!remote) {
    if (context.json) {
      print(context.out,
            Json{{"address", nullptr}, {"store", context.paths.data.string()}}.dump() + "\n");
    } else {
      print(context.out, "store   " + context.paths.data.string() + "\n");
      notice(context, "of this machine; for a server: agent-vault login, and AGENT_VAULT_ADDR");
    }
    return 0;
  }
  AV_TRY(ApiClient api, ApiClient::create(*remote));
  AV_TRY(const nlohmann::json me, remote_json::ask(api, "GET", "/v1/auth/me"));
  const auto text = [&](const char* name) {
    return encoding::printable(remote_json::text(me, name));
  };
  const bool person = text("type") == "user";
  const std::string name = person ? text("email") : text("agent_name");
  if (context.json) {
    Json out = {{"address", remote->url.text()},
                {"type", text("type")},
                {person ? "email" : "agent", name},
                {"role", text("role")},
                {"token_from", remote->token_from}};
    if (!text("vault").empty()) {
      out["vault"] = text("vault");
    }
    print(context.out, out.dump() + "\n");
    return 0;
  }
  const auto line = [&](const char* label, const std::string& value) {
    if (!value.empty()) {
      print(context.out, std::string(label) + value + "\n");
    }
  };
  line("server  ", remote->url.text());
  line(person ? "person  " : "agent   ", name.empty() ? "none" : name);
  line("role    ", text("role"));
  line("vault   ", text("vault"));
  line("token   ", remote->token_from);
  return 0;
}

std::shared_ptr<LoginOptions> address_option(OptionSet& app) {
  auto options = std::make_shared<LoginOptions>();
  app.add_option("--address", options->address, "where the server is (default: AGENT_VAULT_ADDR)")
      ->type_name("URL");
  return options;
}

Run setup_login(OptionSet& app) {
  const auto options = address_option(app);
  app.add_option("--email", options->email, "whose account; asked for when not given")
      ->type_name("EMAIL");
  app.add_flag("--password-stdin", options->from_stdin, "read the password from standard input");
  app.add_option("--device-label", options->label,
                 "how the list of sessions calls this machine (default: its name)")
      ->type_name("TEXT");
  app.add_option("--ca", options->ca,
                 "trust the roots in this PEM file too, now and with this login (default: "
                 "AGENT_VAULT_CA)")
      ->type_name("FILE");
  app.add_flag("--allow-cleartext", options->allow_cleartext,
               "let password and token go in clear to a server on another machine");
  return [options](Context& context) { return login(context, *options); };
}

Run setup_logout(OptionSet& app) {
  const auto options = address_option(app);
  return [options](Context& context) { return logout(context, *options); };
}

Run setup_whoami(OptionSet& app) {
  const auto options = address_option(app);
  return [options](Context& context) { return whoami(context, options->address); };
}

}  // namespace

std::span<const Command> login_commands() {
  static constexpr std::array<Command, 3> kCommands = {{
      {"login", "sign in to a server on another machine", Needs::kNothing, setup_login, true},
      {"logout", "sign out of it", Needs::kNothing, setup_logout, true},
      {"whoami", "which store or server commands use, and as whom", Needs::kNothing, setup_whoami,
       false},
  }};
  return kCommands;
}

}  // namespace av::cmd
