#include <algorithm>

#include "store/sqlite_store.h"
#include "vault/names.h"

namespace av::store {
namespace {

using vault::Proposal;
using vault::ProposalLimits;
using vault::ProposalState;

constexpr std::string_view kRead = "cannot read the store";
constexpr std::string_view kSave = "cannot save the proposal";
constexpr std::string_view kKind = "proposal";
constexpr std::string_view kListProposals = "agent-vault proposal list --status all";
constexpr std::int64_t kKeepDecidedMs = std::int64_t{90} * 24 * 3600 * 1000;
constexpr std::int64_t kKeepDecided = 500;  // in a vault

constexpr const char* kColumns =
    "SELECT p.id, p.number, p.uid, p.state, p.agent, p.agent_uid, p.run, p.body, p.created_ms,"
    " p.expires_ms, p.decided_ms, p.reviewer, p.review_note, p.narrowed, v.name"
    " FROM proposal p JOIN vault v ON v.id = p.vault_id ";

std::string name_of(const Proposal& proposal) {
  return "proposal " + std::to_string(proposal.number) + " of vault '" + proposal.vault + "'";
}

// Expiry is a matter of the clock, not of who last tidied up.
Expected<Proposal> proposal_of(const SQLite::Statement& row, std::int64_t now_ms) {
  Proposal out;
  out.number = unsigned_of(row.getColumn(1));
  out.uid = row.getColumn(2).getString();
  const auto state = vault::proposal_state_from_string(row.getColumn(3).getString());
  out.by = {row.getColumn(4).getString(), row.getColumn(5).getString(),
            row.getColumn(6).getString()};
  auto request = vault::proposal_request_from_json(row.getColumn(7).getString());
  out.created_ms = row.getColumn(8).getInt64();
  out.expires_ms = row.getColumn(9).getInt64();
  out.decided_ms = row.getColumn(10).getInt64();
  out.reviewer = row.getColumn(11).getString();
  out.review_note = row.getColumn(12).getString();
  out.narrowed = row.getColumn(13).getString();
  out.vault = row.getColumn(14).getString();
  if (!state || !request) {
    return make_error(ErrorCode::kCorrupt, name_of(out) + " in the store cannot be read",
                      "restore the store from a backup");
  }
  out.request = std::move(*request);
  out.state = *state == ProposalState::kPending && out.expires_ms <= now_ms
                  ? ProposalState::kExpired
                  : *state;
  return out;
}

std::string sealed_name(const Proposal& proposal, std::string_view key) {
  return proposal.uid + "/" + std::string(key);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    out += (out.empty() ? "" : ", ") + word;
  }
  return out;
}

}  // namespace

Expected<SqliteStore::ProposalRow> SqliteStore::find_proposal(const VaultRow& vault,
                                                              std::uint64_t number) {
  auto statement =
      database_.prepare((std::string(kColumns) + "WHERE p.vault_id = ? AND p.number = ?").c_str());
  put(statement, 1, vault.id);
  put(statement, 2, number);
  if (!statement.executeStep()) {
    return make_error(ErrorCode::kNotFound,
                      "no proposal " + std::to_string(number) + " in vault '" + vault.name + "'",
                      std::string(kListProposals));
  }
  ProposalRow row;
  row.id = statement.getColumn(0).getInt64();
  AV_TRY(row.proposal, proposal_of(statement, clock_.wall_ms()));
  return row;
}

Expected<SqliteStore::ProposalRow> SqliteStore::find_waiting(const VaultRow& vault,
                                                             std::uint64_t number) {
  AV_TRY(ProposalRow row, find_proposal(vault, number));
  if (row.proposal.state != ProposalState::kPending) {
    return make_error(ErrorCode::kConflict,
                      name_of(row.proposal) + " does not wait any more: it is " +
                          std::string(to_string(row.proposal.state)),
                      "the agent can file it again");
  }
  return row;
}

