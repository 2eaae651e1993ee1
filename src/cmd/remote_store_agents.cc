// RemoteStore: agents and what they ask people for.

#include <algorithm>

#include "api/json_view.h"
#include "cmd/remote_json.h"
#include "cmd/remote_store.h"
#include "vault/names.h"
#include "vault/proposal_codec.h"

namespace av::cmd {
namespace {

using remote_json::ask;
using remote_json::done;
using remote_json::Json;
using remote_json::not_here;
using remote_json::path;
using remote_json::tell;
using remote_json::text;
using store::Store;

vault::Agent agent_of(const Json& json) {
  vault::Agent agent;
  agent.name = text(json, "name");
  agent.uid = text(json, "id");
  for (const Json& item : remote_json::list(json, "vaults")) {
    agent.vaults.push_back(text(item, "vault_name"));
  }
  agent.services = remote_json::texts(json, "services");
  agent.credentials = remote_json::texts(json, "credentials");
  agent.max_concurrent = static_cast<std::uint32_t>(remote_json::number(json, "max_concurrent"));
  if (const auto limit = json.find("limit"); limit != json.end() && limit->is_object()) {
    agent.limit.count = static_cast<std::uint32_t>(remote_json::number(*limit, "count"));
    agent.limit.window =
        vault::rate_window_from_string(text(*limit, "window")).value_or(agent.limit.window);
  }
  agent.created_ms = remote_json::time(json, "created_at");
  agent.rotated_ms = remote_json::time(json, "rotated_at");
  agent.revoked_ms = remote_json::time(json, "revoked_at");
  return agent;
}

// The token in an answer that has one, straight into locked memory.
Expected<Secret> token_of(ApiClient& api, std::string_view target, std::string_view body) {
  AV_TRY(const HttpReply reply, api.exchange("POST", target, body));
  AV_TRY(const api::JsonDocument document, api::JsonDocument::parse(reply.body.view()));
  const auto token = document.root().find("av_agent_token");
  if (!token) {
    return make_error(ErrorCode::kNetwork, "the answer of agent-vault has no token");
  }
  return token->secret();
}

Expected<vault::Proposal> proposal_of(const Json& json) {
  Json request = Json::object();
  for (const char* const member : {"services", "credentials", "message", "user_message"}) {
    if (const auto it = json.find(member); it != json.end()) {
      request[member] = *it;
    }
  }
  vault::Proposal proposal;
  AV_TRY(proposal.request, vault::proposal_request_from_json(request.dump()));
  const auto state = vault::proposal_state_from_string(text(json, "status"));
  if (!state) {
    return make_error(ErrorCode::kNetwork, "the answer of agent-vault is no proposal");
  }
  proposal.state = *state;
  proposal.number = static_cast<std::uint64_t>(remote_json::number(json, "id"));
  proposal.vault = text(json, "vault");
  proposal.by.agent = text(json, "agent");
  proposal.by.run = text(json, "run");
  proposal.created_ms = remote_json::time(json, "created_at");
  proposal.expires_ms = remote_json::time(json, "expires_at");
  proposal.decided_ms = remote_json::time(json, "reviewed_at");
  proposal.reviewer = text(json, "reviewer");
  proposal.review_note = text(json, "review_note");
  if (const auto it = json.find("narrowed"); it != json.end() && it->is_object()) {
    proposal.narrowed = it->dump();
  }
  return proposal;
}

Store::Approval approval_of(const Json& json) {
  Store::Approval out;
  vault::ApprovalRequest& request = out.request;
  request.id = text(json, "id");
  request.vault = text(json, "vault");
  request.method = text(json, "method");
  request.url = text(json, "url");
  request.url_no_query = request.url.substr(0, request.url.find('?'));
  request.agent = text(json, "agent");
  request.run = text(json, "run");
  request.rule = text(json, "rule");
  request.rule_uids = {request.rule};
  request.content_type = text(json, "content_type");
  request.body_size = static_cast<std::uint64_t>(remote_json::number(json, "body_size"));
  request.body_complete = remote_json::flag(json, "body_complete");
  request.has_body = request.body_size != 0 || !request.content_type.empty();
  request.preview = text(json, "preview");
  request.effect = text(json, "effect");
  request.created_ms = remote_json::time(json, "created_at");
  request.expires_ms = remote_json::time(json, "expires_at");
  out.state = vault::approval_state_from_string(text(json, "state"))
                  .value_or(vault::ApprovalState::kExpired);
  return out;
}

std::string proposal_path(std::uint64_t number, const char* what, std::string_view vault) {
  std::string out = "/v1/admin/proposals/" + std::to_string(number);
  return out + what + "?vault=" + encoding::percent(vault);
}

}  // namespace

// -- agents

Expected<std::vector<vault::Agent>> RemoteStore::list_agents() {
  AV_TRY(const Json json, ask(*api_, "GET", "/v1/agents"));
  std::vector<vault::Agent> agents;
  for (const Json& item : remote_json::list(json, "agents")) {
    agents.push_back(agent_of(item));
  }
  return agents;
}

Expected<vault::Agent> RemoteStore::get_agent(std::string_view name) {
  AV_TRY(const auto agents, list_agents());
  std::vector<std::string> names;
  for (const vault::Agent& agent : agents) {
    if (agent.name == name) {
      return agent;
    }
    names.push_back(agent.name);
  }
  const std::string near = vault::did_you_mean(name, names);
  return make_error(ErrorCode::kNotFound, "no agent named '" + std::string(name) + "'",
                    near.empty() ? "see: agent-vault agent list" : "did you mean '" + near + "'?");
}

Expected<Secret> RemoteStore::create_agent_with_token(const vault::Agent& agent) {
  if (agent.limit.count != 0) {
    return not_here(
        "a limit on all requests of an agent",
        "leave --limit out, and set it where the server runs: agent-vault agent set " + agent.name);
  }
  Json body = {{"name", agent.name},
               {"services", agent.services},
               {"credentials", agent.credentials},
               {"max_concurrent", agent.max_concurrent},
               {"all_vaults", agent.vaults.empty()}};
  if (!agent.vaults.empty()) {
    body["vaults"] = agent.vaults;
  }
  return token_of(*api_, "/v1/agents", body.dump());
}

Expected<Secret> RemoteStore::rotate_agent_token(std::string_view name) {
  return token_of(*api_, path({"agents", name, "rotate"}), {});
}

Status RemoteStore::create_agent(const vault::Agent& /*agent*/,
                                 const crypto::Digest& /*token_hash*/) {
  return not_here("a token of one's own making");
}

// The API lets an agent into vaults and out of them; the rest is set where the store is.
Status RemoteStore::update_agent(const vault::Agent& agent) {
  return not_here("changing what an agent may use",
                  "do it where the server runs: agent-vault agent set " + agent.name);
}

Status RemoteStore::rotate_agent(std::string_view /*name*/, const crypto::Digest& /*token_hash*/) {
  return not_here("a token of one's own making");
}

Status RemoteStore::revoke_agent(std::string_view name) {
  return done(ask(*api_, "POST", path({"agents", name, "revoke"})));
}

Status RemoteStore::delete_agent(std::string_view name) {
  return done(ask(*api_, "POST", path({"agents", name, "delete"})));
}

Expected<vault::Agent> RemoteStore::agent_of_token(const crypto::Digest& /*token_hash*/) {
  return not_here("whose a token is");
}

// -- sessions

Status RemoteStore::create_session(const store::SessionInfo& /*session*/,
                                   const crypto::Digest& /*token_hash*/) {
  return not_here("a token of one's own making");
}

Expected<store::SessionInfo> RemoteStore::session_of_token(const crypto::Digest& /*token_hash*/) {
  return not_here("whose a token is");
}

Status RemoteStore::end_session(std::string_view /*id*/) {
  return not_here("ending a session by its id");
}

Expected<std::vector<Store::TokenGrant>> RemoteStore::token_grants() {
  return not_here("what holds for all tokens");
}

// Of the vaults in which one is a member or more.
Expected<std::vector<store::SessionInfo>> RemoteStore::list_sessions(std::string_view agent) {
  AV_TRY(const auto vaults, vaults_meant(""));
  std::vector<store::SessionInfo> out;
  for (const std::string& vault : vaults) {
    const auto json = ask(*api_, "GET", "/v1/sessions?vault=" + encoding::percent(vault));
    if (!json && json.error().code == ErrorCode::kNotPermitted) {
      continue;
    }
    if (!json) {
      return json.error();
    }
    for (const Json& item : remote_json::list(*json, "sessions")) {
      store::SessionInfo session;
      session.id = text(item, "id");
      session.agent = text(item, "agent");
      if (const auto by = item.find("created_by"); by != item.end() && by->is_object()) {
        session.agent_uid = text(*by, "id");
      }
      session.vault = vault;
      session.created_ms = remote_json::time(item, "created_at");
      session.expires_ms = remote_json::time(item, "expires_at");
      if (agent.empty() || session.agent == agent) {
        out.push_back(std::move(session));
      }
    }
  }
  return out;
}

// -- approvals

Expected<std::vector<Store::Approval>> RemoteStore::list_approvals(std::string_view vault,
                                                                   bool waiting_only) {
  AV_TRY(const auto vaults, vaults_meant(vault));
  std::vector<Approval> out;
  std::optional<Error> refused;
  bool any = false;
  for (const std::string& name : vaults) {
    const auto json =
        ask(*api_, "GET", path({"vaults", name, "approvals"}) + (waiting_only ? "" : "?all=true"));
    if (!json && vault.empty() && json.error().code == ErrorCode::kNotPermitted) {
      refused = json.error();
      continue;  // of all vaults: those in which one decides
    }
    if (!json) {
      return json.error();
    }
    any = true;
    for (const Json& item : remote_json::list(*json, "approvals")) {
      out.push_back(approval_of(item));
    }
  }
  if (refused && !any) {
    return std::move(*refused);
  }
  std::stable_sort(out.begin(), out.end(), [](const Approval& a, const Approval& b) {
    return a.request.created_ms < b.request.created_ms;
  });
  return out;
}

Expected<Store::Approval> RemoteStore::get_approval(std::string_view id) {
  AV_TRY(const auto all, list_approvals("", /*waiting_only=*/false));
  for (const Approval& approval : all) {
    if (approval.request.id == id) {
      return approval;
    }
  }
  return make_error(ErrorCode::kNotFound, "no request waits with the id '" + std::string(id) + "'",
                    "see: agent-vault approval list");
}

Status RemoteStore::add_approval(const vault::ApprovalRequest& /*request*/) {
  return not_here("holding a request");
}

Status RemoteStore::decide_approval(std::string_view id, vault::ApprovalState state,
                                    const std::vector<vault::ApprovalGrant>& grants) {
  Json body = {{"decision", state == vault::ApprovalState::kAllowed ? "allow" : "deny"}};
  if (!grants.empty()) {
    const vault::ApprovalGrant& grant = grants.front();
    body["uses"] = grant.uses == 0 ? 0 : grant.uses + 1;  // the waiting one is the first
    const std::int64_t seconds = (grant.expires_ms - SystemClock().wall_ms() + 999) / 1000;
    body["for_seconds"] = std::clamp<std::int64_t>(seconds, 1, vault::kMaxApprovalMs / 1000);
  }
  return done(tell(*api_, "POST", path({"approvals", id, "decision"}), body));
}

// `uses` are those that are left: the counters are the server's.
Expected<std::vector<Store::GrantInfo>> RemoteStore::list_grants(std::string_view vault) {
  AV_TRY(const auto vaults, vaults_meant(vault));
  std::vector<GrantInfo> out;
  for (const std::string& name : vaults) {
    const auto json = ask(*api_, "GET", path({"vaults", name, "grants"}));
    if (!json && vault.empty() && json.error().code == ErrorCode::kNotPermitted) {
      continue;  // of all vaults: those in which one decides
    }
    if (!json) {
      return json.error();
    }
    for (const Json& item : remote_json::list(*json, "grants")) {
      GrantInfo info;
      info.grant.id = text(item, "id");
      info.grant.method = text(item, "method");
      info.grant.url_no_query = text(item, "url");
      info.grant.uses = static_cast<std::uint32_t>(remote_json::number(item, "uses_left"));
      info.grant.expires_ms = remote_json::time(item, "expires_at");
      info.vault = name;
      info.rule = text(item, "rule");
      info.agent = text(item, "agent");
      info.created_ms = remote_json::time(item, "created_at");
      out.push_back(std::move(info));
    }
  }
  return out;
}

// One after the other: the first that fails is the last.
Status RemoteStore::revoke_grants(const std::vector<std::string>& ids) {
  AV_TRY(const auto all, list_grants(""));
  for (const std::string& id : ids) {
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const GrantInfo& info) { return info.grant.id == id; });
    if (found == all.end()) {
      return make_error(ErrorCode::kNotFound, "nothing is in force with the id '" + id + "'",
                        "see: agent-vault approval grants");
    }
    AV_CHECK(done(tell(*api_, "DELETE", path({"vaults", found->vault, "grants", id}), {})));
  }
  return {};
}

