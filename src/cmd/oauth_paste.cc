// `oauth paste`: tokens that somebody has already.

#include <utility>

#include "cmd/cli.h"
#include "cmd/duration.h"
#include "cmd/oauth_cmd.h"
#include "cmd/oauth_flow.h"
#include "cmd/oauth_options.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/term.h"
#include "vault/json_view.h"
#include "vault/names.h"

namespace av::cmd {
namespace {

struct PasteWords {
  ClientWords client;
  std::string key;
  std::string expires_in;
  bool from_stdin = false;
};

struct Pasted {
  Secret access_token;
  Secret refresh_token;
  std::int64_t expires_in_s = 0;
};

Expected<Pasted> read_json_tokens(const Secret& text) {
  return text.reveal([](std::string_view bytes) -> Expected<Pasted> {
    AV_TRY(const vault::JsonDocument document, vault::JsonDocument::parse(bytes));
    Pasted out;
    for (const vault::JsonView& member : document.root().children()) {
      const std::string name = member.name();
      if (name == "access_token") {
        AV_TRY(out.access_token, member.secret());
      } else if (name == "refresh_token") {
        AV_TRY(out.refresh_token, member.secret());
      } else if (name == "expires_in") {
        out.expires_in_s = member.integer().value_or(0);
      }
    }
    return out;
  });
}

Expected<Pasted> read_tokens(const PasteWords& words) {
  Pasted out;
  if (words.from_stdin) {
    AV_TRY(const Secret text, fs::read_secret_fd(STDIN_FILENO, 256 << 10));
    auto parsed = read_json_tokens(text);
    if (!parsed) {
      parsed.error().hint =
          R"(standard input holds {"access_token": "...", "refresh_token": "..."})";
      return parsed.error();
    }
    out = std::move(*parsed);
  } else {
    AV_TRY(out.access_token, read_hidden("access token (empty: have one made): "));
    AV_TRY(out.refresh_token, read_hidden("refresh token (empty: there is none): "));
  }
  if (!words.expires_in.empty()) {
    AV_TRY(const Millis lifetime, parse_duration(words.expires_in));
    out.expires_in_s = lifetime.count() / 1000;
  }
  if (out.access_token.empty() && out.refresh_token.empty()) {
    return make_error(ErrorCode::kUsage, "neither an access token nor a refresh token was given");
  }
  return out;
}

// A refresh token is used at once: what does not work now must not be found out by an agent.
Expected<oauth::Tokens> proven_tokens(oauth::HttpPort& http, const vault::OauthClient& client,
                                      vault::OauthSecrets& secrets) {
  auto tokens = refreshed_tokens(http, client, secrets);
  if (!tokens) {
    tokens.error().message = "the refresh token was tried and not taken: " + tokens.error().message;
    return tokens.error();
  }
  return tokens;
}

Expected<int> paste(Context& context, const PasteWords& words) {
  AV_CHECK(vault::check_credential_key(words.key));
  AV_TRY(const std::string vault, context.vault_name());
  AV_CHECK(context.store->get_vault(vault));
  AV_TRY(const auto http, provider_http(context, words.client.reach));
  const bool says_who = !words.client.provider.empty() || !words.client.url.empty() ||
                        !words.client.token_url.empty() ||
                        context.store->get_oauth(vault, words.key).has_value();
  ChosenClient chosen;
  if (says_who) {
    AV_TRY(chosen, choose_client(context, *http, words.client, vault, words.key));
  }
  if (!vault::mints(chosen.client.flow)) {
    chosen.client.flow = vault::OauthFlow::kPasted;
  }
  AV_TRY(Pasted pasted, read_tokens(words));
  const bool renews = !pasted.refresh_token.empty();
  if (renews) {
    if (chosen.client.token_url.empty() || chosen.client.client_id.empty()) {
      return usage_error("a refresh token needs to know where it is used, and by whom",
                         "--provider NAME or --token-url URL, and --client-id ID");
    }
    AV_CHECK(complete_secret(words.client, chosen));
    AV_CHECK(vault::check_oauth_client(chosen.client));
    chosen.secrets.refresh_token = std::move(pasted.refresh_token);
  } else {
    chosen.secrets.refresh_token = Secret();
    notice(context, "without a refresh token it cannot be renewed when it ends");
  }
  const auto get = [&]() -> Expected<oauth::Tokens> {
    if (renews) {
      return proven_tokens(*http, chosen.client, chosen.secrets);
    }
    oauth::Tokens tokens;
    tokens.access_token = std::move(pasted.access_token);
    tokens.expires_in_s = pasted.expires_in_s;
    return tokens;
  };
  const NewConnection wanted{vault, words.key, "paste", chosen.hosts};
  return connect_and_store(context, wanted, chosen, get);
}

}  // namespace

Run setup_oauth_paste(OptionSet& app) {
  const auto words = std::make_shared<PasteWords>();
  app.add_option("KEY", words->key, "name of the credential")->required();
  add_client_options(app, words->client);
  app.add_flag("--stdin", words->from_stdin, "read the tokens as JSON from standard input");
  app.add_option("--expires-in", words->expires_in, "how long the access token is good: 1h, 30d")
      ->type_name("DURATION");
  app.footer(
      "A refresh token is tried at once and kept only if the provider takes it. Most providers\n"
      "then replace it: whoever had it before has a void one.");
  return [words](Context& context) { return paste(context, *words); };
}

}  // namespace av::cmd
