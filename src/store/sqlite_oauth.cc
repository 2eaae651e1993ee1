// The OAuth part of SqliteStore: what stands beside an access token, and the one who may replace
// it.

#include <algorithm>

#include "core/ascii.h"
#include "store/refresh_lock.h"
#include "store/sqlite_store.h"
#include "vault/names.h"

namespace av::store {
namespace {

using vault::FreshToken;
using vault::OauthState;
using vault::RefreshedTokens;
using vault::RefreshFailure;
using vault::RefreshLease;
using vault::RefreshReason;
using vault::RefreshRefusal;
using vault::TokenName;

constexpr std::string_view kRead = "cannot read the store";
constexpr std::string_view kKind = "oauth";
// Old access tokens are not used, but those of the last hour or so may be in some server's log:
// responses are searched for them.
constexpr std::uint64_t kKeptTokens = 3;
constexpr std::size_t kMostError = 400;

constexpr const char* kColumns =
    "SELECT c.id, c.current_version, o.sealed_version, o.attempt_ms, o.client, o.state,"
    " o.expires_ms, o.refreshable, o.granted, o.connected_ms, o.refreshed_ms, o.retry_ms,"
    " o.failures, o.last_error, o.sealed, c.key, v.uid, v.name FROM oauth o"
    " JOIN credential c ON c.id = o.credential_id JOIN vault v ON v.id = c.vault_id ";

RefreshRefusal refusal(RefreshRefusal::Why why, std::string message) {
  return {why, std::move(message)};
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    out += (out.empty() ? "" : " ") + word;
  }
  return out;
}

Error not_oauth(std::string_view key) {
  return make_error(ErrorCode::kInvalid, std::string(key) + " is not an OAuth credential",
                    "to make it one: agent-vault oauth connect " + std::string(key));
}

Error changed_meanwhile(std::string_view key) {
  return make_error(ErrorCode::kConflict,
                    "the credential " + std::string(key) + " was changed while it was refreshed");
}

std::int64_t issued_ms(const vault::OauthStatus& status) {
  return std::max(status.connected_ms, status.refreshed_ms);
}

// Shorter than what a person should have to read, and cut between characters.
std::string bounded(std::string_view text) {
  std::size_t size = std::min(text.size(), kMostError);
  while (size > 0 && size < text.size() &&
         (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) {
    --size;
  }
  return std::string(text.substr(0, size));
}

// What of it an agent may read: whoever is the provider could else tell it anything. The code,
// which is our own word or one of few characters, stands first (oauth/refresh_attempt.cc).
std::string for_agents(std::string_view last_error) {
  const std::string_view code = last_error.substr(0, last_error.find(':'));
  const bool is_code = !code.empty() && std::all_of(code.begin(), code.end(), [](char c) {
    return ascii::is_word(c) || c == '-' || c == '.';
  });
  return is_code ? "the last attempt ended with " + std::string(code) : std::string();
}

constexpr std::string_view kDamaged = "what is stored of it is damaged";

}  // namespace

Expected<vault::OauthSecrets> SqliteStore::open_oauth(const TokenName& name, const OauthRow& row) {
  Expected<Secret> packed =
      keys_.ring()->open({name.vault_uid, kKind, name.key, row.sealed_version}, row.sealed);
  if (!packed) {
    if (packed.error().code != ErrorCode::kCrypto) {
      return packed.error();
    }
    return make_error(ErrorCode::kCorrupt,
                      "the refresh token of " + name.key + " was damaged or tampered with",
                      "connect it again: agent-vault oauth connect " + name.key);
  }
  return vault::unpack_oauth_secrets(*packed);
}

Expected<std::optional<SqliteStore::OauthRow>> SqliteStore::look_for_oauth(const TokenName& name) {
  auto statement =
      database_.prepare((std::string(kColumns) + "WHERE v.uid = ? AND c.key = ?").c_str());
  put(statement, 1, name.vault_uid);
  put(statement, 2, name.key);
  if (!statement.executeStep()) {
    return std::optional<OauthRow>();
  }
  OauthRow row = read_oauth_row(statement);
  if (row.damaged) {
    return make_error(
        ErrorCode::kCorrupt,
        "the OAuth credential " + name.key + " of the vault '" +
            statement.getColumn(17).getString() + "' cannot be used: " + std::string(kDamaged),
        "connect it again: agent-vault oauth connect " + name.key +
            " --provider NAME; or delete it: agent-vault vault credential delete " + name.key);
  }
  return std::optional(std::move(row));
}

// One that cannot be read must not keep the others from being used.
SqliteStore::OauthRow SqliteStore::read_oauth_row(SQLite::Statement& statement) {
  OauthRow row;
  row.id = statement.getColumn(0).getInt64();
  row.version = unsigned_of(statement.getColumn(1));
  row.sealed_version = unsigned_of(statement.getColumn(2));
  row.attempt_ms = statement.getColumn(3).getInt64();
  vault::OauthStatus& status = row.status;
  if (auto client = vault::oauth_client_from_json(statement.getColumn(4).getString())) {
    status.client = std::move(*client);
  } else {
    row.damaged = true;
  }
  status.state = statement.getColumn(5).getString() == "reconnect" ? OauthState::kReconnect
                                                                   : OauthState::kConnected;
  status.expires_ms = statement.getColumn(6).getInt64();
  status.has_refresh_token = statement.getColumn(7).getInt64() != 0;
  const std::string granted = statement.getColumn(8).getString();
  const std::vector<std::string_view> scopes = ascii::words(granted, " ");
  status.granted_scopes.assign(scopes.begin(), scopes.end());
  status.connected_ms = statement.getColumn(9).getInt64();
  status.refreshed_ms = statement.getColumn(10).getInt64();
  status.retry_ms = statement.getColumn(11).getInt64();
  status.failures = static_cast<std::uint32_t>(statement.getColumn(12).getInt64());
  status.last_error = statement.getColumn(13).getString();
  row.sealed = blob(statement.getColumn(14));
  return row;
}

Expected<SqliteStore::OauthRow> SqliteStore::find_oauth(const VaultRow& vault,
                                                        std::string_view key) {
  AV_TRY(const CredentialRow credential, find_credential(vault, key));
  AV_TRY(std::optional<OauthRow> row, look_for_oauth({vault.uid, std::string(key)}));
  if (!row || row->id != credential.id) {
    return not_oauth(key);
  }
  return std::move(*row);
}

void SqliteStore::make_static(std::int64_t credential_id) {
  for (const char* const sql : {"DELETE FROM oauth WHERE credential_id = ?",
                                "DELETE FROM credential_source WHERE credential_id = ?"}) {
    auto forget = database_.prepare(sql);
    put(forget, 1, credential_id);
    forget.exec();
  }
  auto mark = database_.prepare("UPDATE credential SET type = 'static' WHERE id = ?");
  put(mark, 1, credential_id);
  mark.exec();
}

Status check_new_connection(std::string_view key, const Store::OauthConnection& connection) {
  AV_CHECK(vault::check_oauth_client(connection.client));
  AV_CHECK(vault::check_credential_key(key));
  if (connection.access_token.empty()) {
    return make_error(ErrorCode::kInvalid, "there is no access token for " + std::string(key));
  }
  return {};
}

Expected<bool> SqliteStore::save_connection(const VaultRow& vault, std::string_view key,
                                            const OauthConnection& connection,
                                            std::string_view origin) {
  AV_TRY(const Secret packed, vault::pack(connection.secrets));
  AV_TRY(const bool is_new, save_value(vault, key, connection.access_token, origin));
  const auto credential = look_for_credential(vault, key);
  // save_value() has made it a static one. What is sealed here goes by the value's version, which
  // only grows.
  const std::uint64_t sealed_version = credential->version;
  AV_TRY(const crypto::Bytes sealed, packed.reveal([&](std::string_view bytes) {
    return keys_.ring()->seal({vault.uid, kKind, key, sealed_version}, bytes);
  }));
  auto insert = database_.prepare(
      "INSERT INTO oauth (credential_id, client, sealed, sealed_version, state, expires_ms,"
      " refreshable, granted, connected_ms) VALUES (?, ?, ?, ?, 'connected', ?, ?, ?, ?)");
  put(insert, 1, credential->id);
  put(insert, 2, vault::oauth_client_to_json(connection.client));
  put(insert, 3, sealed);
  put(insert, 4, sealed_version);
  put(insert, 5, connection.expires_ms);
  put(insert, 6, std::int64_t{connection.secrets.refresh_token.empty() ? 0 : 1});
  put(insert, 7, joined(connection.granted_scopes));
  put(insert, 8, clock_.wall_ms());
  insert.exec();
  auto mark = database_.prepare("UPDATE credential SET type = 'oauth' WHERE id = ?");
  put(mark, 1, credential->id);
  mark.exec();
  return is_new;
}

Expected<bool> SqliteStore::connect_oauth(std::string_view vault, std::string_view key,
                                          const OauthConnection& connection,
                                          std::string_view origin) {
  AV_CHECK(check_new_connection(key, connection));
  return write_sealed("cannot save the credential", [&]() -> Expected<bool> {
    AV_TRY(const VaultRow row, find_vault(vault));
    return save_connection(row, key, connection, origin);
  });
}

Status SqliteStore::connect_login(std::string_view vault, std::string_view key,
                                  const OauthConnection& connection,
                                  const std::vector<vault::Service>& services,
                                  std::int64_t replaces_ms) {
  AV_CHECK(check_new_connection(key, connection));
  for (const vault::Service& service : services) {
    AV_CHECK(vault::check_service(service));
  }
  return write_sealed("cannot save the login", [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(const auto before, look_for_oauth({row.uid, std::string(key)}));
    const bool there = look_for_credential(row, key).has_value();
    if (there ? !before || before->status.connected_ms != replaces_ms : replaces_ms != 0) {
      return make_error(ErrorCode::kConflict,
                        "the credential " + std::string(key) + " was changed meanwhile");
    }
    AV_TRY(const bool is_new, save_connection(row, key, connection, "oauth capture"));
    static_cast<void>(is_new);
    for (const vault::Service& service : services) {
      AV_CHECK(put_service(row.id, service));
    }
    return {};
  });
}

Expected<Store::OauthInfo> SqliteStore::get_oauth(std::string_view vault, std::string_view key) {
  return database_.read(kRead, [&]() -> Expected<OauthInfo> {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(OauthRow found, find_oauth(row, key));
    return OauthInfo{row.name,      std::string(key),        {row.uid, std::string(key)},
                     found.version, std::move(found.status), found.id};
  });
}

Expected<std::vector<Store::OauthInfo>> SqliteStore::list_oauth(std::string_view vault) {
  return database_.read(kRead, [&]() -> Expected<std::vector<OauthInfo>> {
    VaultRow row;  // id 0: every vault
    if (!vault.empty()) {
      AV_TRY(row, find_vault(vault));
    }
    auto statement = database_.prepare(
        (std::string(kColumns) + "WHERE ?1 = 0 OR c.vault_id = ?1 ORDER BY v.name, c.key").c_str());
    put(statement, 1, row.id);
    std::vector<OauthInfo> out;
    while (statement.executeStep()) {
      OauthRow found = read_oauth_row(statement);
      if (found.damaged) {
        found.status.state = OauthState::kReconnect;
        found.status.last_error = kDamaged;
      }
      const std::string key = statement.getColumn(15).getString();
      out.push_back({statement.getColumn(17).getString(),
                     key,
                     {statement.getColumn(16).getString(), key},
                     found.version,
                     std::move(found.status),
                     found.id,
                     found.damaged});
    }
    return out;
  });
}

Expected<vault::OauthSecrets> SqliteStore::oauth_secrets(std::string_view vault,
                                                         std::string_view key) {
  return read_sealed(kRead, [&]() -> Expected<vault::OauthSecrets> {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(const OauthRow found, find_oauth(row, key));
    return open_oauth({row.uid, std::string(key)}, found);
  });
}

Status SqliteStore::delete_oauth(const OauthInfo& info) {
  return database_.write("cannot delete the credential", [&]() -> Status {
    AV_TRY(const std::optional<OauthRow> row, look_for_oauth(info.name));
    // A number that has become free is given again: when it was connected tells them apart.
    if (!row || row->id != info.id || row->version != info.version ||
        row->status.connected_ms != info.status.connected_ms) {
      return make_error(ErrorCode::kConflict,
                        "the credential " + info.key + " was changed meanwhile, and stays as it is",
                        "to see what it is now: agent-vault oauth status " + info.key);
    }
    auto statement = database_.prepare("DELETE FROM credential WHERE id = ?");
    put(statement, 1, row->id);
    statement.exec();
    return {};
  });
}

Status SqliteStore::keep_refresh_token(const TokenName& name, const OauthRow& row,
                                       std::uint64_t version, const Secret& token) {
  AV_TRY(vault::OauthSecrets secrets, open_oauth(name, row));
  AV_TRY(secrets.refresh_token, token.clone());
  AV_TRY(const Secret packed, vault::pack(secrets));
  AV_TRY(const crypto::Bytes sealed, packed.reveal([&](std::string_view bytes) {
    return keys_.ring()->seal({name.vault_uid, kKind, name.key, version}, bytes);
  }));
  auto keep = database_.prepare(
      "UPDATE oauth SET sealed = ?, sealed_version = ?, refreshable = 1 WHERE credential_id = ?");
  put(keep, 1, sealed);
  put(keep, 2, version);
  put(keep, 3, row.id);
  keep.exec();
  return {};
}

Expected<FreshToken> SqliteStore::token_of(const OauthRow& row) {
  auto statement = database_.prepare(
      "SELECT sealed FROM credential_version WHERE credential_id = ? AND version = ?");
  put(statement, 1, row.id);
  put(statement, 2, row.version);
  if (!statement.executeStep()) {
    return make_error(ErrorCode::kCorrupt, "the store has lost the value of a credential");
  }
  return FreshToken{row.version, blob(statement.getColumn(0)), row.status.expires_ms,
                    issued_ms(row.status)};
}

namespace {

// Whether it is the time and the place to ask for a new token.
std::optional<RefreshRefusal> refused(const vault::OauthStatus& status, const std::string& key,
                                      RefreshReason reason, std::int64_t now) {
  using Why = RefreshRefusal::Why;
  if (!status.has_refresh_token && !vault::mints(status.client.flow)) {
    return refusal(Why::kImpossible, "there is no refresh token for " + key);
  }
  if (reason == RefreshReason::kAsked) {
    return std::nullopt;
  }
  if (status.state == OauthState::kReconnect) {
    return refusal(Why::kReconnect, for_agents(status.last_error));
  }
  // A time that is further away than any back-off says that the clock was set back.
  const bool waits = now < status.retry_ms && status.retry_ms - now <= vault::kMostRetryAfterMs;
  if (waits) {
    return refusal(Why::kLater, for_agents(status.last_error));
  }
  const std::int64_t age = now - issued_ms(status);
  if (reason == RefreshReason::kRejected && age >= 0 && age < vault::kLeastAgeMs) {
    return refusal(Why::kLater, "the token of " + key + " is fresh, and was still not accepted");
  }
  return std::nullopt;
}

}  // namespace

Expected<vault::TokenStore::BeginRefresh> SqliteStore::begin_refresh(const TokenName& name,
                                                                     std::uint64_t known,
                                                                     RefreshReason reason) {
  using Why = RefreshRefusal::Why;
  std::optional<UniqueFd> lock;
  const auto look = [&]() -> Expected<BeginRefresh> {
    AV_TRY(std::optional<OauthRow> row, look_for_oauth(name));
    if (!row) {
      return BeginRefresh(refusal(Why::kGone, name.key + " is not an OAuth credential any more"));
    }
    if (row->version != known) {
      AV_TRY(FreshToken token, token_of(*row));
      return BeginRefresh(std::move(token));
    }
    if (auto no = refused(row->status, name.key, reason, clock_.wall_ms())) {
      return BeginRefresh(std::move(*no));
    }
    RefreshLease lease;
    lease.name = name;
    lease.credential_id = row->id;
    lease.version = row->version;
    lease.interrupted = row->attempt_ms != 0;
    lease.client = std::move(row->status.client);
    AV_TRY(lease.secrets, open_oauth(name, *row));
    return BeginRefresh(std::move(lease));
  };
  // Most who ask find that somebody else has been faster, or that it is not the time.
  AV_TRY(BeginRefresh first, read_sealed(kRead, look));
  const auto* const wanted = std::get_if<RefreshLease>(&first);
  if (wanted == nullptr) {
    return first;
  }
  AV_TRY(lock, take_refresh_lock(keys_.paths(), wanted->credential_id));
  if (!lock) {
    return BeginRefresh(refusal(Why::kBusy, name.key + " is being refreshed"));
  }
  // With the lock: what was true may not be any more.
  return write_sealed("cannot refresh the credential", [&]() -> Expected<BeginRefresh> {
    AV_TRY(BeginRefresh again, look());
    auto* const lease = std::get_if<RefreshLease>(&again);
    if (lease == nullptr) {
      return again;
    }
    if (lease->credential_id != wanted->credential_id) {
      return BeginRefresh(refusal(Why::kBusy, name.key + " was replaced"));
    }
    auto mark = database_.prepare("UPDATE oauth SET attempt_ms = ? WHERE credential_id = ?");
    put(mark, 1, std::max<std::int64_t>(clock_.wall_ms(), 1));
    put(mark, 2, lease->credential_id);
    mark.exec();
    lease->lock = std::move(*lock);
    return again;
  });
}

Expected<FreshToken> SqliteStore::finish_refresh(const RefreshLease& lease,
                                                 const RefreshedTokens& tokens) {
  const std::string& key = lease.name.key;
  return write_sealed("cannot save the refreshed credential", [&]() -> Expected<FreshToken> {
    AV_TRY(std::optional<OauthRow> row, look_for_oauth(lease.name));
    if (!row || row->id != lease.credential_id || row->version != lease.version) {
      return changed_meanwhile(key);
    }
    if (tokens.access_token.empty()) {
      // It came without an access token: the one before stays, and so does its number.
      AV_CHECK(keep_refresh_token(lease.name, *row, row->version, tokens.refresh_token));
      return token_of(*row);
    }
    VaultRow vault;
    vault.uid = lease.name.vault_uid;
    const std::uint64_t version = row->version + 1;
    AV_CHECK(tokens.access_token.reveal([&](std::string_view bytes) {
      return add_version(vault, row->id, key, version, bytes, "refresh");
    }));
    auto prune = database_.prepare(
        "DELETE FROM credential_version WHERE credential_id = ? AND version <= ?"
        " AND origin = 'refresh'");
    put(prune, 1, row->id);
    put(prune, 2, version > kKeptTokens ? version - kKeptTokens : 0);
    prune.exec();
    if (!tokens.refresh_token.empty()) {
      AV_CHECK(keep_refresh_token(lease.name, *row, version, tokens.refresh_token));
    }
    auto update = database_.prepare(
        "UPDATE oauth SET state = 'connected', expires_ms = ?, refreshed_ms = ?, attempt_ms = 0,"
        " retry_ms = 0, failures = 0, last_error = '', granted = ? WHERE credential_id = ?");
    const std::int64_t now = clock_.wall_ms();
    put(update, 1, tokens.expires_ms);
    put(update, 2, now);
    put(update, 3, joined(tokens.scopes.empty() ? row->status.granted_scopes : tokens.scopes));
    put(update, 4, row->id);
    update.exec();
    row->version = version;
    row->status.expires_ms = tokens.expires_ms;
    row->status.refreshed_ms = now;
    return token_of(*row);
  });
}

Status SqliteStore::fail_refresh(const RefreshLease& lease, const RefreshFailure& failure) {
  return database_.write("cannot note why the credential was not refreshed", [&]() -> Status {
    AV_TRY(const std::optional<OauthRow> row, look_for_oauth(lease.name));
    if (!row || row->id != lease.credential_id || row->version != lease.version) {
      return {};  // somebody has connected it anew: the failure is of the past
    }
    const std::uint32_t failures = row->status.failures + 1;
    auto update = database_.prepare(
        "UPDATE oauth SET state = ?, attempt_ms = ?, retry_ms = ?, failures = ?, last_error = ?"
        " WHERE credential_id = ?");
    put(update, 1,
        vault::to_string(failure.permanent ? OauthState::kReconnect : row->status.state));
    // Without an answer it stays unknown whether the refresh token was used.
    put(update, 2, failure.answered ? std::int64_t{0} : row->attempt_ms);
    put(update, 3, clock_.wall_ms() + vault::backoff_ms(failures, failure.retry_after_s));
    put(update, 4, std::int64_t{failures});
    put(update, 5, bounded(failure.message));
    put(update, 6, row->id);
    update.exec();
    return {};
  });
}

Status SqliteStore::load_token_times(const VaultRow& vault, vault::PolicySnapshot& snapshot) {
  auto statement = database_.prepare((std::string(kColumns) + "WHERE c.vault_id = ?").c_str());
  put(statement, 1, vault.id);
  while (statement.executeStep()) {
    const OauthRow row = read_oauth_row(statement);
    const auto credential = snapshot.credentials.find(statement.getColumn(15).getString());
    if (credential == snapshot.credentials.end()) {
      continue;
    }
    if (row.damaged) {
      // A token of which nobody knows where it came from, or when it ends, is none.
      credential->second.sealed.assign(1, 0);
    } else {
      credential->second.token =
          vault::TokenTimes{row.status.expires_ms,
                            issued_ms(row.status),
                            row.status.retry_ms,
                            row.status.has_refresh_token || vault::mints(row.status.client.flow),
                            row.status.state == OauthState::kReconnect,
                            for_agents(row.status.last_error)};
    }
  }
  return {};
}

Status SqliteStore::reseal_oauth(const vault::KeyRing& from, const vault::KeyRing& to) {
  struct Place {
    TokenName name;
    OauthRow row;
  };
  std::vector<Place> places;
  auto select = database_.prepare(kColumns);
  while (select.executeStep()) {
    OauthRow row = read_oauth_row(select);
    places.push_back(
        {{select.getColumn(16).getString(), select.getColumn(15).getString()}, std::move(row)});
  }
  for (const Place& place : places) {
    const vault::SealContext context{place.name.vault_uid, kKind, place.name.key,
                                     place.row.sealed_version};
    const Expected<Secret> packed = from.open(context, place.row.sealed);
    if (!packed) {
      return make_error(ErrorCode::kCorrupt,
                        "the refresh token of " + place.name.key + " was damaged or tampered with",
                        "nothing was changed; connect or delete that credential, then try again");
    }
    AV_TRY(const crypto::Bytes sealed,
           packed->reveal([&](std::string_view bytes) { return to.seal(context, bytes); }));
    auto update = database_.prepare("UPDATE oauth SET sealed = ? WHERE credential_id = ?");
    put(update, 1, sealed);
    put(update, 2, place.row.id);
    update.exec();
  }
  return {};
}

}  // namespace av::store
