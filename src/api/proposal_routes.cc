// Proposals: agents ask and look at what became of it; people look closer, take away, and decide.

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/route.h"
#include "api/store_ask.h"
#include "core/encoding.h"
#include "vault/names.h"
#include "vault/token.h"

namespace av::api {
namespace {

Expected<std::uint64_t> number_of(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) {
    return make_error(ErrorCode::kNotFound, "no such proposal");
  }
  return number;
}

Json parsed(const std::string& json) {
  return Json::parse(json, nullptr, false);
}

// An agent sees its own, whichever run of it asked; a run without an agent those of its run.
bool is_own(const Call& call, const vault::Proposal& proposal) {
  if (call.actor.is_user()) {
    return true;
  }
  return call.actor.uid.empty() ? proposal.by.agent_uid.empty() && proposal.by.run == call.actor.run
                                : proposal.by.agent_uid == call.actor.uid;
}

Expected<std::optional<vault::ProposalState>> state_asked(const Call& call) {
  const std::string_view word = call.query.get("status");
  const auto state = vault::proposal_state_from_string(word);
  if (!word.empty() && !state) {
    return make_error(ErrorCode::kInvalid,
                      "\"status\" must be pending, applied, rejected or expired");
  }
  return state;
}

Reply create(Call& call) {
  AV_TRY(const Secret body, call.request.body.to_secret());
  AV_TRY(const vault::ReadProposal proposal, vault::read_proposal(body));
  vault::Proposer by;
  if (!call.actor.is_user()) {
    by.agent = call.actor.name;
    by.agent_uid = call.actor.uid;
    by.run = call.actor.run;
  }
  AV_TRY(const Secret token, vault::make_token(vault::kApprovalToken));
  const auto make = [&] {
    return call.store().create_proposal(call.vault(), by, proposal, vault::hash_of(token));
  };
  const auto made = call.audited(call.action("proposal.create"), make);
  if (!made) {
    if (made.error().code != ErrorCode::kConflict) {
      return made.error();
    }
    return fault(429, "too_many_requests", made.error().message,
                 "wait until a person has decided about the others");
  }
  // The link shows the proposal to whoever has it, and decides nothing; the agent may read it.
  SecretBuffer url;
  url.append(call.base_url() + "/approve/" + std::to_string(*made) + "?token=");
  url.append(token);
  const Json fields = {{"id", *made}, {"status", "pending"}, {"vault", call.vault()}};
  std::string head = fields.dump();
  head.pop_back();
  SecretBuffer out;
  out.append(head + ",\"approval_url\":\"");
  out.append(url.view());
  out.append("\",\"message\":\"Proposal created. A person approves it here: ");
  out.append(url.view());
  out.append("\"}\n");
  return secret_reply("application/json", std::move(out), 201);
}

Reply list_own(Call& call) {
  AV_TRY(const auto state, state_asked(call));
  AV_TRY(const auto proposals, call.store().list_proposals(call.vault(), state));
  Json items = Json::array();
  for (const vault::Proposal& proposal : proposals) {
    if (is_own(call, proposal)) {
      items.push_back(parsed(vault::proposal_summary_to_json(proposal)));
    }
  }
  return json_reply({{"proposals", items}});
}

std::optional<Reply> look(Call& call, std::uint64_t number, bool even_if_pending) {
  const auto proposal = call.store().get_proposal(call.vault(), number);
  if (!proposal) {
    return Reply(proposal.error());
  }
  if (!is_own(call, *proposal)) {
    return Reply(make_error(ErrorCode::kNotFound, "no such proposal"));
  }
  if (proposal->state == vault::ProposalState::kPending && !even_if_pending) {
    return std::nullopt;
  }
  return Reply(json_text_reply(vault::proposal_to_json(*proposal)));
}

Reply show_own(Call& call) {
  AV_TRY(const std::uint64_t number, number_of(call.parts[0]));
  AV_TRY(const std::int64_t wait, call.query.number("wait", 0, 30, 0));
  std::optional<Reply> now = look(call, number, wait == 0);
  if (now) {
    return std::move(*now);
  }
  Parked parked;
  parked.seconds = static_cast<int>(wait);
  parked.poll = [number](Call& later, bool last) { return look(later, number, last); };
  return parked;
}

// For the page behind the link: to look at, by whoever has it.
Reply details(Call& call) {
  AV_TRY(const Secret token, Secret::copy_of(call.query.get("token")));
  const proxy::Fault unknown =
      fault(404, "not_found", "this link leads to no proposal, or is older than a day",
            "sign in and look under the vault's proposals");
  const auto found = call.store().proposal_of_link(vault::hash_of(token));
  if (!found) {
    return found.error().code == ErrorCode::kNotPermitted ? unknown : fault_of(found.error());
  }
  if (call.query.has("id") && call.query.get("id") != std::to_string(found->number)) {
    return unknown;
  }
  AV_TRY(const Role role, call.role_in(found->vault));
  Json json = parsed(vault::proposal_to_json(*found));
  json["proposal_id"] = found->number;
  json["agent_name"] = found->by.agent;
  json["authenticated"] = call.actor.is_user();
  json["can_approve"] = call.actor.is_user() && role >= Role::kMember &&
                        found->state == vault::ProposalState::kPending;
  return json_reply(json);
}

// -- for members

Json admin_json(const vault::Proposal& proposal) {
  Json json = parsed(vault::proposal_to_json(proposal));
  json["services_json"] = json["services"].dump();
  json["credentials_json"] = json["credentials"].dump();
  return json;
}

Reply list_all(Call& call) {
  AV_TRY(const auto state, state_asked(call));
  AV_TRY(const auto proposals, call.store().list_proposals(call.vault(), state));
  Json items = Json::array();
  for (const vault::Proposal& proposal : proposals) {
    items.push_back(admin_json(proposal));
  }
  return json_reply({{"proposals", items}});
}

Reply show_any(Call& call) {
  AV_TRY(const std::uint64_t number, number_of(call.parts[0]));
  AV_TRY(const vault::Proposal proposal, call.store().get_proposal(call.vault(), number));
  return json_reply(admin_json(proposal));
}

Expected<vault::Narrowing> narrowing_of(Call& call) {
  AV_TRY(const JsonView body, call.body());
  const auto narrow = body.find("narrow");
  if (!narrow || narrow->is(JsonView::Kind::kNull)) {
    return vault::Narrowing();
  }
  if (!narrow->is(JsonView::Kind::kObject)) {
    return make_error(ErrorCode::kInvalid, "\"narrow\" is no object",
                      "{\"services\":[...],\"expires_in_seconds\":3600,\"uses\":5}");
  }
  return vault::narrowing_from_json(narrow->source());
}

// What the agent could do before and after; with what the person would take away.
Reply diff(Call& call) {
  AV_TRY(const std::uint64_t number, number_of(call.parts[0]));
  AV_TRY(const vault::Narrowing narrowing, narrowing_of(call));
  AV_TRY(const auto review, call.store().review_proposal(call.vault(), number, narrowing));
  Json json = parsed(vault::diff_to_json(review.diff));
  json["connected"] = call.shelf().keys({review.proposal.uid, call.actor.uid});
  return json_reply(json);
}

// Values that stay where they are. It takes who may make such a credential anyway: an admin.
proxy::Outcome<void> read_sources(Call& call, const JsonView& given,
                                  store::Store::ProposalApproval& approval) {
  if (!given.is(JsonView::Kind::kObject)) {
    return bad_request("\"sources\" is no object", R"({"KEY":{"reference":"op://..."}})");
  }
  for (const JsonView& member : given.children()) {
    if (call.role() < Role::kAdmin) {
      return fault(403, "forbidden", "only an admin of the vault may refer to an external store",
                   "give a value, or ask an admin");
    }
    const auto reference = member.find("reference");
    const auto store = member.find("store");
    store::Store::NewSource one;
    one.key = member.name();
    if (const Status key = vault::check_credential_key(one.key); !key) {
      return fault_of(key.error());
    }
    AV_TRY(one.source, source_for(call, reference ? reference->text() : std::string(),
                                  store ? store->text() : std::string()));
    approval.sources.push_back(std::move(one));
  }
  return {};
}

Reply approve(Call& call) {
  AV_TRY(const std::uint64_t number, number_of(call.parts[0]));
  store::Store::ProposalApproval approval;
  AV_TRY(approval.narrowing, narrowing_of(call));
  approval.reviewer = call.actor.words();
  AV_TRY(const JsonView body, call.body());
  if (const auto seen = body.find("fingerprint")) {
    // A page that lost it must not thereby approve what it has not shown.
    approval.fingerprint = seen->text();
    if (approval.fingerprint.empty()) {
      return bad_request("\"fingerprint\" must be that of the diff, or not be there");
    }
  }
  std::vector<std::string> keys;
  if (const auto given = body.find("credentials")) {
    for (const JsonView& member : given->children()) {
      store::Store::NewValue value;
      value.key = member.name();
      AV_CHECK(vault::check_credential_key(value.key));
      AV_TRY(value.value, member.secret());
      keys.push_back(value.key);
      approval.values.push_back(std::move(value));
    }
  }
  if (const auto given = body.find("sources"); given && !given->is(JsonView::Kind::kNull)) {
    AV_CHECK(read_sources(call, *given, approval));
    for (const auto& one : approval.sources) {
      keys.push_back(one.key);
    }
  }
  if (approval.fingerprint.empty()) {
    // Who does not say what they looked at has looked at what there is now.
    AV_TRY(const auto review, call.store().review_proposal(call.vault(), number, {}));
    approval.fingerprint = review.diff.fingerprint;
  }
  // What this person has connected for it; what was typed in takes precedence.
  AV_TRY(const vault::Proposal proposal, call.store().get_proposal(call.vault(), number));
  const ConnectionShelf::Place place{proposal.uid, call.actor.uid};
  approval.connections = call.shelf().take(place);
  for (const auto& connection : approval.connections) {
    keys.push_back(connection.key);
  }
  const Status approved =
      call.audited(call.action("proposal.approve", "proposal " + std::to_string(number), keys),
                   [&] { return call.store().approve_proposal(call.vault(), number, approval); });
  if (!approved) {
    call.shelf().put_back(place, std::move(approval.connections));
    return approved.error();
  }
  return json_reply({{"id", number}, {"status", "applied"}});
}

Reply reject(Call& call) {
  AV_TRY(const std::uint64_t number, number_of(call.parts[0]));
  AV_TRY(const std::string reason, call.text_or("reason", ""));
  AV_CHECK(call.audited(call.action("proposal.reject", "proposal " + std::to_string(number)), [&] {
    return call.store().reject_proposal(call.vault(), number, call.actor.words(), reason);
  }));
  return json_reply({{"id", number}, {"status", "rejected"}});
}

constexpr std::string_view kProposal =
    "{id:integer, status:'pending'|'applied'|'rejected'|'expired', vault:string, services:[any], "
    "credentials:[any], message:string, created_at:time, ...}";
constexpr std::string_view kList =
    "{proposals:[{id:integer, status:string, message:string, created_at:time, ...}]}";
constexpr std::string_view kDiff =
    "{lines:[{kind:'add'|'remove'|'same'|'warn', text:string}], needed:[string], "
    "fingerprint:string, connected:[string]}";

}  // namespace

std::span<const Route> proposal_routes() {
  static constexpr std::array kRoutes = {
      Route{"POST", "/v1/proposals", "ask a person for services and credentials",
            Who::vault(Role::kProxy), Where::kEverywhere, create,
            "{vault?:string, services?:[any], credentials?:[any], message?:string, "
            "user_message?:string}",
            "201 {id:integer, status:'pending', vault:string, approval_url:string, "
            "message:string}",
            "vault"},
      Route{"GET", "/v1/proposals", "what you asked for", Who::vault(Role::kProxy),
            Where::kEverywhere, list_own, "", kList, "vault status"},
      Route{"GET", "/v1/proposals/approve-details", "what the link to a proposal shows",
            Who::anybody(), Where::kEverywhere, details, "",
            "{proposal_id:integer, vault:string, status:string, authenticated:boolean, "
            "can_approve:boolean, agent_name:string, ...}",
            "token id"},
      Route{"GET", "/v1/proposals/{id}", "what became of one; wait=30 waits for the decision",
            Who::vault(Role::kProxy), Where::kEverywhere, show_own, "", kProposal, "vault wait"},
      Route{"GET", "/v1/admin/proposals", "what agents ask for", Who::vault(Role::kMember),
            Where::kRuns, list_all, "", kList, "vault status"},
      Route{"GET", "/v1/admin/proposals/{id}", "one of them", Who::vault(Role::kMember),
            Where::kRuns, show_any, "", kProposal, "vault"},
      Route{"GET", "/v1/admin/proposals/{id}/diff", "what the agent could do before and after",
            Who::vault(Role::kMember), Where::kRuns, diff, "", kDiff, "vault"},
      Route{"POST", "/v1/admin/proposals/{id}/diff", "the same, with what you would take away",
            Who::vault(Role::kMember), Where::kRuns, diff,
            "{vault?:string, narrow?:any, credentials?:any, fingerprint?:any}", kDiff, "vault"},
      Route{"POST", "/v1/admin/proposals/{id}/approve", "let it take effect",
            Who::vault(Role::kMember), Where::kRuns, approve,
            "{vault?:string, credentials?:{*:string}, sources?:{*:{reference:string, "
            "store?:string}}, narrow?:any, fingerprint?:string}",
            "{id:integer, status:'applied'}", "vault"},
      Route{"POST", "/v1/admin/proposals/{id}/reject", "refuse it", Who::vault(Role::kMember),
            Where::kRuns, reject, "{vault?:string, reason?:string}",
            "{id:integer, status:'rejected'}", "vault"},
  };
  return kRoutes;
}

}  // namespace av::api