Expected<vault::VaultState> SqliteStore::load_state(const VaultRow& vault,
                                                    const vault::Proposer& by) {
  vault::VaultState state;
  AV_TRY(state.services, load_services(vault.id));
  auto statement =
      database_.prepare("SELECT key, current_version FROM credential WHERE vault_id = ?");
  put(statement, 1, vault.id);
  while (statement.executeStep()) {
    state.credentials.emplace(statement.getColumn(0).getString(),
                              unsigned_of(statement.getColumn(1)));
  }
  state.unmatched = vault.unmatched;
  if (!by.agent.empty()) {
    AV_TRY(const auto agents, load_agents(vault.name));
    const auto it = agents.find(by.agent);
    state.agent_gone = it == agents.end() || it->second.uid != by.agent_uid;
    if (!state.agent_gone) {
      state.agent = it->second;
    }
  }
  return state;
}

Expected<vault::ProposalPlan> SqliteStore::plan_now(const Proposal& proposal,
                                                    const vault::VaultState& state) {
  Expected<vault::ProposalPlan> plan = vault::plan_of(proposal.request, state);
  if (!plan) {
    return make_error(
        ErrorCode::kConflict,
        name_of(proposal) + " does not fit the vault any more: " + plan.error().message,
        "reject it; the agent can file another");
  }
  return plan;
}

void SqliteStore::tidy_proposals(const VaultRow& vault) {
  const std::int64_t now = clock_.wall_ms();
  auto expire = database_.prepare(
      "UPDATE proposal SET state = 'expired', decided_ms = expires_ms"
      " WHERE state = 'pending' AND expires_ms <= ?");
  put(expire, 1, now);
  expire.exec();
  database_.exec(
      "DELETE FROM proposal_value WHERE proposal_id IN"
      " (SELECT id FROM proposal WHERE state <> 'pending')");
  auto prune = database_.prepare(
      "DELETE FROM proposal WHERE state <> 'pending' AND (decided_ms < ?1 OR (vault_id = ?2 AND"
      " id NOT IN (SELECT id FROM proposal WHERE vault_id = ?2 AND state <> 'pending'"
      " ORDER BY number DESC LIMIT ?3)))");
  put(prune, 1, now - kKeepDecidedMs);
  put(prune, 2, vault.id);
  put(prune, 3, kKeepDecided);
  prune.exec();
}

Expected<std::uint64_t> SqliteStore::create_proposal(std::string_view vault,
                                                     const vault::Proposer& by,
                                                     const vault::ReadProposal& proposal,
                                                     const crypto::Digest& link_hash) {
  return write_sealed(kSave, [&]() -> Expected<std::uint64_t> {
    AV_TRY(const VaultRow row, find_vault(vault));
    tidy_proposals(row);
    auto count =
        database_.prepare("SELECT count(*) FROM proposal WHERE vault_id = ? AND state = 'pending'");
    put(count, 1, row.id);
    count.executeStep();
    if (count.getColumn(0).getInt64() >= std::int64_t{ProposalLimits::kPending}) {
      return make_error(
          ErrorCode::kConflict,
          std::to_string(ProposalLimits::kPending) + " proposals wait in this vault already",
          "wait until a person has decided some of them");
    }
    AV_TRY(const vault::VaultState state, load_state(row, by));
    Expected<vault::ProposalPlan> plan = vault::plan_of(proposal.request, state);
    if (!plan) {
      Error error = std::move(plan.error());
      error.code = error.code == ErrorCode::kConflict ? ErrorCode::kInvalid : error.code;
      return error;
    }
    auto next =
        database_.prepare("UPDATE vault SET last_proposal = last_proposal + 1 WHERE id = ?");
    put(next, 1, row.id);
    next.exec();
    auto last = database_.prepare("SELECT last_proposal FROM vault WHERE id = ?");
    put(last, 1, row.id);
    last.executeStep();
    Proposal made;
    made.number = unsigned_of(last.getColumn(0));
    made.uid = crypto::random_hex(16);
    made.vault = row.name;
    const std::int64_t now = clock_.wall_ms();
    auto insert = database_.prepare(
        "INSERT INTO proposal (vault_id, number, uid, state, agent, agent_uid, run, body,"
        " link_hash, link_expires_ms, created_ms, expires_ms)"
        " VALUES (?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?)");
    put(insert, 1, row.id);
    put(insert, 2, made.number);
    put(insert, 3, made.uid);
    put(insert, 4, by.agent);
    put(insert, 5, by.agent_uid);
    put(insert, 6, by.run);
    put(insert, 7, vault::proposal_request_to_json(proposal.request));
    put(insert, 8, crypto::Bytes(link_hash.begin(), link_hash.end()));
    put(insert, 9, now + ProposalLimits::kLinkMs);
    put(insert, 10, now);
    put(insert, 11, now + ProposalLimits::kLifetimeMs);
    insert.exec();
    const std::int64_t id = database_.last_id();
    for (const vault::ProposedValue& value : proposal.values) {
      const std::string name = sealed_name(made, value.key);
      AV_TRY(const crypto::Bytes sealed, value.value.reveal([&](std::string_view bytes) {
        return keys_.ring()->seal({row.uid, kKind, name, 0}, bytes);
      }));
      auto keep = database_.prepare(
          "INSERT INTO proposal_value (proposal_id, key, sealed) VALUES (?, ?, ?)");
      put(keep, 1, id);
      put(keep, 2, value.key);
      put(keep, 3, sealed);
      keep.exec();
    }
    return made.number;
  });
}

