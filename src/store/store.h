#pragma once
// Store: the SQLite file with vaults, credentials and services, opened and unlocked. The only code
// that talks SQL. One object belongs to one thread; several processes may each have one open.
//
// Every write is one transaction with synchronous=FULL: when a call returns, the change survives
// kill -9 and power loss; when it fails, nothing was changed.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/crypto.h"
#include "core/expected.h"
#include "core/fs.h"
#include "core/secret.h"
#include "store/external_stores.h"
#include "store/people.h"
#include "vault/kek_source.h"
#include "vault/key_ring.h"
#include "vault/oauth.h"
#include "vault/oauth_refresh.h"
#include "vault/policy.h"
#include "vault/proposal_codec.h"
#include "vault/proposal_plan.h"
#include "vault/service.h"

namespace av::store {

enum class KeyMode : std::uint8_t { kFile, kPassphrase, kEnvironment, kKeyring, kTpm, kPkcs11 };
[[nodiscard]] std::string_view to_string(KeyMode mode);  // "file", "passphrase", "environment" ...
[[nodiscard]] std::optional<KeyMode> key_mode(std::string_view name);

struct KeyStatus {
  KeyMode mode = KeyMode::kFile;
  std::uint64_t generation = 0;  // of the data key; grows with each `key rotate`
  std::int64_t created_ms = 0;
  std::int64_t rotated_ms = 0;  // 0: never
  std::string detail;           // key file path, or "Argon2id t=3 m=65536 p=4"
  bool asks = false;            // opening it asks a person for a passphrase or PIN
  crypto::Bytes kek_id;
};

// The KEK of an open store, for whoever may keep it for a while.
struct OpenKek {
  Secret kek;
  crypto::Bytes kek_id;
};

// How Store turns to the one who opens it. Nobody is asked twice by one open store, and none that
// is open asks again: in a run the terminal is the command's, which could read along.
struct KeyQuestions {
  // AGENT_VAULT_MASTER_PASSWORD, else a prompt on the terminal. `confirm`: ask twice (new one).
  std::function<Expected<Secret>(bool confirm)> passphrase;
  // Whether `passphrase` would answer from AGENT_VAULT_MASTER_PASSWORD: decides the mode of a new
  // store.
  bool passphrase_from_environment = false;
  // PINs of a TPM or token; as `passphrase`.
  std::function<Expected<Secret>(const vault::KeyQuestion&)> pin;
  std::vector<vault::Asked> pins_from_environment;
  // The KEK with this id, from where `agent-vault unlock` keeps it; asked before a person is.
  std::function<Expected<Secret>(const crypto::Bytes& kek_id)> kept;
  // Whether the desktop may show a question of its own.
  bool may_prompt = false;
};

// How Store gets at what opens it. Each returns kLocked with a hint when it has nothing.
struct KeySources : KeyQuestions {
  // SECRET_ENCRYPTION_KEY: 32 decoded bytes, or empty when unset.
  Secret environment_key;
  // Beside the key file, the passphrase and the variable: keyring, TPM, token.
  std::vector<std::shared_ptr<const vault::KekSource>> devices;
};

struct VaultInfo {
  std::string name;
  std::string uid;
  vault::UnmatchedPolicy unmatched = vault::UnmatchedPolicy::kPassthrough;
  std::int64_t created_ms = 0;
  std::uint64_t credentials = 0;
  std::uint64_t services = 0;
};

struct CredentialInfo {
  std::string key;
  std::string type;  // "static", "oauth", "external"
  std::uint64_t version = 0;
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
  // Of an OAuth credential.
  vault::OauthState oauth_state = vault::OauthState::kConnected;
  std::int64_t expires_ms = 0;  // 0: not known
  // Of one that is kept elsewhere.
  std::string store;
  std::string reference;
};

struct CredentialVersion {
  std::uint64_t version = 0;
  std::int64_t created_ms = 0;
  bool current = false;
  std::string origin;  // "set", "import", "rollback to 3"
};

// What a token of its own stands for: a run of an agent, or a session that `serve` has made.
struct SessionInfo {
  std::string id;     // of a run: "run_..." (see SessionMark for whether its process lives)
  std::string agent;  // name; not read when a session is made
  std::string agent_uid;
  std::string vault;
  std::int64_t created_ms = 0;  // 0 when made: now
  std::int64_t expires_ms = 0;  // 0: when it is ended
  // uid of the user who made it, and with whom it ends; empty: nobody in particular.
  std::string minted_by;
};

// How many versions of a credential are kept.
inline constexpr std::uint64_t kKeptVersions = 20;

class Store : public vault::TokenStore, public ExternalStores {
 public:
  // Opens, creates on first use (with the `default` vault and a key by the mode that the sources
  // imply), migrates, unlocks. kLocked: no or wrong key. kCorrupt, kTooNew, kBusy, kNoSpace: as
  // named.
  static Expected<std::unique_ptr<Store>> open(const fs::Paths& paths, KeySources sources,
                                               const Clock& clock);