// -- proposals

Expected<std::uint64_t> RemoteStore::create_proposal(std::string_view /*vault*/,
                                                     const vault::Proposer& /*by*/,
                                                     const vault::ReadProposal& /*proposal*/,
                                                     const crypto::Digest& /*link_hash*/) {
  return not_here("a link of one's own");
}

Expected<std::vector<vault::Proposal>> RemoteStore::list_proposals(
    std::string_view vault, std::optional<vault::ProposalState> state) {
  AV_TRY(const auto vaults, vaults_meant(vault));
  std::vector<vault::Proposal> out;
  std::optional<Error> refused;
  bool any = false;
  for (const std::string& name : vaults) {
    std::string target = "/v1/admin/proposals?vault=" + encoding::percent(name);
    target += state ? "&status=" + std::string(to_string(*state)) : "";
    const auto json = ask(*api_, "GET", target);
    if (!json && vault.empty() && json.error().code == ErrorCode::kNotPermitted) {
      refused = json.error();
      continue;
    }
    if (!json) {
      return json.error();
    }
    any = true;
    for (const Json& item : remote_json::list(*json, "proposals")) {
      AV_TRY(vault::Proposal proposal, proposal_of(item));
      out.push_back(std::move(proposal));
    }
  }
  if (refused && !any) {
    return std::move(*refused);
  }
  std::stable_sort(out.begin(), out.end(), [](const vault::Proposal& a, const vault::Proposal& b) {
    return a.created_ms > b.created_ms;
  });
  return out;
}

