#pragma once
// Proposals: what an agent asks a human to change in its vault, and what the human said. Nothing in
// one is to be believed: the agent wrote it. It takes effect only through Store::approve_proposal.
// Text shape: proposal_codec.h and agent-vault-proposal(1).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"
#include "vault/service.h"

namespace av::vault {

// What a link to the page of a proposal carries: it shows the proposal and decides nothing.
inline constexpr std::string_view kApprovalToken = "av_appr_";

struct ProposalLimits {
  static constexpr std::size_t kBody = std::size_t{1} << 20;
  static constexpr std::size_t kServices = 10;
  static constexpr std::size_t kSlots = 10;
  static constexpr std::size_t kPending = 20;  // in a vault
  // Characters.
  static constexpr std::size_t kDescription = 500;
  static constexpr std::size_t kObtain = 500;
  static constexpr std::size_t kInstructions = 1000;
  static constexpr std::size_t kMessage = 2000;
  static constexpr std::size_t kUserMessage = 5000;
  static constexpr std::size_t kNote = 2000;
  // Of one proposed service: methods, substitutions, variables, headers. A human has to read them.
  static constexpr std::size_t kParts = 20;
  static constexpr std::size_t kTemplate = 500;
  static constexpr std::int64_t kLifetimeMs = std::int64_t{7} * 24 * 3600 * 1000;
  static constexpr std::int64_t kLinkMs = std::int64_t{24} * 3600 * 1000;
  // Of a grant; one for a number of uses ends after this at the latest.
  static constexpr std::int64_t kGrantMs = std::int64_t{30} * 24 * 3600 * 1000;
  static constexpr std::uint32_t kUses = 10'000;
};

enum class ProposalAction : std::uint8_t { kSet, kDelete };
[[nodiscard]] std::string_view to_string(ProposalAction action);  // "set", "delete"

// How an OAuth credential is connected, as the agent knows it.
struct OauthConfig {
  std::string authorization_url;  // empty: tokens are pasted
  std::string token_url;
  std::string client_id;
  std::string scopes;
  std::string scope_separator;
  std::string token_auth_method;
  bool disable_pkce = false;
};

struct CredentialSlot {
  std::string key;
  ProposalAction action = ProposalAction::kSet;
  std::string description;
  std::string obtain;  // http:// or https:// URL
  std::string obtain_instructions;
  bool has_value = false;  // the agent has supplied one; it is sealed in the store
  std::optional<OauthConfig> oauth;
  [[nodiscard]] std::string_view type() const { return oauth ? "oauth" : "static"; }
};

struct ProposedService {
  enum class Action : std::uint8_t {
    kSet,
    kDelete,  // by name, or by host, port and path
    kEnable,  // an existing one, by name: only `enabled` changes
  };
  Action action = Action::kSet;
  bool named = false;  // else the name is found, or made, when it is applied
  // Without a word about substitutions, those of the service that is replaced stay (if its host and
  // port stay).
  bool keeps_substitutions = false;
  Service service;
};

struct ProposalRequest {
  std::string message;       // for developers
  std::string user_message;  // for the one who decides
  std::vector<CredentialSlot> slots;
  std::vector<ProposedService> services;
  [[nodiscard]] const CredentialSlot* slot(std::string_view key) const;
};

// What the human takes away before allowing. Nothing of it can add: see narrow().
struct ServiceNarrowing {
  std::string name;                  // as it will be called; empty: the only one
  std::string host;                  // host[:port][/path]; empty: as proposed
  std::string path;                  // empty: as proposed
  std::vector<std::string> methods;  // empty: as proposed
};
struct Narrowing {
  std::vector<ServiceNarrowing> services;
  std::int64_t for_ms = 0;  // all services, from the approval on; 0: as proposed
  std::uint32_t uses = 0;   // each service; 0: as proposed
  [[nodiscard]] bool empty() const { return services.empty() && for_ms == 0 && uses == 0; }
};

enum class ProposalState : std::uint8_t { kPending, kApplied, kRejected, kExpired };
[[nodiscard]] std::string_view to_string(ProposalState state);
[[nodiscard]] std::optional<ProposalState> proposal_state_from_string(std::string_view text);

// Who asks.
struct Proposer {
  std::string agent;  // name; "" for a run without one
  std::string agent_uid;
  std::string run;  // run or session id; "" for a person at a terminal
};

struct Proposal {
  std::uint64_t number = 0;  // in its vault; never used again
  std::string uid;
  std::string vault;
  Proposer by;
  ProposalRequest request;
  ProposalState state = ProposalState::kPending;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
  std::int64_t decided_ms = 0;
  std::string reviewer;     // "user:alice@terminal"
  std::string review_note;  // why it was rejected
  std::string narrowed;     // JSON of the Narrowing that it was applied with; empty: none
};

// A value that the agent has supplied with its request.
struct ProposedValue {
  std::string key;
  Secret value;
};

// Nothing but characters that are seen and stay where they are: no escape sequences, no controls,
// no bidirectional overrides. `lines`: line feeds may be there. `what` begins the message.
[[nodiscard]] Status check_shown_text(std::string_view what, std::string_view text,
                                      std::size_t most_characters, bool lines);
// http:// or https://, a host, no user information, ASCII.
[[nodiscard]] Status check_shown_url(std::string_view what, std::string_view url,
                                     std::size_t most_characters);

}  // namespace av::vault
