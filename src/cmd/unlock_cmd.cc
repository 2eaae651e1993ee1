// agent-vault unlock, agent-vault lock.

#include <array>

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/duration.h"
#include "cmd/kept_key.h"
#include "cmd/key_keeper.h"
#include "cmd/key_settings.h"
#include "cmd/option_set.h"
#include "cmd/output.h"

namespace av::cmd {
namespace {

struct UnlockOptions {
  std::string lifetime;
  std::string idle;
};

Expected<KeeperLimits> limits_of(const Context& context, const UnlockOptions& options) {
  AV_TRY(const KeySettings settings, read_key_settings(context.paths.config_file()));
  KeeperLimits limits;
  limits.lifetime = settings.unlock_for.value_or(limits.lifetime);
  limits.idle = settings.unlock_idle.value_or(limits.idle);
  if (!options.lifetime.empty()) {
    AV_TRY(limits.lifetime, parse_duration(options.lifetime));
  }
  if (!options.idle.empty()) {
    AV_TRY(limits.idle, parse_duration(options.idle));
  }
  return limits;
}

Expected<int> unlock(Context& context, const UnlockOptions& options) {
  AV_TRY(const KeeperLimits limits, limits_of(context, options));
  AV_CHECK(context.open_store_anew());
  AV_TRY(const store::KeyStatus status, context.store->key_status());
  if (!status.asks) {
    return make_error(
        ErrorCode::kInvalid,
        "there is nothing to unlock: the store opens with " + status.detail + " and asks nobody",
        "to be asked: agent-vault key protect --with passphrase");
  }
  AV_TRY(const store::OpenKek key, context.store->open_kek());
  const std::string words = in_words(limits.lifetime);
  const std::string idle = limits.idle.count() > 0 ? ", idle " + in_words(limits.idle) : "";
  AV_CHECK(audited(context, action("key.unlock", "", words + idle),
                   [&] { return start_keeper(context.paths.data, key, limits); }));
  notice(context, "the store stays unlocked for " + words +
                      (idle.empty() ? std::string()
                                    : ", or " + in_words(limits.idle) + " after its last use") +
                      "; `agent-vault lock` ends that");
  return 0;
}

Run setup_unlock(OptionSet& app) {
  const auto options = std::make_shared<UnlockOptions>();
  app.add_option("--for", options->lifetime, "how long, as 30m or 8h")->type_name("DURATION");
  app.add_option("--idle", options->idle, "lock also when nothing has used it for so long")
      ->type_name("DURATION");
  return [options](Context& context) { return unlock(context, *options); };
}

Expected<int> lock(Context& context) {
  // With the key still at hand the log can say so; without, there is nothing to lock.
  bool was_unlocked = false;
  const auto end = [&]() -> Status {
    AV_TRY(was_unlocked, end_keeper(context.paths.data));
    return {};
  };
  if (context.open_store_quietly()) {
    AV_CHECK(audited(context, action("key.lock"), end));
  } else {
    AV_CHECK(end());
  }
  notice(context, was_unlocked ? "locked" : "nothing was unlocked");
  return 0;
}

Run setup_lock(OptionSet&) {
  return lock;
}

}  // namespace

std::span<const Command> unlock_commands() {
  static constexpr std::array<Command, 2> kCommands = {{
      {"unlock", "be asked for the passphrase or PIN once for a while", Needs::kNothing,
       setup_unlock, true, true},
      {"lock", "end what `unlock` has begun", Needs::kNothing, setup_lock, true, true},
  }};
  return kCommands;
}

}  // namespace av::cmd