  // Another connection to the same store, already unlocked, for another thread. Nobody is asked for
  // anything, now or later: when the key is changed by another process so that only a person could
  // tell the new one, it is kLocked from then on, as this one is.
  virtual Expected<std::unique_ptr<Store>> another() = 0;

  // -- vaults
  virtual Expected<std::vector<VaultInfo>> list_vaults() = 0;
  virtual Expected<VaultInfo> get_vault(std::string_view name) = 0;  // kNotFound with did-you-mean
  virtual Status create_vault(std::string_view name) = 0;            // kExists
  virtual Status rename_vault(std::string_view from, std::string_view to) = 0;  // not `default`
  virtual Status delete_vault(std::string_view name) = 0;                       // not `default`
  virtual Status set_unmatched(std::string_view vault, vault::UnmatchedPolicy policy) = 0;
  // The saved choice of `vault use`; empty when none.
  virtual Expected<std::string> current_vault() = 0;
  virtual Status use_vault(std::string_view name) = 0;

  // -- credentials; `origin` as in CredentialVersion
  struct NewValue {
    std::string key;
    Secret value;
  };
  // All of them or none. Returns for each whether it is new (true) or replaced (false).
  virtual Expected<std::vector<bool>> set_credentials(std::string_view vault,
                                                      const std::vector<NewValue>& values,
                                                      std::string_view origin) = 0;
  virtual Expected<std::vector<CredentialInfo>> list_credentials(std::string_view vault) = 0;
  virtual Expected<Secret> get_credential(std::string_view vault, std::string_view key) = 0;
  virtual Status delete_credentials(std::string_view vault,
                                    const std::vector<std::string>& keys) = 0;
  virtual Expected<std::vector<CredentialVersion>> credential_history(std::string_view vault,
                                                                      std::string_view key) = 0;
  // Makes the old value current again as a new version, which is returned. `to` 0: the one before.
  virtual Expected<std::uint64_t> rollback_credential(std::string_view vault, std::string_view key,
                                                      std::uint64_t to) = 0;

  // -- OAuth credentials: their value is the access token; set_credentials makes one a static one
  using OauthConnection = vault::OauthConnection;
  // Adds or replaces, whatever was there. True when it is new.
  virtual Expected<bool> connect_oauth(std::string_view vault, std::string_view key,
                                       const OauthConnection& connection,
                                       std::string_view origin) = 0;
  // The same with the services that use it, all or nothing, in the place of the connection that was
  // made at `replaces_ms` (0: of nothing). kConflict: something else is there.
  virtual Status connect_login(std::string_view vault, std::string_view key,
                               const OauthConnection& connection,
                               const std::vector<vault::Service>& services,
                               std::int64_t replaces_ms) = 0;
  struct OauthInfo {
    std::string vault;
    std::string key;
    vault::TokenName name;
    std::uint64_t version = 0;
    vault::OauthStatus status;
    std::int64_t id = 0;   // of the credential
    bool damaged = false;  // what is stored of it cannot be read
  };
  // kInvalid when it is a static one; kCorrupt, by name, when what is stored of it is damaged.
  virtual Expected<OauthInfo> get_oauth(std::string_view vault, std::string_view key) = 0;
  // By key. An empty name: of every vault. A damaged one is there as to be connected again.
  virtual Expected<std::vector<OauthInfo>> list_oauth(std::string_view vault) = 0;
  // What the client keeps secret, to connect it again or to revoke it.
  virtual Expected<vault::OauthSecrets> oauth_secrets(std::string_view vault,
                                                      std::string_view key) = 0;
  // Removes it if it is still as it was then. kConflict when it was changed or removed meanwhile.
  virtual Status delete_oauth(const OauthInfo& info) = 0;
  // How they are refreshed: vault::TokenStore.

