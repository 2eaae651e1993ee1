#pragma once
// SqliteStore: Store over one SQLite file. The methods are in sqlite_store.cc (opening, snapshots,
// items, keys) and in sqlite_vaults.cc, sqlite_credentials.cc, sqlite_services.cc, sqlite_rules.cc,
// sqlite_agents.cc, sqlite_approvals.cc, sqlite_proposals.cc and sqlite_oauth.cc.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "store/database.h"
#include "store/key_store.h"
#include "store/sqlite_people.h"
#include "store/store.h"

namespace av::store {

class SqliteStore final : public Store {
 public:
  static Expected<std::unique_ptr<SqliteStore>> open(const fs::Paths& paths, KeySources sources,
                                                     const Clock& clock);

  Expected<std::unique_ptr<Store>> another() override;

  Expected<std::vector<VaultInfo>> list_vaults() override;
  Expected<VaultInfo> get_vault(std::string_view name) override;
  Status create_vault(std::string_view name) override;
  Status rename_vault(std::string_view from, std::string_view to) override;
  Status delete_vault(std::string_view name) override;
  Status set_unmatched(std::string_view vault, vault::UnmatchedPolicy policy) override;
  Expected<std::string> current_vault() override;
  Status use_vault(std::string_view name) override;

  Expected<std::vector<bool>> set_credentials(std::string_view vault,
                                              const std::vector<NewValue>& values,
                                              std::string_view origin) override;
  Expected<std::vector<CredentialInfo>> list_credentials(std::string_view vault) override;
  Expected<Secret> get_credential(std::string_view vault, std::string_view key) override;
  Status delete_credentials(std::string_view vault, const std::vector<std::string>& keys) override;
  Expected<std::vector<CredentialVersion>> credential_history(std::string_view vault,
                                                              std::string_view key) override;
  Expected<std::uint64_t> rollback_credential(std::string_view vault, std::string_view key,
                                              std::uint64_t to) override;

  Status connect_login(std::string_view vault, std::string_view key,
                       const OauthConnection& connection,
                       const std::vector<vault::Service>& services,
                       std::int64_t replaces_ms) override;
  Expected<bool> connect_oauth(std::string_view vault, std::string_view key,
                               const OauthConnection& connection, std::string_view origin) override;
  Expected<OauthInfo> get_oauth(std::string_view vault, std::string_view key) override;
  Expected<std::vector<OauthInfo>> list_oauth(std::string_view vault) override;
  Expected<vault::OauthSecrets> oauth_secrets(std::string_view vault,
                                              std::string_view key) override;
  Status delete_oauth(const OauthInfo& info) override;
  Expected<BeginRefresh> begin_refresh(const vault::TokenName& name, std::uint64_t known,
                                       vault::RefreshReason reason) override;
  Expected<vault::FreshToken> finish_refresh(const vault::RefreshLease& lease,
                                             const vault::RefreshedTokens& tokens) override;
  Status fail_refresh(const vault::RefreshLease& lease,
                      const vault::RefreshFailure& failure) override;

  Expected<std::vector<ExternalStoreInfo>> list_stores(std::string_view vault) override;
  Expected<ExternalStoreInfo> get_store(std::string_view vault, std::string_view name) override;
  Expected<OpenedStore> open_store(std::string_view uid) override;
  Expected<std::string> pair_store(std::string_view vault, const vault::ExternalStore& store,
                                   const vault::StoreSecrets& secrets) override;
  Status keep_store(std::string_view uid, const vault::StoreSecrets& secrets) override;
  Status note_store(std::string_view uid, std::string_view error) override;
  Status note_missing(const vault::SourceRef& ref, std::string_view host, bool missing) override;
  Expected<std::string> add_lease(std::string_view store_uid, std::string_view id,
                                  std::int64_t owner, std::int64_t ends_ms) override;
  Status extend_lease(std::string_view uid, std::int64_t ends_ms) override;
  Status remove_lease(std::string_view uid) override;
  Expected<bool> adopt_lease(std::string_view uid, std::int64_t from, std::int64_t to,
                             std::int64_t retry_ms) override;
  Expected<std::vector<LeaseInfo>> list_leases(std::string_view store_uid) override;
  Expected<std::string> open_lease(std::string_view uid) override;
  Status remove_store(std::string_view vault, std::string_view name) override;
  Expected<bool> set_source(std::string_view vault, std::string_view key,
                            const Source& source) override;
  Expected<std::vector<SourceInfo>> list_sources(std::string_view vault) override;
  Status put_mapping(std::string_view vault, const vault::HostMapping& mapping) override;
  Status remove_mapping(std::string_view vault, std::string_view host,
                        std::string_view store) override;
  Expected<std::vector<vault::HostMapping>> list_mappings(std::string_view vault) override;

