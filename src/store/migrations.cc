#include "store/migrations.h"

#include <array>
#include <string>

namespace av::store {
namespace {

// Names and services are plain: policy is read without a key. Values, the CA key and nothing else
// are sealed; their associated data is the vault's uid, kind, name and version (key_ring.h), none
// of which a rename changes.
constexpr const char* kInitialSchema = R"sql(
CREATE TABLE key (
  id              INTEGER PRIMARY KEY CHECK (id = 1),
  mode            TEXT NOT NULL CHECK (mode IN ('file', 'passphrase', 'environment')),
  generation      INTEGER NOT NULL,
  kdf_passes      INTEGER NOT NULL DEFAULT 0,
  kdf_memory_kib  INTEGER NOT NULL DEFAULT 0,
  kdf_lanes       INTEGER NOT NULL DEFAULT 0,
  salt            BLOB NOT NULL,
  kek_id          BLOB NOT NULL,
  retired_kek_id  BLOB NOT NULL,
  wrapped         BLOB NOT NULL,
  created_ms      INTEGER NOT NULL,
  rotated_ms      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE setting (
  name   TEXT PRIMARY KEY,
  value  TEXT NOT NULL
) STRICT;
CREATE TABLE vault (
  id          INTEGER PRIMARY KEY,
  uid         TEXT NOT NULL UNIQUE,
  name        TEXT NOT NULL UNIQUE,
  unmatched   TEXT NOT NULL CHECK (unmatched IN ('passthrough', 'deny')),
  created_ms  INTEGER NOT NULL
) STRICT;
CREATE TABLE credential (
  id               INTEGER PRIMARY KEY,
  vault_id         INTEGER NOT NULL REFERENCES vault(id) ON DELETE CASCADE,
  key              TEXT NOT NULL,
  type             TEXT NOT NULL DEFAULT 'static',
  current_version  INTEGER NOT NULL,
  created_ms       INTEGER NOT NULL,
  updated_ms       INTEGER NOT NULL,
  UNIQUE (vault_id, key)
) STRICT;
CREATE TABLE credential_version (
  id             INTEGER PRIMARY KEY,
  credential_id  INTEGER NOT NULL REFERENCES credential(id) ON DELETE CASCADE,
  version        INTEGER NOT NULL,
  sealed         BLOB NOT NULL,
  origin         TEXT NOT NULL,
  created_ms     INTEGER NOT NULL,
  UNIQUE (credential_id, version)
) STRICT;
CREATE TABLE service (
  id        INTEGER PRIMARY KEY,
  vault_id  INTEGER NOT NULL REFERENCES vault(id) ON DELETE CASCADE,
  name      TEXT NOT NULL,
  position  INTEGER NOT NULL,
  body      TEXT NOT NULL,
  UNIQUE (vault_id, name)
) STRICT;
CREATE INDEX service_order ON service (vault_id, position);
CREATE TABLE item (
  name         TEXT PRIMARY KEY,
  public_part  TEXT NOT NULL,
  sealed       BLOB NOT NULL,
  updated_ms   INTEGER NOT NULL
) STRICT;
)sql";

// Rules and agents are plain like services; of a token only its hash is kept. What a human decided
// about a held request stays in `approval` until it is pruned; a grant outlives it.
constexpr const char* kRulesAndAgents = R"sql(
CREATE TABLE rule (
  id        INTEGER PRIMARY KEY,
  vault_id  INTEGER NOT NULL REFERENCES vault(id) ON DELETE CASCADE,
  uid       TEXT NOT NULL UNIQUE,
  name      TEXT NOT NULL,
  position  INTEGER NOT NULL,
  body      TEXT NOT NULL,
  UNIQUE (vault_id, name)
) STRICT;
CREATE INDEX rule_order ON rule (vault_id, position);
CREATE TABLE agent (
  id          INTEGER PRIMARY KEY,
  uid         TEXT NOT NULL UNIQUE,
  name        TEXT NOT NULL UNIQUE,
  token_hash  BLOB NOT NULL UNIQUE,
  body        TEXT NOT NULL,
  created_ms  INTEGER NOT NULL,
  rotated_ms  INTEGER NOT NULL DEFAULT 0,
  revoked_ms  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE session (
  id          TEXT PRIMARY KEY,
  agent_id    INTEGER NOT NULL REFERENCES agent(id) ON DELETE CASCADE,
  vault_id    INTEGER NOT NULL REFERENCES vault(id) ON DELETE CASCADE,
  token_hash  BLOB NOT NULL UNIQUE,
  created_ms  INTEGER NOT NULL,
  expires_ms  INTEGER NOT NULL,
  ended_ms    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE approval (
  id          TEXT PRIMARY KEY,
  vault_id    INTEGER NOT NULL REFERENCES vault(id) ON DELETE CASCADE,
  state       TEXT NOT NULL,
  request     TEXT NOT NULL,
  created_ms  INTEGER NOT NULL,
  expires_ms  INTEGER NOT NULL,
  decided_ms  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX approval_waiting ON approval (vault_id, state, expires_ms);
CREATE TABLE approval_grant (
  id            TEXT PRIMARY KEY,
  vault_id      INTEGER NOT NULL REFERENCES vault(id) ON DELETE CASCADE,
  rule_uid      TEXT NOT NULL REFERENCES rule(uid) ON DELETE CASCADE,
  agent_uid     TEXT NOT NULL,
  method        TEXT NOT NULL,
  url           TEXT NOT NULL,
  uses          INTEGER NOT NULL,
  expires_ms    INTEGER NOT NULL,
  created_ms    INTEGER NOT NULL
) STRICT;
)sql";

// What agents ask for is plain but for the values that they supply, which are there only as long as
// it waits. The vault counts its proposals, so that no number is given twice.
constexpr const char* kProposals = R"sql(
ALTER TABLE vault ADD COLUMN last_proposal INTEGER NOT NULL DEFAULT 0;
CREATE TABLE proposal (
  id               INTEGER PRIMARY KEY,
  vault_id         INTEGER NOT NULL REFERENCES vault(id) ON DELETE CASCADE,
  number           INTEGER NOT NULL,
  uid              TEXT NOT NULL UNIQUE,
  state            TEXT NOT NULL,
  agent            TEXT NOT NULL,
  agent_uid        TEXT NOT NULL,
  run              TEXT NOT NULL,
  body             TEXT NOT NULL,
  link_hash        BLOB NOT NULL UNIQUE,
  link_expires_ms  INTEGER NOT NULL,
  created_ms       INTEGER NOT NULL,
  expires_ms       INTEGER NOT NULL,
  decided_ms       INTEGER NOT NULL DEFAULT 0,
  reviewer         TEXT NOT NULL DEFAULT '',
  review_note      TEXT NOT NULL DEFAULT '',
  narrowed         TEXT NOT NULL DEFAULT '',
  UNIQUE (vault_id, number)
) STRICT;
CREATE INDEX proposal_state ON proposal (vault_id, state, expires_ms);
CREATE TABLE proposal_value (
  id           INTEGER PRIMARY KEY,
  proposal_id  INTEGER NOT NULL REFERENCES proposal(id) ON DELETE CASCADE,
  key          TEXT NOT NULL,
  sealed       BLOB NOT NULL,
  UNIQUE (proposal_id, key)
) STRICT;
)sql";

// People. Of a password, a session's token and an invite's link only hashes are kept. What a user
// minted names the uid, so that it can end with the user.
constexpr const char* kUsers = R"sql(
CREATE TABLE user (
  id              INTEGER PRIMARY KEY,
  uid             TEXT NOT NULL UNIQUE,
  email           TEXT NOT NULL UNIQUE,
  role            TEXT NOT NULL CHECK (role IN ('member', 'owner')),
  kdf_passes      INTEGER NOT NULL,
  kdf_memory_kib  INTEGER NOT NULL,
  kdf_lanes       INTEGER NOT NULL,
  salt            BLOB NOT NULL,
  password_hash   BLOB NOT NULL,
  created_ms      INTEGER NOT NULL,
  disabled_ms     INTEGER NOT NULL DEFAULT 0,
  waiting         INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE membership (
  user_id     INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  vault_id    INTEGER NOT NULL REFERENCES vault(id) ON DELETE CASCADE,
  role        TEXT NOT NULL CHECK (role IN ('proxy', 'member', 'admin')),
  created_ms  INTEGER NOT NULL,
  PRIMARY KEY (user_id, vault_id)
) STRICT;
CREATE INDEX membership_vault ON membership (vault_id);
CREATE TABLE user_session (
  id          TEXT PRIMARY KEY,
  user_id     INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  token_hash  BLOB NOT NULL UNIQUE,
  label       TEXT NOT NULL,
  ip          TEXT NOT NULL,
  user_agent  TEXT NOT NULL,
  created_ms  INTEGER NOT NULL,
  used_ms     INTEGER NOT NULL,
  reauth_ms   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX user_session_user ON user_session (user_id, used_ms);
CREATE TABLE user_invite (
  id          TEXT PRIMARY KEY,
  token_hash  BLOB NOT NULL UNIQUE,
  email       TEXT NOT NULL,
  role        TEXT NOT NULL CHECK (role IN ('member', 'owner')),
  created_by  INTEGER REFERENCES user(id) ON DELETE CASCADE,
  created_ms  INTEGER NOT NULL,
  expires_ms  INTEGER NOT NULL
) STRICT;
CREATE TABLE user_invite_vault (
  invite_id  TEXT NOT NULL REFERENCES user_invite(id) ON DELETE CASCADE,
  vault_id   INTEGER NOT NULL REFERENCES vault(id) ON DELETE CASCADE,
  role       TEXT NOT NULL CHECK (role IN ('proxy', 'member', 'admin')),
  PRIMARY KEY (invite_id, vault_id)
) STRICT;
ALTER TABLE session ADD COLUMN minted_by TEXT NOT NULL DEFAULT '';
CREATE INDEX session_minter ON session (minted_by) WHERE minted_by != '';
)sql";

// What stands beside an access token, which is the credential's value. `client` is plain, as
// services are; client secret, refresh token and private key are sealed together. `attempt_ms`: a
// provider has been asked, and nobody has written down yet what it said.
constexpr const char* kOauth = R"sql(
CREATE TABLE oauth (
  credential_id   INTEGER PRIMARY KEY REFERENCES credential(id) ON DELETE CASCADE,
  client          TEXT NOT NULL,
  sealed          BLOB NOT NULL,
  sealed_version  INTEGER NOT NULL,
  state           TEXT NOT NULL CHECK (state IN ('connected', 'reconnect')),
  expires_ms      INTEGER NOT NULL,
  refreshable     INTEGER NOT NULL,
  granted         TEXT NOT NULL,
  connected_ms    INTEGER NOT NULL,
  refreshed_ms    INTEGER NOT NULL DEFAULT 0,
  attempt_ms      INTEGER NOT NULL DEFAULT 0,
  retry_ms        INTEGER NOT NULL DEFAULT 0,
  failures        INTEGER NOT NULL DEFAULT 0,
  last_error      TEXT NOT NULL DEFAULT ''
) STRICT;
)sql";

// Who users are at an issuer of identities. The address is the one that it was bound by, to look
// at.
constexpr const char* kIdentities = R"sql(
CREATE TABLE user_identity (
  issuer      TEXT NOT NULL,
  subject     TEXT NOT NULL,
  user_id     INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  email       TEXT NOT NULL,
  created_ms  INTEGER NOT NULL,
  PRIMARY KEY (issuer, subject)
) STRICT;
CREATE UNIQUE INDEX user_identity_user ON user_identity (user_id, issuer);
)sql";

// Stores of others. Their settings and references are plain, what they were paired with is sealed;
// what they hold is never here.
constexpr const char* kExternalStores = R"sql(
CREATE TABLE external_store (
  id              INTEGER PRIMARY KEY,
  vault_id        INTEGER NOT NULL REFERENCES vault(id) ON DELETE CASCADE,
  uid             TEXT NOT NULL UNIQUE,
  name            TEXT NOT NULL,
  kind            TEXT NOT NULL,
  settings        TEXT NOT NULL,
  account         TEXT NOT NULL,
  sealed          BLOB NOT NULL,
  sealed_version  INTEGER NOT NULL,
  revision        INTEGER NOT NULL,
  paired_ms       INTEGER NOT NULL,
  ok_ms           INTEGER NOT NULL DEFAULT 0,
  error_ms        INTEGER NOT NULL DEFAULT 0,
  error           TEXT NOT NULL DEFAULT '',
  UNIQUE (vault_id, name)
) STRICT;
CREATE TABLE credential_source (
  credential_id  INTEGER PRIMARY KEY REFERENCES credential(id) ON DELETE CASCADE,
  store_id       INTEGER NOT NULL REFERENCES external_store(id),
  reference      TEXT NOT NULL,
  item           TEXT NOT NULL,
  field          TEXT NOT NULL,
  missing_ms     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX credential_source_store ON credential_source (store_id);
CREATE TABLE host_mapping (
  id          INTEGER PRIMARY KEY,
  vault_id    INTEGER NOT NULL REFERENCES vault(id) ON DELETE CASCADE,
  store_id    INTEGER NOT NULL REFERENCES external_store(id),
  host        TEXT NOT NULL,
  reference   TEXT NOT NULL,
  item        TEXT NOT NULL,
  field       TEXT NOT NULL,
  body        TEXT NOT NULL,
  missing_ms  INTEGER NOT NULL DEFAULT 0,
  UNIQUE (vault_id, host, store_id)
) STRICT;
CREATE INDEX host_mapping_store ON host_mapping (store_id);
)sql";

// Leases that a process has of external stores, until it gives them back. `owner`: see
// lease_owner.h. The store's own name of the lease is sealed. `retry_ms`: it was left by another.
constexpr const char* kLeases = R"sql(
CREATE TABLE store_lease (
  uid       TEXT PRIMARY KEY,
  store_id  INTEGER NOT NULL REFERENCES external_store(id) ON DELETE CASCADE,
  owner     INTEGER NOT NULL,
  sealed    BLOB NOT NULL,
  ends_ms   INTEGER NOT NULL,
  retry_ms  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX store_lease_store ON store_lease (store_id);
)sql";

// The way to the key becomes opaque. The wrapped key is bound to the old columns as they were
// written then, so that text is what the descriptor of an old row says.
constexpr const char* kKeyDescriptor = R"sql(
CREATE TABLE described_key (
  id                  INTEGER PRIMARY KEY CHECK (id = 1),
  mode                TEXT NOT NULL,
  generation          INTEGER NOT NULL,
  descriptor          TEXT NOT NULL,
  kek_id              BLOB NOT NULL,
  retired_mode        TEXT NOT NULL,
  retired_descriptor  TEXT NOT NULL,
  retired_kek_id      BLOB NOT NULL,
  wrapped             BLOB NOT NULL,
  created_ms          INTEGER NOT NULL,
  rotated_ms          INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO described_key
  SELECT id, mode, generation,
         't=' || kdf_passes || ' m=' || kdf_memory_kib || ' p=' || kdf_lanes || char(10) ||
             lower(hex(salt)),
         kek_id, iif(length(retired_kek_id) > 0, 'file', ''), '', retired_kek_id, wrapped,
         created_ms, rotated_ms
  FROM key;
DROP TABLE key;
ALTER TABLE described_key RENAME TO key;
)sql";

constexpr std::array kSteps = {kInitialSchema, kRulesAndAgents, kProposals, kUsers,        kOauth,
                               kIdentities,    kExternalStores, kLeases,    kKeyDescriptor};

Status check_origin(Database& database, int version) {
  const auto application = database.integer("PRAGMA application_id");
  const bool empty = database.integer("SELECT count(*) FROM sqlite_master") == 0;
  if (application != kApplicationId && !(application == 0 && version == 0 && empty)) {
    return make_error(ErrorCode::kCorrupt, "the database belongs to another program",
                      "it was left as it is; move it away, or set AGENT_VAULT_HOME");
  }
  if (version > latest_schema()) {
    return make_error(ErrorCode::kTooNew,
                      "the store has schema version " + std::to_string(version) +
                          ", this program knows up to " + std::to_string(latest_schema()),
                      "use the newer agent-vault that wrote it");
  }
  return {};
}

}  // namespace

int latest_schema() {
  return static_cast<int>(kSteps.size());
}

Status migrate(Database& database, int target) {
  constexpr std::string_view kWhat = "cannot read the store";
  const auto read_version = [&]() -> Expected<int> {
    const int version = static_cast<int>(database.integer("PRAGMA user_version"));
    AV_CHECK(check_origin(database, version));
    return version;
  };
  AV_TRY(int version, database.read(kWhat, read_version));
  while (version < target) {
    const auto step = [&]() -> Expected<int> {
      // Another process may have been faster.
      AV_TRY(const int now, read_version());
      if (now >= target) {
        return now;
      }
      database.exec(kSteps[static_cast<std::size_t>(now)]);
      database.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
      database.exec("PRAGMA user_version = " + std::to_string(now + 1));
      return now + 1;
    };
    AV_TRY(version, database.write("cannot upgrade the store", step));
  }
  return {};
}

}  // namespace av::store