  // -- services, in order
  virtual Expected<std::vector<vault::Service>> list_services(std::string_view vault) = 0;
  // Adds or replaces by name, keeping the place of one that was there. All or none.
  virtual Status put_services(std::string_view vault,
                              const std::vector<vault::Service>& services) = 0;
  virtual Status replace_services(std::string_view vault,
                                  const std::vector<vault::Service>& services) = 0;
  virtual Status remove_service(std::string_view vault, std::string_view name) = 0;
  virtual Status enable_service(std::string_view vault, std::string_view name, bool enabled) = 0;

  // -- rules, in order
  virtual Expected<std::vector<vault::Rule>> list_rules(std::string_view vault) = 0;
  // Adds or replaces by name, keeping place and uid of one that was there. All or none.
  virtual Status put_rules(std::string_view vault, const std::vector<vault::Rule>& rules) = 0;
  // All rules of the vault; those of a name that was there keep their uid.
  virtual Status replace_rules(std::string_view vault, const std::vector<vault::Rule>& rules) = 0;
  virtual Status remove_rules(std::string_view vault, const std::vector<std::string>& names) = 0;
  virtual Status enable_rule(std::string_view vault, std::string_view name, bool enabled) = 0;

  // -- agents
  virtual Expected<std::vector<vault::Agent>> list_agents() = 0;
  virtual Expected<vault::Agent> get_agent(std::string_view name) = 0;  // kNotFound, did-you-mean
  // `token_hash`: SHA-256 of the token. kExists. The uid and the times are the store's to make.
  virtual Status create_agent(const vault::Agent& agent, const crypto::Digest& token_hash) = 0;
  // Scope and limits of an agent that is there.
  virtual Status update_agent(const vault::Agent& agent) = 0;
  // The old token is void at once, and so are its sessions. A revoked agent is so no more.
  virtual Status rotate_agent(std::string_view name, const crypto::Digest& token_hash) = 0;
  virtual Status revoke_agent(std::string_view name) = 0;
  virtual Status delete_agent(std::string_view name) = 0;
  // Who has this token: an agent that is not revoked. kNotPermitted when nobody does. Its time
  // tells nothing about tokens (see sqlite_agents.cc).
  virtual Expected<vault::Agent> agent_of_token(const crypto::Digest& token_hash) = 0;

  // -- sessions of agents
  // kNotPermitted when the agent is not there any more, or revoked.
  virtual Status create_session(const SessionInfo& session, const crypto::Digest& token_hash) = 0;
  // kNotPermitted when nobody has this token, or its session has ended or expired, or its agent was
  // revoked, rotated or deleted. Whether the agent may still use the vault is policy's to say.
  virtual Expected<SessionInfo> session_of_token(const crypto::Digest& token_hash) = 0;
  virtual Status end_session(std::string_view id) = 0;  // also when there is none
  // All that hold now: the tokens of agents, and of sessions but those of runs, which have a proxy
  // of their own.
  struct TokenGrant {
    crypto::Digest token_hash{};
    vault::Agent agent;
    std::string session;  // id; empty: the agent's own token
    std::string vault;    // of a session
    std::int64_t expires_ms = 0;
  };
  virtual Expected<std::vector<TokenGrant>> token_grants() = 0;
  // Those that have neither ended nor expired, oldest first; of all agents when the name is empty.
  virtual Expected<std::vector<SessionInfo>> list_sessions(std::string_view agent) = 0;

  // -- requests that wait for a human
  struct Approval {
    vault::ApprovalRequest request;
    vault::ApprovalState state = vault::ApprovalState::kPending;
    std::int64_t decided_ms = 0;
  };
  // Those that wait (and have not expired), or all that are kept; oldest first. An empty name: of
  // every vault.
  virtual Expected<std::vector<Approval>> list_approvals(std::string_view vault,
                                                         bool waiting_only) = 0;
  virtual Expected<Approval> get_approval(std::string_view id) = 0;
  // kConflict when too many of this agent wait already.
  virtual Status add_approval(const vault::ApprovalRequest& request) = 0;
  // From pending to `state`, once; kConflict when it is not pending any more. `grants`:
  // for further uses, one for each rule that asks; or none.
  virtual Status decide_approval(std::string_view id, vault::ApprovalState state,
                                 const std::vector<vault::ApprovalGrant>& grants) = 0;

  struct GrantInfo {
    vault::ApprovalGrant grant;
    std::string vault;
    std::string vault_uid;
    std::string rule;   // name
    std::string agent;  // name; empty: runs without an agent
    std::int64_t created_ms = 0;
  };
  // Those that have not expired, the oldest first; also those whose uses are used up. An empty
  // name: of every vault.
  virtual Expected<std::vector<GrantInfo>> list_grants(std::string_view vault) = 0;
  // All or none; kNotFound names the first that is not there.
  virtual Status revoke_grants(const std::vector<std::string>& ids) = 0;

