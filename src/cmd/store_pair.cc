// `vault store pair`: settings and secrets of one kind, asked for by its table; the store is asked
// whether they are right before anything is kept.

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "api/store_pairing.h"
#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/given_secret.h"
#include "cmd/output.h"
#include "cmd/remote_store.h"
#include "cmd/store_cmd.h"
#include "cmd/term.h"
#include "core/encoding.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostSecret = std::size_t{64} << 10;

struct PairWords {
  std::string kind;
  std::string name;
  std::vector<std::string> set;
  std::vector<std::string> files;
  std::vector<std::string> asked;
  RunWords reach;
};

// "name=rest" of an option; kUsage.
Expected<std::pair<std::string, std::string>> split_word(const std::string& word,
                                                         std::string_view option) {
  const std::size_t at = word.find('=');
  if (at == 0 || at == std::string::npos) {
    return usage_error("--" + std::string(option) + " wants NAME=VALUE");
  }
  return std::pair(word.substr(0, at), word.substr(at + 1));
}

Status take_words(const source::Kind& kind, const PairWords& words, vault::StoreSettings& settings,
                  vault::StoreSecrets& secrets) {
  for (const std::string& word : words.set) {
    AV_TRY(const auto pair, split_word(word, "set"));
    const source::Setting* const setting = api::find_setting(kind, pair.first);
    if (setting == nullptr && !api::is_common_setting(pair.first)) {
      return api::no_such_setting(kind, pair.first);
    }
    if (setting != nullptr && setting->secret) {
      return usage_error("\"" + pair.first + "\" is a secret: it does not belong on a command line",
                         "leave it out to be asked for it, or --set-file " + pair.first + "=FILE");
    }
    settings[pair.first] = pair.second;
  }
  for (const std::string& word : words.files) {
    AV_TRY(const auto pair, split_word(word, "set-file"));
    const source::Setting* const setting = api::find_setting(kind, pair.first);
    if (setting == nullptr && !api::is_common_setting(pair.first)) {
      return api::no_such_setting(kind, pair.first);
    }
    AV_TRY(Secret value, pair.second == "-" ? fs::read_secret_fd(STDIN_FILENO, kMostSecret)
                                            : fs::read_secret_file(pair.second, kMostSecret));
    drop_final_newlines(value);
    if (setting != nullptr && setting->secret) {
      secrets[pair.first] = std::move(value);
    } else {
      value.reveal([&](std::string_view text) { settings[pair.first] = text; });
    }
  }
  return {};
}

// What was not given: from the environment, from the fallback, from the person.
Status take_rest(const source::Kind& kind, const PairWords& words, vault::StoreSettings& settings,
                 vault::StoreSecrets& secrets) {
  for (const source::Setting& setting : kind.settings) {
    const std::string name(setting.name);
    if (settings.count(name) != 0 || secrets.count(name) != 0) {
      continue;
    }
    const char* const from_environment =
        setting.variable.empty() ? nullptr : std::getenv(std::string(setting.variable).c_str());
    const bool given = from_environment != nullptr && *from_environment != '\0';
    const bool asks = setting.required ||
                      std::find(words.asked.begin(), words.asked.end(), name) != words.asked.end();
    if (!setting.secret) {
      if (given) {
        settings[name] = from_environment;
      } else if (!setting.fallback.empty()) {
        settings[name] = std::string(setting.fallback);
      } else if (setting.required) {
        return usage_error("the kind " + std::string(kind.id) + " needs \"" + name +
                               "\": " + std::string(setting.help),
                           "--set " + name + "=VALUE");
      }
    } else if (given) {
      AV_TRY(secrets[name], Secret::copy_of(std::string_view(from_environment)));
    } else if (asks) {
      Expected<Secret> value = read_hidden(name + " (" + std::string(setting.help) + "): ");
      if (!value) {
        return make_error(ErrorCode::kUsage,
                          "the kind " + std::string(kind.id) + " needs the secret \"" + name + "\"",
                          "--set-file " + name + "=FILE, or - for standard input");
      }
      drop_final_newlines(*value);
      secrets[name] = std::move(*value);
    }
  }
  return {};
}