  Expected<std::vector<vault::Service>> list_services(std::string_view vault) override;
  Status put_services(std::string_view vault, const std::vector<vault::Service>& services) override;
  Status replace_services(std::string_view vault,
                          const std::vector<vault::Service>& services) override;
  Status remove_service(std::string_view vault, std::string_view name) override;
  Status enable_service(std::string_view vault, std::string_view name, bool enabled) override;

  Expected<std::vector<vault::Rule>> list_rules(std::string_view vault) override;
  Status put_rules(std::string_view vault, const std::vector<vault::Rule>& rules) override;
  Status replace_rules(std::string_view vault, const std::vector<vault::Rule>& rules) override;
  Status remove_rules(std::string_view vault, const std::vector<std::string>& names) override;
  Status enable_rule(std::string_view vault, std::string_view name, bool enabled) override;

  Expected<std::vector<vault::Agent>> list_agents() override;
  Expected<vault::Agent> get_agent(std::string_view name) override;
  Status create_agent(const vault::Agent& agent, const crypto::Digest& token_hash) override;
  Status update_agent(const vault::Agent& agent) override;
  Status rotate_agent(std::string_view name, const crypto::Digest& token_hash) override;
  Status revoke_agent(std::string_view name) override;
  Status delete_agent(std::string_view name) override;
  Expected<vault::Agent> agent_of_token(const crypto::Digest& token_hash) override;

  Status create_session(const SessionInfo& session, const crypto::Digest& token_hash) override;
  Expected<SessionInfo> session_of_token(const crypto::Digest& token_hash) override;
  Status end_session(std::string_view id) override;
  Expected<std::vector<TokenGrant>> token_grants() override;
  Expected<std::vector<SessionInfo>> list_sessions(std::string_view agent) override;

  Expected<std::vector<Approval>> list_approvals(std::string_view vault,
                                                 bool waiting_only) override;
  Expected<Approval> get_approval(std::string_view id) override;
  Status add_approval(const vault::ApprovalRequest& request) override;
  Status decide_approval(std::string_view id, vault::ApprovalState state,
                         const std::vector<vault::ApprovalGrant>& grants) override;
  Expected<std::vector<GrantInfo>> list_grants(std::string_view vault) override;
  Status revoke_grants(const std::vector<std::string>& ids) override;

  Expected<std::uint64_t> create_proposal(std::string_view vault, const vault::Proposer& by,
                                          const vault::ReadProposal& proposal,
                                          const crypto::Digest& link_hash) override;
  Expected<std::vector<vault::Proposal>> list_proposals(
      std::string_view vault, std::optional<vault::ProposalState> state) override;
  Expected<vault::Proposal> get_proposal(std::string_view vault, std::uint64_t number) override;
  Expected<vault::Proposal> proposal_of_link(const crypto::Digest& link_hash) override;
  Expected<ProposalReview> review_proposal(std::string_view vault, std::uint64_t number,
                                           const vault::Narrowing& narrowing) override;
  Expected<Secret> proposed_value(std::string_view vault, std::uint64_t number,
                                  std::string_view key) override;
  Status approve_proposal(std::string_view vault, std::uint64_t number,
                          const ProposalApproval& approval) override;
  Status reject_proposal(std::string_view vault, std::uint64_t number, std::string_view reviewer,
                         std::string_view note) override;
  [[nodiscard]] People& people() override { return people_; }

  Expected<vault::SnapshotPtr> load_snapshot(std::string_view vault) override;
  Expected<std::uint64_t> change_counter() override;
  [[nodiscard]] std::shared_ptr<const vault::KeyRing> key_ring() const override {
    return keys_.ring();
  }

  Expected<std::optional<Item>> get_item(std::string_view name) override;
  Status put_item(std::string_view name, const Item& item) override;

  Expected<KeyStatus> key_status() override { return keys_.status(database_); }
  Status set_passphrase(const Secret& passphrase) override;
  Status remove_passphrase() override { return keys_.remove_passphrase(database_); }
  Status protect_key(const vault::KekSource& source, const vault::Keyholder& holder) override {
    return keys_.protect(database_, source, holder);
  }
  Expected<OpenKek> open_kek() override { return keys_.open_kek(); }
  Status rotate_key(const std::function<void(std::uint64_t, std::uint64_t)>& progress) override;