Expected<vault::Proposal> RemoteStore::get_proposal(std::string_view vault, std::uint64_t number) {
  AV_TRY(const Json json, ask(*api_, "GET", proposal_path(number, "", vault)));
  return proposal_of(json);
}

Expected<vault::Proposal> RemoteStore::proposal_of_link(const crypto::Digest& /*link_hash*/) {
  return not_here("what a link leads to", "open it in a browser");
}

Expected<Store::ProposalReview> RemoteStore::review_proposal(std::string_view vault,
                                                             std::uint64_t number,
                                                             const vault::Narrowing& narrowing) {
  ProposalReview review;
  AV_TRY(review.proposal, get_proposal(vault, number));
  const std::string narrow = vault::narrowing_to_json(narrowing);
  const std::string body = narrow.empty() ? "{}" : "{\"narrow\":" + narrow + "}";
  AV_TRY(const Json json, ask(*api_, "POST", proposal_path(number, "/diff", vault), body));
  for (const Json& item : remote_json::list(json, "lines")) {
    vault::DiffLine line;
    const std::string kind = text(item, "kind");
    for (const auto each : {vault::DiffLine::Kind::kAdd, vault::DiffLine::Kind::kRemove,
                            vault::DiffLine::Kind::kSame, vault::DiffLine::Kind::kWarn}) {
      line.kind = kind == to_string(each) ? each : line.kind;
    }
    line.text = encoding::printable(text(item, "text"));
    review.diff.lines.push_back(std::move(line));
  }
  for (const std::string& key : remote_json::texts(json, "needed")) {
    if (review.proposal.request.slot(key) == nullptr) {
      return make_error(ErrorCode::kNetwork, "the answer of agent-vault is no proposal's");
    }
    review.diff.needed.push_back(key);
  }
  review.diff.fingerprint = text(json, "fingerprint");
  return review;
}