Expected<std::vector<Proposal>> SqliteStore::list_proposals(std::string_view vault,
                                                            std::optional<ProposalState> state) {
  return database_.read(kRead, [&]() -> Expected<std::vector<Proposal>> {
    VaultRow row;  // id 0: every vault
    if (!vault.empty()) {
      AV_TRY(row, find_vault(vault));
    }
    auto statement =
        database_.prepare((std::string(kColumns) +
                           "WHERE (?1 = 0 OR p.vault_id = ?1) AND (?2 = 0 OR p.state = 'pending')"
                           " ORDER BY p.created_ms DESC, p.id DESC")
                              .c_str());
    put(statement, 1, row.id);
    put(statement, 2, std::int64_t{state == ProposalState::kPending ? 1 : 0});
    const std::int64_t now = clock_.wall_ms();
    std::vector<Proposal> out;
    while (statement.executeStep()) {
      AV_TRY(Proposal proposal, proposal_of(statement, now));
      if (!state || proposal.state == *state) {
        out.push_back(std::move(proposal));
      }
    }
    return out;
  });
}

Expected<Proposal> SqliteStore::get_proposal(std::string_view vault, std::uint64_t number) {
  return database_.read(kRead, [&]() -> Expected<Proposal> {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(ProposalRow found, find_proposal(row, number));
    return std::move(found.proposal);
  });
}

Expected<Proposal> SqliteStore::proposal_of_link(const crypto::Digest& link_hash) {
  return database_.read(kRead, [&]() -> Expected<Proposal> {
    const std::int64_t now = clock_.wall_ms();
    auto statement = database_.prepare(
        (std::string(kColumns) + "WHERE p.link_hash = ? AND p.link_expires_ms > ?").c_str());
    put(statement, 1, crypto::Bytes(link_hash.begin(), link_hash.end()));
    put(statement, 2, now);
    if (!statement.executeStep()) {
      return make_error(ErrorCode::kNotPermitted, "this link does not open a proposal any more",
                        "sign in, and see the proposals of the vault");
    }
    return proposal_of(statement, now);
  });
}

Expected<Store::ProposalReview> SqliteStore::review_proposal(std::string_view vault,
                                                             std::uint64_t number,
                                                             const vault::Narrowing& narrowing) {
  return database_.read(kRead, [&]() -> Expected<ProposalReview> {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(ProposalRow found, find_waiting(row, number));
    ProposalReview review;
    review.proposal = std::move(found.proposal);
    AV_TRY(const vault::VaultState state, load_state(row, review.proposal.by));
    AV_TRY(vault::ProposalPlan plan, plan_now(review.proposal, state));
    review.diff.fingerprint = vault::fingerprint_of(review.proposal, plan, state);
    AV_CHECK(vault::narrow(plan, narrowing, clock_.wall_ms(), {}));
    review.diff.lines = vault::diff_of(review.proposal.request, plan, state);
    for (const vault::CredentialChange& change : plan.credentials) {
      if (!change.remove && !change.has_value) {
        review.diff.needed.push_back(change.key);
      }
    }
    return review;
  });
}

