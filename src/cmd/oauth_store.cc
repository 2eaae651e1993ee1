// What a provider has given is stored: it may be given once only.

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <thread>

#include "cmd/audit_action.h"
#include "cmd/oauth_cmd.h"
#include "cmd/oauth_words.h"
#include "cmd/output.h"
#include "oauth/connection.h"

namespace av::cmd {
namespace {

// A refresh token that was used is void, and its successor in memory only.
constexpr Millis kStoreFor{60'000};
constexpr Millis kStoreAgain{1'000};
constexpr std::uint64_t kLeastRoom = std::uint64_t{256} << 10;

// Whether some service of the vault names the key.
bool is_used(Context& context, const std::string& vault, const std::string& key) {
  const auto services = context.store->list_services(vault);
  if (!services) {
    return false;
  }
  for (const vault::Service& service : *services) {
    const auto keys = service.credential_keys();
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) {
      return true;
    }
  }
  return false;
}

Status check_room(const Context& context) {
  struct statvfs room {};
  if (::statvfs(context.paths.data.c_str(), &room) != 0) {
    return errno_error(errno, "cannot see how much room the store has");
  }
  if (std::uint64_t{room.f_bavail} * room.f_frsize < kLeastRoom) {
    return make_error(ErrorCode::kNoSpace, "there is no room to store what the provider gives",
                      "the provider was not asked, and nothing was changed");
  }
  return {};
}

bool may_pass(ErrorCode code) {
  return code == ErrorCode::kNoSpace || code == ErrorCode::kBusy || code == ErrorCode::kIo;
}

// Whether it is new.
Expected<bool> keep(Context& context, const NewConnection& wanted,
                    const store::Store::OauthConnection& connection) {
  const auto give_up = context.clock->steady() + kStoreFor;
  for (bool warned = false;; warned = true) {
    auto stored = context.store->connect_oauth(wanted.vault, wanted.key, connection,
                                               "oauth " + std::string(wanted.origin));
    if (stored) {
      return stored;
    }
    if (!may_pass(stored.error().code) || context.clock->steady() >= give_up) {
      return make_error(stored.error().code,
                        "the provider has given tokens, which could not be stored and are lost: " +
                            stored.error().message,
                        "what they were had with may be void now: begin anew, with a new login");
    }
    if (!warned) {
      warn(context, "the provider has given tokens, which cannot be stored: " +
                        stored.error().message + "; trying again for a minute");
    }
    std::this_thread::sleep_for(kStoreAgain);
  }
}

Expected<int> tell(Context& context, const NewConnection& wanted, bool is_new) {
  AV_TRY(const store::Store::OauthInfo info, context.store->get_oauth(wanted.vault, wanted.key));
  const std::int64_t now = context.clock->wall_ms();
  if (context.json) {
    nlohmann::ordered_json json = oauth_json(info, now);
    json["created"] = is_new;
    print(context.out, json.dump() + "\n");
    return 0;
  }
  notice(context, wanted.key + " is connected (" + provider_title(info.status.client) +
                      "); the access token ends: " + show_expiry(info.status.expires_ms, now));
  if (!wanted.has_service && !is_used(context, wanted.vault, wanted.key)) {
    notice(context, "no service uses it yet: agent-vault vault service add --host " +
                        (wanted.hosts.empty() ? "HOST" : "'" + wanted.hosts.front() + "'") +
                        " --auth-type bearer --token-key " + wanted.key);
  }
  return 0;
}

}  // namespace

Expected<int> connect_and_store(Context& context, const NewConnection& wanted, ChosenClient& chosen,
                                const std::function<Expected<oauth::Tokens>()>& get) {
  AV_CHECK(check_room(context));
  const auto detail = [&] {
    return std::string(wanted.origin) + ", " + provider_title(chosen.client);
  };
  vault::AuditRecord record = action("oauth.connect", wanted.vault, detail(), {wanted.key});
  AV_CHECK(note_intention(context, record));
  const auto connect = [&]() -> Expected<bool> {
    AV_TRY(oauth::Tokens tokens, get());
    record.detail = detail();  // more is known by now
    return keep(context, wanted,
                oauth::connection_of(std::move(chosen.client), std::move(chosen.secrets),
                                     std::move(tokens), context.clock->wall_ms()));
  };
  const Expected<bool> is_new = connect();
  const Status noted = note_outcome(context, record, is_new ? nullptr : &is_new.error());
  if (!is_new) {
    return is_new.error();
  }
  AV_CHECK(noted);
  return tell(context, wanted, *is_new);
}

}  // namespace av::cmd