Expected<Secret> RemoteStore::proposed_value(std::string_view /*vault*/, std::uint64_t /*number*/,
                                             std::string_view /*key*/) {
  return not_here("the value that an agent has supplied");
}

Status RemoteStore::approve_proposal(std::string_view vault, std::uint64_t number,
                                     const ProposalApproval& approval) {
  if (!approval.connections.empty()) {
    return not_here("connecting a credential", "open the proposal's link in a browser");
  }
  SecretBuffer body;
  body.append("{\"fingerprint\":\"" + encoding::json_escaped(approval.fingerprint) + "\"");
  if (const std::string narrow = vault::narrowing_to_json(approval.narrowing); !narrow.empty()) {
    body.append(",\"narrow\":" + narrow);
  }
  body.append(",\"credentials\":{");
  bool first = true;
  for (const NewValue& value : approval.values) {
    body.append((first ? "\"" : ",\"") + encoding::json_escaped(value.key) + "\":\"");
    value.value.reveal([&](std::string_view bytes) { encoding::append_json_escaped(body, bytes); });
    body.push_back('"');
    first = false;
  }
  body.append("}");
  if (!approval.sources.empty()) {
    Json sources = Json::object();
    for (const NewSource& one : approval.sources) {
      sources[one.key] = {{"reference", one.source.reference}, {"store", one.source.store}};
    }
    body.append(",\"sources\":" + sources.dump());
  }
  body.append("}");
  return done(ask(*api_, "POST", proposal_path(number, "/approve", vault), body.view()));
}

Status RemoteStore::reject_proposal(std::string_view vault, std::uint64_t number,
                                    std::string_view /*reviewer*/, std::string_view note) {
  return done(tell(*api_, "POST", proposal_path(number, "/reject", vault), Json{{"reason", note}}));
}

}  // namespace av::cmd