Expected<std::optional<Secret>> SqliteStore::open_proposed(const VaultRow& vault,
                                                           const ProposalRow& row,
                                                           std::string_view key) {
  auto statement =
      database_.prepare("SELECT sealed FROM proposal_value WHERE proposal_id = ? AND key = ?");
  put(statement, 1, row.id);
  put(statement, 2, key);
  if (!statement.executeStep()) {
    return std::optional<Secret>();
  }
  const std::string name = sealed_name(row.proposal, key);
  Expected<Secret> value =
      keys_.ring()->open({vault.uid, kKind, name, 0}, blob(statement.getColumn(0)));
  if (!value) {
    return make_error(ErrorCode::kCorrupt,
                      "the value of " + std::string(key) + " in " + name_of(row.proposal) +
                          " was damaged or tampered with",
                      "reject it; the agent can file another");
  }
  return std::optional<Secret>(std::move(*value));
}

Expected<Secret> SqliteStore::proposed_value(std::string_view vault, std::uint64_t number,
                                             std::string_view key) {
  return read_sealed(kRead, [&]() -> Expected<Secret> {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(const ProposalRow found, find_waiting(row, number));
    AV_TRY(std::optional<Secret> value, open_proposed(row, found, key));
    if (!value) {
      return make_error(ErrorCode::kNotFound,
                        name_of(found.proposal) + " brings no value of " + std::string(key));
    }
    return std::move(*value);
  });
}

Status SqliteStore::apply(const VaultRow& vault, const ProposalRow& row,
                          const vault::ProposalPlan& plan, const ProposalApproval& approval) {
  const std::string origin = "proposal " + std::to_string(row.proposal.number);
  std::vector<std::string> missing;
  for (const vault::CredentialChange& change : plan.credentials) {
    if (change.remove) {
      AV_TRY(const CredentialRow credential, find_credential(vault, change.key));
      auto statement = database_.prepare("DELETE FROM credential WHERE id = ?");
      put(statement, 1, credential.id);
      statement.exec();
      continue;
    }
    const auto given = std::find_if(approval.values.begin(), approval.values.end(),
                                    [&](const NewValue& value) { return value.key == change.key; });
    if (given != approval.values.end()) {
      AV_CHECK(save_value(vault, change.key, given->value, origin));
      continue;
    }
    const auto kept = std::find_if(approval.sources.begin(), approval.sources.end(),
                                   [&](const NewSource& one) { return one.key == change.key; });
    if (kept != approval.sources.end()) {
      AV_CHECK(save_source(vault, change.key, kept->source));
      continue;
    }
    const auto connected =
        std::find_if(approval.connections.begin(), approval.connections.end(),
                     [&](const NewConnection& one) { return one.key == change.key; });
    if (connected != approval.connections.end()) {
      AV_CHECK(save_connection(vault, change.key, connected->connection, origin));
      continue;
    }
    AV_TRY(const std::optional<Secret> value, open_proposed(vault, row, change.key));
    if (value) {
      AV_CHECK(save_value(vault, change.key, *value, origin));
    } else {
      missing.push_back(change.key);
    }
  }
  if (!missing.empty()) {
    return make_error(ErrorCode::kInvalid, "these values are missing: " + joined(missing),
                      "give each of them, or reject the proposal");
  }
  for (const vault::ServiceChange& change : plan.services) {
    if (change.after) {
      AV_CHECK(put_service(vault.id, *change.after));
      continue;
    }
    auto statement = database_.prepare("DELETE FROM service WHERE vault_id = ? AND name = ?");
    put(statement, 1, vault.id);
    put(statement, 2, change.before->name);
    statement.exec();
  }
  return {};
}

void SqliteStore::close_proposal(std::int64_t id, ProposalState state, std::string_view reviewer,
                                 std::string_view note, const std::string& narrowed) {
  auto update = database_.prepare(
      "UPDATE proposal SET state = ?, decided_ms = ?, reviewer = ?, review_note = ?, narrowed = ?"
      " WHERE id = ?");
  put(update, 1, to_string(state));
  put(update, 2, clock_.wall_ms());
  put(update, 3, reviewer);
  put(update, 4, note);
  put(update, 5, narrowed);
  put(update, 6, id);
  update.exec();
  auto forget = database_.prepare("DELETE FROM proposal_value WHERE proposal_id = ?");
  put(forget, 1, id);
  forget.exec();
}