Expected<source::About> pair_here(Context& context, const std::string& vault,
                                  const RunWords& reach_words, const source::Kind& kind,
                                  vault::ExternalStore& store, vault::StoreSecrets secrets) {
  if (const auto pinned = api::pin_programs(kind, store.settings); !pinned) {
    return api::error_of(pinned.error(), store.name);
  }
  // Pairing may change what is kept: a code that works once becomes keys.
  AV_TRY(vault::StoreSecrets kept, api::copy_of(secrets));
  AV_TRY(StoreReach reach, store_reach(context, reach_words));
  reach.keep = [&kept](const std::string&, const vault::StoreSecrets& now) -> Status {
    AV_TRY(kept, api::copy_of(now));
    return {};
  };
  auto provider = make_provider(store, std::move(secrets), reach);
  if (!provider) {
    return api::error_of(provider.error(), store.name);
  }
  auto about = (*provider)->pair();
  if (!about) {
    return api::error_of(about.error(), store.name);
  }
  store.account = about->account;
  AV_CHECK(audited(context, action("store.pair", vault, store.name + ", " + store.kind),
                   [&] { return context.store->pair_store(vault, store, kept); }));
  return std::move(*about);
}

Expected<int> pair_store(Context& context, const PairWords& words) {
  AV_CHECK(check_reach_is_ours(context, words.reach));
  AV_TRY(const source::Kind* const kind, api::kind_named(words.kind));
  AV_TRY(const std::string vault, context.vault_name());
  vault::ExternalStore store = api::new_store(*kind, words.name);
  vault::StoreSecrets secrets;
  AV_CHECK(take_words(*kind, words, store.settings, secrets));
  AV_CHECK(take_rest(*kind, words, store.settings, secrets));
  RemoteStore* const server = context.remote();
  AV_TRY(const source::About about,
         server != nullptr
             ? server->pair_there(vault, store, secrets)
             : pair_here(context, vault, words.reach, *kind, store, std::move(secrets)));
  if (context.json) {
    print(context.out, Json{{"name", store.name},
                            {"kind", store.kind},
                            {"vault", vault},
                            {"account", about.account},
                            {"detail", about.detail}}
                               .dump() +
                           "\n");
    return 0;
  }
  notice(context, "paired '" + store.name + "' (" + std::string(kind->title) +
                      (about.account.empty() ? "" : ", " + encoding::printable(about.account)) +
                      ") with vault '" + vault + "'");
  if (!about.detail.empty()) {
    notice(context, encoding::printable(about.detail));
  }
  notice(context, "use it: agent-vault vault credential set KEY --from " +
                      std::string(kind->example) + ", or: agent-vault vault store map HOST " +
                      std::string(kind->example));
  return 0;
}

}  // namespace

Run setup_store_pair(OptionSet& app) {
  const auto words = std::make_shared<PairWords>();
  app.add_option("KIND", words->kind, "one of `agent-vault vault store kinds`")->required();
  app.add_option("--name", words->name, "what it is called here (default: the kind)")
      ->type_name("NAME");
  app.add_option("--set", words->set, "a setting that is no secret; repeatable")
      ->type_name("NAME=VALUE")
      ->repeatable();
  app.add_option("--set-file", words->files,
                 "a setting or a secret, read from a file (- for standard input); repeatable")
      ->type_name("NAME=FILE")
      ->repeatable();
  app.add_option("--ask", words->asked, "ask for this secret as well, which is not required")
      ->type_name("NAME")
      ->repeatable();
  add_store_reach_options(app, words->reach);
  return [words](Context& context) { return pair_store(context, *words); };
}

}  // namespace av::cmd