  // -- proposals: what agents ask for. A number is of its vault. Those that nobody decided in seven
  // days have expired, whoever looks; what was decided is kept for ninety.
  // Returns the number. kConflict: twenty wait in this vault already. kInvalid, kNotFound: it does
  // not fit the vault. `link_hash`: SHA-256 of the token in the link to it (vault::kApprovalToken).
  virtual Expected<std::uint64_t> create_proposal(std::string_view vault, const vault::Proposer& by,
                                                  const vault::ReadProposal& proposal,
                                                  const crypto::Digest& link_hash) = 0;
  // Newest first. An empty name: of every vault. No state: all.
  virtual Expected<std::vector<vault::Proposal>> list_proposals(
      std::string_view vault, std::optional<vault::ProposalState> state) = 0;
  virtual Expected<vault::Proposal> get_proposal(std::string_view vault, std::uint64_t number) = 0;
  // kNotPermitted when no proposal has this link, or it is older than a day. To look at, no more.
  virtual Expected<vault::Proposal> proposal_of_link(const crypto::Digest& link_hash) = 0;
  struct ProposalReview {
    vault::Proposal proposal;
    vault::ProposalDiff diff;
  };
  // What it would do now. kConflict when it does not fit the vault any more; for a `narrowing` the
  // errors of vault::narrow().
  virtual Expected<ProposalReview> review_proposal(std::string_view vault, std::uint64_t number,
                                                   const vault::Narrowing& narrowing) = 0;
  // What the agent has supplied for `key`, for the one who decides.
  virtual Expected<Secret> proposed_value(std::string_view vault, std::uint64_t number,
                                          std::string_view key) = 0;
  struct NewConnection {
    std::string key;
    OauthConnection connection;
  };
  // A credential that is to be kept in an external store.
  struct NewSource {
    std::string key;
    Source source;
  };
  struct ProposalApproval {
    std::vector<NewValue> values;    // take precedence over the agent's
    std::vector<NewSource> sources;  // and so do these; of each key a value or a source
    // For slots of the type oauth; a value of the same key takes precedence.
    std::vector<NewConnection> connections;
    vault::Narrowing narrowing;
    std::string reviewer;
    std::string fingerprint;  // of the review that was looked at
  };
  // Services, credentials and the decision in one transaction. kConflict: it does not wait any
  // more, or what would happen is not what was looked at. kInvalid: values are missing (named), or
  // more than were asked for.
  virtual Status approve_proposal(std::string_view vault, std::uint64_t number,
                                  const ProposalApproval& approval) = 0;
  virtual Status reject_proposal(std::string_view vault, std::uint64_t number,
                                 std::string_view reviewer, std::string_view note) = 0;

  // -- users, members, their sessions and invites; belongs to the store
  [[nodiscard]] virtual People& people() = 0;

  // -- what the proxy needs
  virtual Expected<vault::SnapshotPtr> load_snapshot(std::string_view vault) = 0;
  // A number that changes when another connection has committed since the last call: cheap enough
  // to ask several times a second.
  virtual Expected<std::uint64_t> change_counter() = 0;
  // Valid as long as the store is open and its key was not rotated; shared with the proxy.
  [[nodiscard]] virtual std::shared_ptr<const vault::KeyRing> key_ring() const = 0;

  // -- sealed items of the instance (the CA key): opaque to the store
  struct Item {
    std::string public_part;  // certificate, in PEM
    Secret secret_part;       // private key, in PEM
  };
  virtual Expected<std::optional<Item>> get_item(std::string_view name) = 0;
  virtual Status put_item(std::string_view name, const Item& item) = 0;

  // -- keys
  virtual Expected<KeyStatus> key_status() = 0;
  // Wraps the data key anew under a KEK that `source` keeps; what kept the old one is removed. The
  // data key stays, so an open store of another process goes on.
  virtual Status protect_key(const vault::KekSource& source, const vault::Keyholder& holder) = 0;
  // protect_key() with a passphrase, and back to a key file.
  virtual Status set_passphrase(const Secret& passphrase) = 0;
  virtual Status remove_passphrase() = 0;
  virtual Expected<OpenKek> open_kek() = 0;
  // New data key and, in file mode, new key file; everything re-sealed in one transaction.
  // `progress(done, total)` is called now and then.
  virtual Status rotate_key(const std::function<void(std::uint64_t, std::uint64_t)>& progress) = 0;
};

}  // namespace av::store
