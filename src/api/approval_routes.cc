// Requests that wait for a person: shown to members, decided by members, never by an agent.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "api/call.h"
#include "api/route.h"
#include "vault/grant_uses.h"

namespace av::api {
namespace {

using Approval = store::Store::Approval;

Json approval_json(const Approval& approval) {
  const vault::ApprovalRequest& request = approval.request;
  return {{"id", request.id},
          {"vault", request.vault},
          {"method", request.method},
          {"url", request.url},
          {"agent", request.agent},
          {"run", request.run},
          {"rule", request.rule},
          {"state", vault::to_string(approval.state)},
          {"created_at", format_utc(request.created_ms)},
          {"expires_at", format_utc(request.expires_ms)},
          {"content_type", request.content_type},
          {"body_size", request.body_size},
          {"body_complete", request.body_complete},
          {"preview", request.preview},
          {"effect", request.effect}};
}

Reply list(Call& call) {
  AV_TRY(const auto approvals, call.store().list_approvals(call.vault(), !call.query.flag("all")));
  Json items = Json::array();
  for (const Approval& approval : approvals) {
    items.push_back(approval_json(approval));
  }
  return json_reply({{"approvals", items}});
}

// For programs of others, in their shape.
Json pending_json(const Approval& approval) {
  const vault::ApprovalRequest& request = approval.request;
  const std::size_t scheme = request.url.find("://");
  const std::size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t path = std::min(request.url.find('/', host), request.url.size());
  return {
      {"id", request.id},
      {"workspaceId", request.vault},
      {"projectId", request.vault},
      {"method", request.method},
      {"url", request.url},
      {"host", request.url.substr(host, path - host)},
      {"path", path == request.url.size() ? "/" : request.url.substr(path)},
      {"headers", Json::object()},
      {"bodyPreview", request.has_body ? Json(request.effect + request.preview) : Json(nullptr)},
      {"agent",
       {{"id", request.agent_uid}, {"name", request.agent}, {"externalId", request.agent}}},
      {"createdAt", format_utc(request.created_ms)},
      {"expiresAt", format_utc(request.expires_ms)}};
}

Expected<Json> pending_of(Call& call, const std::set<std::string>& exclude) {
  AV_TRY(const auto approvals, call.store().list_approvals("", /*waiting_only=*/true));
  Json items = Json::array();
  for (const Approval& approval : approvals) {
    AV_TRY(const Role role, call.role_in(approval.request.vault));
    if (role >= Role::kMember && !exclude.contains(approval.request.id)) {
      items.push_back(pending_json(approval));
    }
  }
  return items;
}

Reply pending(Call& call) {
  std::set<std::string> exclude;
  std::string_view words = call.query.get("exclude");
  while (!words.empty()) {
    const std::size_t comma = words.find(',');
    exclude.emplace(words.substr(0, comma));
    words = comma == std::string_view::npos ? std::string_view() : words.substr(comma + 1);
  }
  AV_TRY(const std::int64_t wait, call.query.number("wait", 0, 30, 30));
  Parked parked;
  parked.seconds = static_cast<int>(wait);
  parked.poll = [exclude](Call& later, bool last) -> std::optional<Reply> {
    auto items = pending_of(later, exclude);
    if (!items) {
      return Reply(items.error());
    }
    if (items->empty() && !last) {
      return std::nullopt;
    }
    return Reply(json_reply({{"requests", std::move(*items)}, {"timeoutSeconds", 180}}));
  };
  return parked;
}

Json grant_json(const store::Store::GrantInfo& info, const std::optional<std::uint32_t>& left) {
  return {{"id", info.grant.id},
          {"vault", info.vault},
          {"rule", info.rule},
          {"agent", info.agent},
          {"method", info.grant.method},
          {"url", info.grant.url_no_query},
          {"uses", info.grant.uses == 0 ? Json(nullptr) : Json(info.grant.uses)},
          {"uses_left", left ? Json(*left) : Json(nullptr)},
          {"created_at", format_utc(info.created_ms)},
          {"expires_at", format_utc(info.grant.expires_ms)}};
}

Reply list_grants(Call& call) {
  AV_TRY(const auto grants, call.store().list_grants(call.vault()));
  Json items = Json::array();
  for (const store::Store::GrantInfo& info : grants) {
    const auto left =
        vault::uses_left(info.grant, info.vault_uid, call.options().limits.get(), call.now_ms());
    // What is used up lets nothing pass any more.
    if (!left || *left != 0) {
      items.push_back(grant_json(info, left));
    }
  }
  return json_reply({{"grants", items}});
}

// Those of the vault that are meant; each on the log for itself.
Reply revoke(Call& call, const std::optional<std::string>& id) {
  AV_TRY(const auto grants, call.store().list_grants(call.vault()));
  Json revoked = Json::array();
  for (const store::Store::GrantInfo& info : grants) {
    if (id && info.grant.id != *id) {
      continue;
    }
    vault::AuditRecord record =
        call.action("approval.revoke",
                    info.grant.id + ", " + info.grant.method + " " + info.grant.url_no_query);
    record.agent = info.agent;
    record.rule = info.rule;
    AV_CHECK(call.audited(std::move(record),
                          [&] { return call.store().revoke_grants({info.grant.id}); }));
    revoked.push_back(info.grant.id);
  }
  if (id && revoked.empty()) {
    return fault(404, "not_found", "no such grant in this vault, or not any more");
  }
  return json_reply({{"vault", call.vault()}, {"revoked", revoked}});
}

Reply revoke_one(Call& call) {
  return revoke(call, call.parts[1]);
}

Reply revoke_all(Call& call) {
  return revoke(call, std::nullopt);
}

Reply decide(Call& call) {
  AV_TRY(const std::string word, call.text_or("decision", ""));
  const bool allow = word == "approve" || word == "allow";
  if (!allow && word != "deny") {
    return fault(422, "invalid_decision", "\"decision\" must be \"approve\" or \"deny\"");
  }
  const std::string& id = call.parts[0];
  const proxy::Fault unknown = fault(404, "approval_not_found", "no request waits with this id");
  const auto approval = call.store().get_approval(id);
  if (!approval) {
    return approval.error().code == ErrorCode::kNotFound ? unknown : fault_of(approval.error());
  }
  const vault::ApprovalRequest& request = approval->request;
  AV_TRY(const Role role, call.role_in(request.vault));
  if (role < Role::kMember) {
    return unknown;
  }
  AV_TRY(const std::int64_t uses,
         call.number_or("uses", 0, static_cast<std::int64_t>(vault::kMaxApprovalUses), 0));
  AV_TRY(const std::int64_t seconds,
         call.number_or("for_seconds", 0, vault::kMaxApprovalMs / 1000, 0));
  if (approval->state != vault::ApprovalState::kPending || request.expires_ms <= call.now_ms()) {
    return fault(410, "approval_expired",
                 "this request does not wait any more: it is " +
                     std::string(vault::to_string(approval->state)));
  }
  const auto grants = allow ? vault::grants_for(request, static_cast<std::uint64_t>(uses),
                                                seconds * 1000, call.now_ms())
                            : std::vector<vault::ApprovalGrant>();
  const auto state = allow ? vault::ApprovalState::kAllowed : vault::ApprovalState::kDenied;
  vault::AuditRecord record =
      call.action(allow ? "approval.allow" : "approval.deny",
                  request.id + ", " + request.method + " " + request.url_no_query);
  record.vault = request.vault;
  record.agent = request.agent;
  record.rule = request.rule;
  const Status decided = call.audited(
      std::move(record), [&] { return call.store().decide_approval(id, state, grants); });
  if (!decided && decided.error().code == ErrorCode::kConflict) {
    return fault(410, "approval_expired", decided.error().message);
  }
  AV_CHECK(Status(decided));
  return json_reply({{"success", true}, {"id", id}, {"state", vault::to_string(state)}});
}

}  // namespace

std::span<const Route> approval_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/v1/vaults/{v}/approvals", "the requests that wait for a decision",
            Who::vault(Role::kMember), Where::kServe, list, "",
            "{approvals:[{id:string, vault:string, method:string, url:string, agent:string, "
            "run:string, rule:string, state:string, created_at:time, expires_at:time, "
            "content_type:string, body_size:integer, body_complete:boolean, preview:string, "
            "effect:string}]}",
            "all"},
      Route{"GET", "/v1/approvals/pending",
            "those of all your vaults, as soon as there are any; waits up to 30 s", Who::user(),
            Where::kServe, pending, "",
            "{requests:[{id:string, method:string, url:string, host:string, path:string, ...}], "
            "timeoutSeconds:integer}",
            "exclude wait"},
      Route{"POST", "/v1/approvals/{id}/decision", "let a request pass, or refuse it", Who::user(),
            Where::kServe, decide,
            "{decision:'approve'|'allow'|'deny', uses?:integer, for_seconds?:integer}",
            "{success:boolean, id:string, state:string}"},
      Route{"GET", "/v1/vaults/{v}/grants", "what passes without being asked about, and until when",
            Who::vault(Role::kMember), Where::kServe, list_grants, "",
            "{grants:[{id:string, vault:string, rule:string, agent:string, method:string, "
            "url:string, uses:integer|null, uses_left:integer|null, created_at:time, "
            "expires_at:time}]}"},
      Route{"DELETE", "/v1/vaults/{v}/grants/{id}", "ask about such requests again",
            Who::vault(Role::kMember), Where::kServe, revoke_one, "",
            "{vault:string, revoked:[string]}"},
      Route{"DELETE", "/v1/vaults/{v}/grants", "ask about all of them again",
            Who::vault(Role::kMember), Where::kServe, revoke_all, "",
            "{vault:string, revoked:[string]}"},
  };
  return kRoutes;
}

}  // namespace av::api
