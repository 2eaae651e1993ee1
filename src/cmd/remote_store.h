#pragma once
// RemoteStore: the part of a Store that commands use, done by the API of a `serve` elsewhere. So a
// command is written once, says the same and prints the same JSON, wherever the store is; what it
// does is decided and put on the log over there, under the rights of whoever the token belongs to.
//
// What the API does not offer is kUnsupported with what to do instead; nothing here falls back to
// the store of this machine. An object belongs to one thread; each call is a request and waits.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/store_check.h"
#include "cmd/api_client.h"
#include "cmd/remote_people.h"
#include "store/store.h"
#include "vault/json_view.h"

namespace av::cmd {

class RemoteStore final : public store::Store {
 public:
  explicit RemoteStore(ApiClient api);

  // -- what only a server can do for us: it makes the token
  Expected<Secret> create_agent_with_token(const vault::Agent& agent);
  Expected<Secret> rotate_agent_token(std::string_view name);
  [[nodiscard]] ApiClient& api() { return *api_; }

  // -- external stores, which the server asks
  Expected<source::About> pair_there(std::string_view vault, const vault::ExternalStore& store,
                                     const vault::StoreSecrets& secrets);
  // An empty reference: all that refers to the store.
  Expected<std::vector<api::StoreCheck>> test_store(std::string_view vault, std::string_view name,
                                                    std::string_view reference);
  Expected<std::vector<source::Listed>> browse_store(std::string_view vault, std::string_view name,
                                                     std::string_view reference);
  Expected<Secret> read_credential(std::string_view vault, std::string_view store,
                                   std::string_view key);
  Expected<Secret> read_reference(std::string_view vault, std::string_view store,
                                  std::string_view reference);
  // Why the store could not be told that it is forgotten; empty: it was.
  Expected<std::string> unpair_store(std::string_view vault, std::string_view name);

  // Whether the token is a person's. False for an agent's, and for one that the server does not
  // know: what is asked next will say so.
  Expected<bool> is_person();

  Expected<std::unique_ptr<Store>> another() override;

  Expected<std::vector<store::VaultInfo>> list_vaults() override;
  Expected<store::VaultInfo> get_vault(std::string_view name) override;
  Status create_vault(std::string_view name) override;
  Status rename_vault(std::string_view from, std::string_view to) override;
  Status delete_vault(std::string_view name) override;
  Status set_unmatched(std::string_view vault, vault::UnmatchedPolicy policy) override;
  // The only vault of whoever has but one.
  Expected<std::string> current_vault() override;
  Status use_vault(std::string_view name) override;

  Expected<std::vector<bool>> set_credentials(std::string_view vault,
                                              const std::vector<NewValue>& values,
                                              std::string_view origin) override;
  Expected<std::vector<store::CredentialInfo>> list_credentials(std::string_view vault) override;
  Expected<Secret> get_credential(std::string_view vault, std::string_view key) override;
  Status delete_credentials(std::string_view vault, const std::vector<std::string>& keys) override;
  Expected<std::vector<store::CredentialVersion>> credential_history(std::string_view vault,
                                                                     std::string_view key) override;
  Expected<std::uint64_t> rollback_credential(std::string_view vault, std::string_view key,
                                              std::uint64_t to) override;

  Expected<bool> connect_oauth(std::string_view vault, std::string_view key,
                               const OauthConnection& connection, std::string_view origin) override;
  Status connect_login(std::string_view vault, std::string_view key,
                       const OauthConnection& connection,
                       const std::vector<vault::Service>& services,
                       std::int64_t replaces_ms) override;
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
  // One after the other: the first that fails is the last.
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

  Status create_session(const store::SessionInfo& session,
                        const crypto::Digest& token_hash) override;
  Expected<store::SessionInfo> session_of_token(const crypto::Digest& token_hash) override;
  Status end_session(std::string_view id) override;
  Expected<std::vector<TokenGrant>> token_grants() override;
  Expected<std::vector<store::SessionInfo>> list_sessions(std::string_view agent) override;

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

  [[nodiscard]] store::People& people() override { return people_; }
  [[nodiscard]] RemotePeople& remote_people() { return people_; }

  // Services, names of credentials, the policy for the rest; rules and agents where the token may
  // see them. Without values and without what has been counted or granted.
  Expected<vault::SnapshotPtr> load_snapshot(std::string_view vault) override;
  Expected<std::uint64_t> change_counter() override;
  [[nodiscard]] std::shared_ptr<const vault::KeyRing> key_ring() const override { return nullptr; }

  Expected<std::optional<Item>> get_item(std::string_view name) override;
  Status put_item(std::string_view name, const Item& item) override;

  Expected<store::KeyStatus> key_status() override;
  Status set_passphrase(const Secret& passphrase) override;
  Status remove_passphrase() override;
  Status protect_key(const vault::KekSource& source, const vault::Keyholder& holder) override;
  Expected<store::OpenKek> open_kek() override;
  Status rotate_key(const std::function<void(std::uint64_t, std::uint64_t)>& progress) override;

 private:
  Expected<std::vector<std::string>> vaults_meant(std::string_view vault);
  Expected<Secret> read_from(std::string_view vault, std::string_view store,
                             const std::string& body);
  // The member "value" or "value_base64"; kNotFound when there is neither.
  static Expected<Secret> value_in(const vault::JsonView& item);
  std::shared_ptr<ApiClient> api_;  // shared with people_
  RemotePeople people_;
};

}  // namespace av::cmd