  KeyStore& test_only_keys() { return keys_; }

 private:
  SqliteStore(Database database, KeyStore keys, const Clock& clock)
      : database_(std::move(database)), keys_(std::move(keys)), clock_(clock) {}

  struct VaultRow {
    std::int64_t id = 0;
    std::string uid;
    std::string name;
    vault::UnmatchedPolicy unmatched = vault::UnmatchedPolicy::kPassthrough;
  };
  struct CredentialRow {
    std::int64_t id = 0;
    std::uint64_t version = 0;
  };

  // The rest is for use inside a transaction: these let SQLite::Exception pass.
  [[nodiscard]] Expected<VaultRow> find_vault(std::string_view name);
  [[nodiscard]] Expected<CredentialRow> find_credential(const VaultRow& vault,
                                                        std::string_view key);
  [[nodiscard]] std::optional<CredentialRow> look_for_credential(const VaultRow& vault,
                                                                 std::string_view key);
  [[nodiscard]] std::vector<std::string> names(const char* sql, std::int64_t vault_id);
  [[nodiscard]] Expected<Secret> open_version(const VaultRow& vault, const CredentialRow& row,
                                              std::string_view key, std::uint64_t version);
  [[nodiscard]] Status add_version(const VaultRow& vault, std::int64_t credential_id,
                                   std::string_view key, std::uint64_t version,
                                   std::string_view value, std::string_view origin);
  // Whether it is new.
  [[nodiscard]] Expected<bool> save_value(const VaultRow& vault, std::string_view key,
                                          const Secret& value, std::string_view origin);
  struct OauthRow {
    std::int64_t id = 0;  // of the credential
    std::uint64_t version = 0;
    std::uint64_t sealed_version = 0;
    std::int64_t attempt_ms = 0;
    vault::OauthStatus status;
    crypto::Bytes sealed;
    bool damaged = false;  // the client cannot be read
  };
  [[nodiscard]] static OauthRow read_oauth_row(SQLite::Statement& statement);
  [[nodiscard]] Expected<std::optional<OauthRow>> look_for_oauth(const vault::TokenName& name);
  [[nodiscard]] Expected<OauthRow> find_oauth(const VaultRow& vault, std::string_view key);
  [[nodiscard]] Expected<vault::OauthSecrets> open_oauth(const vault::TokenName& name,
                                                         const OauthRow& row);
  [[nodiscard]] Expected<vault::FreshToken> token_of(const OauthRow& row);
  // In the place of the one before; sealed by the number of `version`.
  [[nodiscard]] Status keep_refresh_token(const vault::TokenName& name, const OauthRow& row,
                                          std::uint64_t version, const Secret& token);
  [[nodiscard]] Status load_token_times(const VaultRow& vault, vault::PolicySnapshot& snapshot);
  // Value and what stands beside it; whether it is new.
  [[nodiscard]] Expected<bool> save_connection(const VaultRow& vault, std::string_view key,
                                               const OauthConnection& connection,
                                               std::string_view origin);
  // Forgets what stood beside its value, or where it was kept.
  void make_static(std::int64_t credential_id);
  // kInvalid for a credential whose value is in an external store.
  [[nodiscard]] Status check_kept_here(std::int64_t credential_id, std::string_view key);
  // kConflict for one: it is changed there, and a value of ours would hide that.
  [[nodiscard]] Status check_changed_here(std::int64_t credential_id, std::string_view key);
  struct ExternalRow {
    std::int64_t id = 0;
    std::uint64_t sealed_version = 0;
    crypto::Bytes sealed;
    std::string vault_uid;
    std::string settings;  // their text, which `sealed` is bound to
    ExternalStoreInfo info;
  };
  // `old`, when given: whether it was not bound to kind and settings yet.
  [[nodiscard]] static Expected<Secret> unseal(const vault::KeyRing& ring, const ExternalRow& row,
                                               bool* old);
  [[nodiscard]] Expected<OpenedStore> open_sealed_store(std::string_view uid, bool& old);
  [[nodiscard]] Status bind_store(std::string_view uid);
  [[nodiscard]] Status reseal_row(const vault::KeyRing& from, const vault::KeyRing& to,
                                  const ExternalRow& row);
  [[nodiscard]] Expected<ExternalRow> read_external(SQLite::Statement& statement);
  [[nodiscard]] Expected<ExternalRow> find_external(const VaultRow& vault, std::string_view name);
  // Whether it is new.
  [[nodiscard]] Expected<bool> save_source(const VaultRow& vault, std::string_view key,
                                           const Source& source);
  [[nodiscard]] Status load_sources(const VaultRow& vault, vault::PolicySnapshot& snapshot);
  [[nodiscard]] Expected<std::vector<vault::HostMapping>> load_mappings(std::int64_t vault_id);
  [[nodiscard]] Status reseal_external(const vault::KeyRing& from, const vault::KeyRing& to);
  [[nodiscard]] Status reseal_leases(const vault::KeyRing& from, const vault::KeyRing& to);
  [[nodiscard]] Status reseal_oauth(const vault::KeyRing& from, const vault::KeyRing& to);
  [[nodiscard]] Expected<std::vector<vault::Service>> load_services(std::int64_t vault_id);
  [[nodiscard]] Expected<std::vector<vault::Rule>> load_rules(std::int64_t vault_id);
  // By name; all that are not revoked and may act in the vault.
  [[nodiscard]] Expected<std::map<std::string, vault::Agent, std::less<>>> load_agents(
      std::string_view vault);
  [[nodiscard]] Expected<vault::Agent> find_agent(std::string_view name);
  [[nodiscard]] Expected<std::int64_t> agent_id(std::string_view name);
  void end_sessions_of(std::int64_t agent_id, std::int64_t now_ms);
  Status remove_vault_from_agents(std::string_view vault);
  [[nodiscard]] Status rename_vault_in_agents(std::string_view from, std::string_view to);
  [[nodiscard]] std::vector<vault::ApprovalGrant> load_grants(std::int64_t vault_id);
  struct ProposalRow {
    std::int64_t id = 0;
    vault::Proposal proposal;
  };
  [[nodiscard]] Expected<ProposalRow> find_proposal(const VaultRow& vault, std::uint64_t number);
  // kConflict unless it waits.
  [[nodiscard]] Expected<ProposalRow> find_waiting(const VaultRow& vault, std::uint64_t number);
  [[nodiscard]] Expected<vault::VaultState> load_state(const VaultRow& vault,
                                                       const vault::Proposer& by);
  [[nodiscard]] Expected<vault::ProposalPlan> plan_now(const vault::Proposal& proposal,
                                                       const vault::VaultState& state);
  void tidy_proposals(const VaultRow& vault);
  // The value that the agent supplied; none when it did not.
  [[nodiscard]] Expected<std::optional<Secret>> open_proposed(const VaultRow& vault,
                                                              const ProposalRow& row,
                                                              std::string_view key);
  [[nodiscard]] Status apply(const VaultRow& vault, const ProposalRow& row,
                             const vault::ProposalPlan& plan, const ProposalApproval& approval);
  void close_proposal(std::int64_t id, vault::ProposalState state, std::string_view reviewer,
                      std::string_view note, const std::string& narrowed);
  [[nodiscard]] Status reseal_proposals(const vault::KeyRing& from, const vault::KeyRing& to);
  [[nodiscard]] Status put_service(std::int64_t vault_id, const vault::Service& service);
  [[nodiscard]] Status reseal_credentials(
      const vault::KeyRing& from, const vault::KeyRing& to,
      const std::function<void(std::uint64_t, std::uint64_t)>& progress);
  [[nodiscard]] Status reseal_items(const vault::KeyRing& from, const vault::KeyRing& to);

