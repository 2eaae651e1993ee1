#include "cmd/oauth_flow.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <thread>
#include <utility>

#include "cmd/output.h"
#include "cmd/term.h"
#include "core/encoding.h"
#include "oauth/authorization.h"
#include "oauth/mix_up.h"

namespace av::cmd {
namespace {

using oauth::TokenFailure;
using oauth::Tokens;

constexpr std::int64_t kMostDeviceWaitS = 30 * 60;

bool has(const char* variable) {
  const char* const value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

// The user's own choice, else the desktop's. Never through a shell: the URL is a word of its own.
bool open_browser(const std::string& url) {
  std::string program;
  if (has("BROWSER")) {
    program = std::getenv("BROWSER");
    program = program.substr(0, program.find(':'));  // a list: the first
  } else if (has("DISPLAY") || has("WAYLAND_DISPLAY")) {
    program = "xdg-open";
  }
  if (program.empty() || program.find_first_of(" \t%") != std::string::npos) {
    return false;
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  }
  std::string address = url;
  std::array<char*, 3> argv{program.data(), address.data(), nullptr};
  pid_t child = 0;
  const int failed =
      ::posix_spawnp(&child, program.c_str(), &actions, nullptr, argv.data(), ::environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed == 0) {
    std::thread([child] { ::waitpid(child, nullptr, 0); }).detach();
  }
  return failed == 0;
}

void invite(Context& context, const std::string& url, bool opened) {
  notice(context, opened ? "opening your browser; if nothing happens, go to:"
                         : "to connect, open this address in a browser:");
  print(context.err, "  " + url + "\n");
}

// The code that came back, or why not; `pasted` by hand, else by the browser.
Expected<Secret> wait_for_redirect(RedirectListener& listener, const vault::OauthClient& client,
                                   const oauth::CodeAttempt& attempt) {
  Expected<Secret> code = make_error(ErrorCode::kNetwork, "no answer");
  const auto take = [&](std::string_view query, RedirectListener::Page& page) {
    Expected<Secret> found = oauth::code_from_redirect(client, attempt, query);
    if (!found && found.error().code != ErrorCode::kConflict) {
      // Not the provider's answer to this attempt: whoever sent it does not end the waiting.
      page.heading = "This is not the answer that agent-vault waits for";
      page.words = "Nothing was connected. Go back to the page of the provider, or start anew.";
      return false;
    }
    code = std::move(found);
    page.good = code.has_value();
    page.heading = code ? "Almost there" : "The provider said no";
    page.words = code ? "You can close this window and go back to the terminal."
                      : code.error().message + ". You can close this window.";
    return true;
  };
  AV_CHECK(listener.wait(Millis(oauth::CodeAttempt::kAttemptMs), -1, take));
  return code;
}

Expected<Secret> paste_redirect(const vault::OauthClient& client,
                                const oauth::CodeAttempt& attempt) {
  AV_TRY(const std::optional<std::string> line,
         ask_line("paste the address at which the browser ended (its page may not load): "));
  if (!line || line->empty()) {
    return make_error(ErrorCode::kUsage, "no address was given");
  }
  return oauth::code_from_redirect(client, attempt, *line);
}

Expected<Tokens> or_error(oauth::TokenResult result) {
  if (!result) {
    return error_of(result.error());
  }
  return std::move(*result);
}

}  // namespace

Error error_of(const TokenFailure& failure) {
  const std::string message = oauth::words_of(failure);
  switch (failure.kind) {
    case TokenFailure::Kind::kUnreachable:
      return make_error(ErrorCode::kNetwork, message,
                        "see --resolve, --upstream-ca, --upstream-proxy and --allow-net for how "
                        "the provider is reached");
    case TokenFailure::Kind::kTransient:
      return make_error(ErrorCode::kNetwork, message, "try again in a moment");
    case TokenFailure::Kind::kPermanent:
      return make_error(ErrorCode::kNotPermitted, message,
                        "the token is not good any more, or not for this client");
    case TokenFailure::Kind::kClient:
      if (failure.code == "not_permitted") {
        return make_error(ErrorCode::kNotPermitted, failure.message,
                          "for a provider in your own network: --allow-net CIDR");
      }
      return make_error(
          ErrorCode::kNotPermitted, message,
          "look at the client id, the secret and the scopes, as the provider has them");
    case TokenFailure::Kind::kPending:
    case TokenFailure::Kind::kSlowDown:
      break;
  }
  return make_error(ErrorCode::kNetwork, message);
}

Expected<Tokens> tokens_by_browser(Context& context, oauth::HttpPort& http,
                                   const vault::OauthClient& client,
                                   const vault::OauthSecrets& secrets, RedirectListener& listener,
                                   BrowserChoice browser) {
  AV_TRY(const oauth::CodeAttempt attempt, oauth::begin_code(client, listener.redirect_uri()));
  if (browser.open) {
    AV_TRY(const std::string begin, listener.send_on(attempt.url));
    invite(context, begin, open_browser(begin));
  } else {
    invite(context, attempt.url, /*opened=*/false);
  }
  AV_TRY(const Secret code, browser.open ? wait_for_redirect(listener, client, attempt)
                                         : paste_redirect(client, attempt));
  oauth::TokenEndpoint endpoint(http, client, secrets);
  oauth::TokenResult tokens = code.reveal([&](std::string_view bytes) {
    return endpoint.exchange_code(bytes, attempt.redirect_uri, attempt.verifier);
  });
  return or_error(std::move(tokens));
}

Expected<Tokens> tokens_by_device(Context& context, oauth::HttpPort& http,
                                  const vault::OauthClient& client,
                                  const vault::OauthSecrets& secrets, BrowserChoice browser) {
  auto begun = oauth::begin_device(http, client, secrets);
  if (!begun) {
    return error_of(begun.error());
  }
  const std::string address = begun->verification_uri_complete.empty()
                                  ? begun->verification_uri
                                  : begun->verification_uri_complete;
  if (const std::string host = vault::host_of_url(address);
      oauth::site_of(host) != oauth::site_of(vault::host_of_url(client.device_url))) {
    // Somebody may have asked another provider for this code, to be let in there.
    notice(context, "you sign in at " + host + "; what comes of it goes to " +
                        vault::host_of_url(client.token_url));
  }
  invite(context, encoding::printable(address), browser.open && open_browser(address));
  notice(context, "and enter this code, if it is not there already: " +
                      encoding::printable(begun->user_code));
  oauth::TokenEndpoint endpoint(http, client, secrets);
  std::int64_t interval = std::clamp<std::int64_t>(begun->interval_s, 1, 60);
  const auto give_up = context.clock->steady() + std::chrono::seconds(std::clamp<std::int64_t>(
                                                     begun->expires_in_s, 60, kMostDeviceWaitS));
  while (context.clock->steady() < give_up) {
    std::this_thread::sleep_for(std::chrono::seconds(interval));
    oauth::TokenResult tokens = endpoint.poll_device(begun->device_code);
    if (tokens) {
      return std::move(*tokens);
    }
    switch (tokens.error().kind) {
      case TokenFailure::Kind::kSlowDown:
        interval = std::min<std::int64_t>(interval + 5, 60);  // RFC 8628 section 3.5
        break;
      case TokenFailure::Kind::kPending:
      case TokenFailure::Kind::kUnreachable:
      case TokenFailure::Kind::kTransient:
        break;
      case TokenFailure::Kind::kPermanent:
      case TokenFailure::Kind::kClient:
        return error_of(tokens.error());
    }
  }
  return make_error(ErrorCode::kNetwork, "nobody entered the code in time", "try again");
}

Expected<Tokens> minted_tokens(Context& context, oauth::HttpPort& http,
                               const vault::OauthClient& client,
                               const vault::OauthSecrets& secrets) {
  oauth::TokenEndpoint endpoint(http, client, secrets);
  oauth::TokenResult tokens = endpoint.mint(context.clock->wall_ms() / 1000);
  return or_error(std::move(tokens));
}

Expected<Tokens> refreshed_tokens(oauth::HttpPort& http, const vault::OauthClient& client,
                                  const vault::OauthSecrets& secrets) {
  oauth::TokenEndpoint endpoint(http, client, secrets);
  oauth::TokenResult tokens = endpoint.refresh();
  return or_error(std::move(tokens));
}

}  // namespace av::cmd