Status SqliteStore::approve_proposal(std::string_view vault, std::uint64_t number,
                                     const ProposalApproval& approval) {
  for (const NewValue& value : approval.values) {
    AV_CHECK(check_new_value(value));
  }
  for (const NewSource& one : approval.sources) {
    AV_CHECK(vault::check_credential_key(one.key));
    if (std::any_of(approval.values.begin(), approval.values.end(),
                    [&](const NewValue& value) { return value.key == one.key; })) {
      return make_error(ErrorCode::kInvalid,
                        one.key + " has been given a value, and a place where it is kept",
                        "give one of them");
    }
  }
  for (const NewConnection& one : approval.connections) {
    AV_CHECK(check_new_connection(one.key, one.connection));
  }
  if (approval.reviewer.empty()) {
    return make_error(ErrorCode::kInternal, "nobody is said to have approved the proposal");
  }
  return write_sealed(kSave, [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(const ProposalRow found, find_waiting(row, number));
    const auto check_asked = [&](const std::string& key) -> Status {
      const vault::CredentialSlot* const slot = found.proposal.request.slot(key);
      if (slot == nullptr || slot->action != vault::ProposalAction::kSet) {
        return make_error(ErrorCode::kInvalid,
                          name_of(found.proposal) + " does not ask for " + key);
      }
      return {};
    };
    for (const NewValue& value : approval.values) {
      AV_CHECK(check_asked(value.key));
    }
    for (const NewSource& one : approval.sources) {
      AV_CHECK(check_asked(one.key));
    }
    for (const NewConnection& one : approval.connections) {
      const vault::CredentialSlot* const slot = found.proposal.request.slot(one.key);
      if (slot == nullptr || slot->action != vault::ProposalAction::kSet || !slot->oauth) {
        return make_error(ErrorCode::kInvalid,
                          name_of(found.proposal) + " does not ask to connect " + one.key);
      }
    }
    AV_TRY(const vault::VaultState state, load_state(row, found.proposal.by));
    AV_TRY(vault::ProposalPlan plan, plan_now(found.proposal, state));
    if (vault::fingerprint_of(found.proposal, plan, state) != approval.fingerprint) {
      return make_error(ErrorCode::kConflict,
                        "the vault has changed since " + name_of(found.proposal) + " was looked at",
                        "look at what it would do now, and decide again");
    }
    AV_CHECK(vault::narrow(plan, approval.narrowing, clock_.wall_ms(),
                           "proposal-" + std::to_string(number)));
    AV_CHECK(apply(row, found, plan, approval));
    close_proposal(found.id, ProposalState::kApplied, approval.reviewer, {},
                   vault::narrowing_to_json(approval.narrowing));
    return {};
  });
}

Status SqliteStore::reject_proposal(std::string_view vault, std::uint64_t number,
                                    std::string_view reviewer, std::string_view note) {
  AV_CHECK(vault::check_shown_text("the reason", note, ProposalLimits::kNote, /*lines=*/true));
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(const ProposalRow found, find_waiting(row, number));
    close_proposal(found.id, ProposalState::kRejected, reviewer, note, {});
    return {};
  });
}

Status SqliteStore::reseal_proposals(const vault::KeyRing& from, const vault::KeyRing& to) {
  struct Place {
    std::int64_t id;
    std::string vault_uid, name;
    crypto::Bytes sealed;
  };
  std::vector<Place> places;
  auto select = database_.prepare(
      "SELECT pv.id, v.uid, p.uid || '/' || pv.key, pv.sealed FROM proposal_value pv"
      " JOIN proposal p ON p.id = pv.proposal_id JOIN vault v ON v.id = p.vault_id");
  while (select.executeStep()) {
    places.push_back({select.getColumn(0).getInt64(), select.getColumn(1).getString(),
                      select.getColumn(2).getString(), blob(select.getColumn(3))});
  }
  for (const Place& place : places) {
    const vault::SealContext context{place.vault_uid, kKind, place.name, 0};
    const Expected<Secret> value = from.open(context, place.sealed);
    if (!value) {
      return make_error(ErrorCode::kCorrupt,
                        "a value that an agent proposed was damaged or tampered with",
                        "nothing was changed; reject that proposal, then try again");
    }
    AV_TRY(const crypto::Bytes sealed,
           value->reveal([&](std::string_view bytes) { return to.seal(context, bytes); }));
    auto update = database_.prepare("UPDATE proposal_value SET sealed = ? WHERE id = ?");
    put(update, 1, sealed);
    put(update, 2, place.id);
    update.exec();
  }
  return {};
}

}  // namespace av::store