  // A transaction that also follows a key that another process changed: for sealed values.
  template <typename F>
  std::invoke_result_t<F> write_sealed(std::string_view what, F&& body) {
    return database_.write(what, [&]() -> std::invoke_result_t<F> {
      AV_CHECK(keys_.refresh(database_));
      return body();
    });
  }
  template <typename F>
  std::invoke_result_t<F> read_sealed(std::string_view what, F&& body) {
    return database_.read(what, [&]() -> std::invoke_result_t<F> {
      AV_CHECK(keys_.refresh(database_));
      return body();
    });
  }

  Database database_;
  KeyStore keys_;
  const Clock& clock_;
  SqlitePeople people_{database_, clock_};
  std::unique_ptr<SQLite::Statement> data_version_;
};

// Inside a write transaction; whether the name is free and well-formed is the caller's to know.
Status insert_vault(Database& database, std::string_view name, std::int64_t now_ms);

// Its name and its size.
[[nodiscard]] Status check_new_value(const Store::NewValue& value);
[[nodiscard]] Status check_new_connection(std::string_view key,
                                          const Store::OauthConnection& connection);

// kNotFound, with the nearest of `candidates` in the hint.
[[nodiscard]] Error not_found(std::string_view what, std::string_view name,
                              const std::vector<std::string>& candidates, std::string_view command);

}  // namespace av::store
