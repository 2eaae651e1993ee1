#include "vault/proposal_codec.h"

#include "core/clock.h"
#include "vault/service_codec.h"
#include "vault/text_tree.h"
#include "vault/tree_writer.h"

namespace av::vault {
namespace {

using Json = TextTree::Json;

void put(Json& out, const char* name, const std::string& value) {
  if (!value.empty()) {
    out[name] = value;
  }
}

Json oauth_to_tree(const OauthConfig& oauth) {
  Json out = Json::object();
  put(out, "authorization_url", oauth.authorization_url);
  put(out, "token_url", oauth.token_url);
  put(out, "client_id", oauth.client_id);
  put(out, "scopes", oauth.scopes);
  put(out, "scope_separator", oauth.scope_separator);
  put(out, "token_auth_method", oauth.token_auth_method);
  if (oauth.disable_pkce) {
    out["disable_pkce"] = true;
  }
  return out;
}

Json slot_to_tree(const CredentialSlot& slot) {
  Json out = {{"action", to_string(slot.action)}, {"key", slot.key}};
  put(out, "description", slot.description);
  if (slot.action == ProposalAction::kDelete) {
    return out;
  }
  out["type"] = slot.type();
  put(out, "obtain", slot.obtain);
  put(out, "obtain_instructions", slot.obtain_instructions);
  if (slot.oauth) {
    out["oauth"] = oauth_to_tree(*slot.oauth);
  }
  out["has_value"] = slot.has_value;
  return out;
}

Json service_to_tree(const ProposedService& proposed) {
  const Service& service = proposed.service;
  const bool deletes = proposed.action == ProposedService::Action::kDelete;
  Json out = {{"action", deletes ? "delete" : "set"}};
  switch (proposed.action) {
    case ProposedService::Action::kSet: {
      const Json whole = Json::parse(service_to_json(service));
      for (const auto& [name, value] : whole.items()) {
        if (name != "name" || proposed.named) {
          out[name] = value;
        }
      }
      if (!proposed.keeps_substitutions && service.substitutions.empty()) {
        out["substitutions"] = Json::array();
      }
      break;
    }
    case ProposedService::Action::kDelete:
      put(out, "name", service.name);
      put(out, "host", service.matcher_text());
      break;
    case ProposedService::Action::kEnable:
      put(out, "name", service.name);
      out["enabled"] = service.enabled;
      break;
  }
  return out;
}

Json request_to_tree(const ProposalRequest& request) {
  Json out = {{"services", Json::array()}, {"credentials", Json::array()}};
  for (const ProposedService& service : request.services) {
    out["services"].push_back(service_to_tree(service));
  }
  for (const CredentialSlot& slot : request.slots) {
    out["credentials"].push_back(slot_to_tree(slot));
  }
  out["message"] = request.message;
  out["user_message"] = request.user_message;
  return out;
}

Json time_or_null(std::int64_t ms) {
  return ms == 0 ? Json() : Json(format_utc(ms));
}

Json summary_to_tree(const Proposal& proposal) {
  return {{"id", proposal.number},
          {"status", to_string(proposal.state)},
          {"vault", proposal.vault},
          {"agent", proposal.by.agent},
          {"run", proposal.by.run},
          {"created_at", time_or_null(proposal.created_ms)},
          {"expires_at", time_or_null(proposal.expires_ms)},
          {"reviewed_at", time_or_null(proposal.decided_ms)},
          {"reviewer", proposal.reviewer},
          {"review_note", proposal.review_note}};
}

}  // namespace

std::string proposal_request_to_json(const ProposalRequest& request) {
  return dump_json(request_to_tree(request), false);
}

std::string proposal_to_json(const Proposal& proposal) {
  Json out = summary_to_tree(proposal);
  out.update(request_to_tree(proposal.request));
  out["narrowed"] =
      proposal.narrowed.empty() ? Json() : Json::parse(proposal.narrowed, nullptr, false);
  return dump_json(out, false);
}

std::string proposal_summary_to_json(const Proposal& proposal) {
  Json out = summary_to_tree(proposal);
  out["message"] = proposal.request.message;
  out["services_count"] = proposal.request.services.size();
  out["credentials_count"] = proposal.request.slots.size();
  return dump_json(out, false);
}

std::string narrowing_to_json(const Narrowing& narrowing) {
  if (narrowing.empty()) {
    return {};
  }
  Json out = Json::object();
  if (!narrowing.services.empty()) {
    out["services"] = Json::array();
  }
  for (const ServiceNarrowing& service : narrowing.services) {
    Json one = Json::object();
    put(one, "name", service.name);
    put(one, "host", service.host);
    put(one, "path", service.path);
    if (!service.methods.empty()) {
      one["methods"] = service.methods;
    }
    out["services"].push_back(std::move(one));
  }
  if (narrowing.for_ms != 0) {
    out["expires_in_seconds"] = narrowing.for_ms / 1000;
  }
  if (narrowing.uses != 0) {
    out["uses"] = narrowing.uses;
  }
  return dump_json(out, false);
}

}  // namespace av::vault
