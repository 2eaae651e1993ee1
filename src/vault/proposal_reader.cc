#include <algorithm>
#include <array>
#include <set>

#include "vault/field_reader.h"
#include "vault/names.h"
#include "vault/proposal_codec.h"
#include "vault/secret_members.h"
#include "vault/service_codec.h"
#include "vault/service_reader.h"

namespace av::vault {
namespace {

using Json = TextTree::Json;
using Limits = ProposalLimits;

// Where values come from: the strings that were cut out of an agent's request, or nowhere for what
// the store keeps, where `has_value` stands instead.
struct Values {
  std::vector<Secret>* cut = nullptr;
};

std::string member_name(std::string_view key) {
  return "\"" + std::string(key) + "\"";
}

// The error of a check, at the member that it is about.
Status located(const TextTree& tree, const std::string& path, const Status& checked) {
  return checked ? Status()
                 : Status(tree.error_at(path, checked.error().message, checked.error().hint));
}

Status read_shown(const TextTree& tree, const Fields& fields, std::string_view key,
                  std::size_t most, bool lines, std::string& out) {
  AV_CHECK(fields.text(key, out));
  return located(tree, fields.path_of(key), check_shown_text(member_name(key), out, most, lines));
}

Status read_url(const TextTree& tree, const Fields& fields, std::string_view key,
                std::string& out) {
  AV_CHECK(fields.text(key, out));
  return fields.find(key) == nullptr
             ? Status()
             : located(tree, fields.path_of(key),
                       check_shown_url(member_name(key), out, Limits::kObtain));
}

Status read_scopes(const TextTree& tree, const Fields& fields, OauthConfig& out) {
  const Json* scopes = fields.find("scopes");
  if (scopes == nullptr || !scopes->is_array()) {
    return read_shown(tree, fields, "scopes", Limits::kInstructions, false, out.scopes);
  }
  std::vector<std::string> list;
  AV_CHECK(fields.texts("scopes", list));
  for (const std::string& scope : list) {
    out.scopes += (out.scopes.empty() ? "" : out.scope_separator) + scope;
  }
  return located(tree, fields.path_of("scopes"),
                 check_shown_text("\"scopes\"", out.scopes, Limits::kInstructions, false));
}

Expected<OauthConfig> read_oauth(const TextTree& tree, const Json& node, const std::string& path) {
  static constexpr std::array<std::string_view, 7> kKnown = {
      "authorization_url", "token_url",    "client_id",        "scopes",
      "scope_separator",   "disable_pkce", "token_auth_method"};
  static constexpr std::array<std::string_view, 3> kMethods = {"client_secret_post",
                                                               "client_secret_basic", "none"};
  const Fields fields(tree, node, path);
  AV_CHECK(fields.only(kKnown));
  OauthConfig out;
  out.scope_separator = " ";
  AV_CHECK(read_url(tree, fields, "authorization_url", out.authorization_url));
  std::string token_url;
  AV_CHECK(fields.required_text("token_url", token_url));
  AV_CHECK(read_url(tree, fields, "token_url", out.token_url));
  AV_CHECK(read_shown(tree, fields, "client_id", Limits::kObtain, false, out.client_id));
  AV_CHECK(read_shown(tree, fields, "scope_separator", 4, false, out.scope_separator));
  AV_CHECK(read_scopes(tree, fields, out));
  AV_CHECK(fields.flag("disable_pkce", out.disable_pkce));
  AV_CHECK(fields.text("token_auth_method", out.token_auth_method));
  if (!out.token_auth_method.empty() &&
      std::find(kMethods.begin(), kMethods.end(), out.token_auth_method) == kMethods.end()) {
    return fields.wrong("token_auth_method", "is not known",
                        suggestion(out.token_auth_method, kMethods, "the methods are"));
  }
  return out;
}

// "set" when it is not said.
Expected<ProposalAction> read_action(const Fields& fields) {
  std::string action = "set";
  AV_CHECK(fields.text("action", action));
  if (action != "set" && action != "delete") {
    return fields.wrong("action", "must be \"set\" or \"delete\"");
  }
  return action == "set" ? ProposalAction::kSet : ProposalAction::kDelete;
}

// The index that stands where the value was.
Status take_value(const Fields& fields, Values& values, CredentialSlot& slot,
                  std::vector<ProposedValue>& out) {
  if (values.cut == nullptr) {
    return fields.flag("has_value", slot.has_value);
  }
  std::string index;
  AV_CHECK(fields.text("value", index));
  if (fields.find("value") == nullptr) {
    return {};
  }
  const std::size_t at = index.size() == 1 ? static_cast<std::size_t>(index[0] - '0') : 10;
  if (at >= values.cut->size()) {
    return fields.wrong("value", "is empty", "leave it out, and a person will supply it");
  }
  slot.has_value = true;
  out.push_back({slot.key, std::move((*values.cut)[at])});
  return {};
}

Expected<CredentialSlot> read_slot(const TextTree& tree, const Json& node, const std::string& path,
                                   Values& values, std::vector<ProposedValue>& out) {
  static constexpr std::array<std::string_view, 8> kSent = {
      "action", "key", "type", "description", "obtain", "obtain_instructions", "oauth", "value"};
  static constexpr std::array<std::string_view, 8> kStored = {
      "action", "key",      "type", "description", "obtain", "obtain_instructions",
      "oauth",  "has_value"};
  static constexpr std::array<std::string_view, 3> kDeleted = {"action", "key", "description"};
  const Fields fields(tree, node, path);
  AV_CHECK(fields.only(values.cut != nullptr ? kSent : kStored));
  CredentialSlot slot;
  AV_CHECK(fields.required_text("key", slot.key));
  AV_CHECK(located(tree, fields.path_of("key"), check_credential_key(slot.key)));
  AV_TRY(slot.action, read_action(fields));
  AV_CHECK(read_shown(tree, fields, "description", Limits::kDescription, false, slot.description));
  if (slot.action == ProposalAction::kDelete) {
    AV_CHECK(fields.only(kDeleted));
    return slot;
  }
  AV_CHECK(read_url(tree, fields, "obtain", slot.obtain));
  AV_CHECK(read_shown(tree, fields, "obtain_instructions", Limits::kInstructions, true,
                      slot.obtain_instructions));
  std::string type = "static";
  AV_CHECK(fields.text("type", type));
  if (type != "static" && type != "oauth") {
    return fields.wrong("type", "must be \"static\" or \"oauth\"");
  }
  const Json* oauth = fields.find("oauth");
  if ((type == "oauth") != (oauth != nullptr)) {
    return fields.wrong("oauth", oauth == nullptr ? "is missing: it says how to connect"
                                                  : "belongs to the type \"oauth\" only");
  }
  if (oauth != nullptr) {
    AV_TRY(slot.oauth, read_oauth(tree, *oauth, fields.path_of("oauth")));
  }
  AV_CHECK(take_value(fields, values, slot, out));
  return slot;
}

// What a person could not read through, or could not judge.
Status check_proposed(const Service& service) {
  const auto too_many = [](std::string_view what) {
    return make_error(ErrorCode::kInvalid, "a proposed service has more than " +
                                               std::to_string(Limits::kParts) + " " +
                                               std::string(what));
  };
  if (service.methods.size() > Limits::kParts) {
    return too_many("methods");
  }
  if (service.substitutions.size() > Limits::kParts) {
    return too_many("substitutions");
  }
  if (service.env.size() > Limits::kParts) {
    return too_many("environment variables");
  }
  if (const auto* custom = std::get_if<CustomAuth>(&service.auth)) {
    if (custom->headers.size() > Limits::kParts) {
      return too_many("headers");
    }
    for (const CustomAuth::Header& header : custom->headers) {
      if (header.source.size() > Limits::kTemplate) {
        return make_error(ErrorCode::kInvalid, "the template of a proposed header is longer than " +
                                                   std::to_string(Limits::kTemplate) +
                                                   " characters");
      }
    }
  }
  for (const std::string& method : service.methods) {
    if (method.size() > 32) {
      return make_error(ErrorCode::kInvalid, "a method of a proposed service is too long");
    }
  }
  if (!service.tls.ca_pem.empty()) {
    return make_error(ErrorCode::kInvalid, "\"ca\" of \"tls\" cannot be proposed",
                      "whom to trust is the owner's to say; ask in \"user_message\"");
  }
  if (!service.grant.empty()) {
    return make_error(ErrorCode::kInvalid, "\"grant\" cannot be proposed");
  }
  return check_shown_text("a service", service_to_json(service), Limits::kBody, false);
}

Expected<ProposedService> read_proposed(const TextTree& tree, const Json& node,
                                        const std::string& path) {
  static constexpr std::array<std::string_view, 3> kDeleted = {"action", "name", "host"};
  const Fields fields(tree, node, path);
  if (!node.is_object()) {
    return tree.error_at(path, "must be a table of fields");
  }
  ProposedService out;
  AV_TRY(const ProposalAction action, read_action(fields));
  out.named = fields.find("name") != nullptr;
  const bool deletes = action == ProposalAction::kDelete;
  const bool enables = !deletes && fields.find("enabled") != nullptr &&
                       fields.find("host") == nullptr && fields.find("auth") == nullptr;
  if (deletes || enables) {
    static constexpr std::array<std::string_view, 3> kEnabled = {"action", "name", "enabled"};
    AV_CHECK(fields.only(deletes ? kDeleted : kEnabled));
    out.action = deletes ? ProposedService::Action::kDelete : ProposedService::Action::kEnable;
    std::string host;
    AV_CHECK(fields.text("host", host));
    if (out.named || enables) {
      AV_CHECK(fields.required_text("name", out.service.name));
      AV_CHECK(located(tree, fields.path_of("name"), check_slug("service", out.service.name)));
    } else {
      AV_CHECK(fields.required_text("host", host));
    }
    if (!host.empty()) {
      AV_CHECK(located(tree, fields.path_of("host"), set_matcher_text(out.service, host)));
    }
    AV_CHECK(fields.flag("enabled", out.service.enabled));
    return out;
  }
  Json plain = node;
  plain.erase("action");
  AV_TRY(out.service, read_service(tree, plain, path));
  AV_CHECK(located(tree, path, check_proposed(out.service)));
  out.keeps_substitutions = fields.find("substitutions") == nullptr;
  return out;
}

Status check_list(const TextTree& tree, const Json& list, const std::string& path,
                  std::string_view key, std::size_t most) {
  if (!list.is_array()) {
    return tree.error_at(path, member_name(key) + " must be a list");
  }
  if (list.size() > most) {
    return tree.error_at(path,
                         member_name(key) + " has more than " + std::to_string(most) + " entries",
                         "split it into several proposals");
  }
  return {};
}

bool is_used(const ProposalRequest& request, const std::string& key) {
  return std::any_of(
      request.services.begin(), request.services.end(), [&](const ProposedService& service) {
        return service.action == ProposedService::Action::kSet && service.service.uses(key);
      });
}

// What holds between the parts, as far as it can be known without the vault.
Status check_whole(const TextTree& tree, const ProposalRequest& request) {
  if (request.slots.empty() && request.services.empty()) {
    return tree.error_at({}, "the proposal asks for nothing",
                         "fill \"services\", \"credentials\" or both");
  }
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < request.services.size(); ++i) {
    const ProposedService& one = request.services[i];
    const std::string at = TextTree::element(TextTree::member({}, "services"), i);
    if (!one.service.name.empty() && !names.insert(one.service.name).second) {
      return tree.error_at(at, "two services are named \"" + one.service.name + "\"",
                           "give each its own \"name\"");
    }
    for (const std::string& key : one.service.credential_keys()) {
      const CredentialSlot* slot = request.slot(key);
      if (slot != nullptr && slot->action == ProposalAction::kDelete) {
        return tree.error_at(at, "uses " + key + ", which the same proposal deletes");
      }
    }
  }
  std::set<std::string_view> keys;
  const bool has_services = std::any_of(
      request.services.begin(), request.services.end(),
      [](const ProposedService& s) { return s.action == ProposedService::Action::kSet; });
  for (std::size_t i = 0; i < request.slots.size(); ++i) {
    const CredentialSlot& slot = request.slots[i];
    const std::string at = TextTree::element(TextTree::member({}, "credentials"), i);
    if (!keys.insert(slot.key).second) {
      return tree.error_at(at, "the credential " + slot.key + " is there twice");
    }
    if (has_services && slot.action == ProposalAction::kSet && !is_used(request, slot.key)) {
      return tree.error_at(at, "no service of the proposal uses " + slot.key,
                           "name it in the \"auth\" of one, or propose it alone");
    }
  }
  return {};
}

Expected<ReadProposal> read(std::string_view text, Values values) {
  static constexpr std::array<std::string_view, 5> kSent = {"services", "credentials", "message",
                                                            "user_message", "vault"};
  AV_TRY(const TextTree tree, parse_json_text(text));
  const Fields fields(tree, tree.root, {});
  AV_CHECK(fields.only(kSent));
  ReadProposal out;
  ProposalRequest& request = out.request;
  AV_CHECK(fields.text("vault", out.vault));
  AV_CHECK(read_shown(tree, fields, "message", Limits::kMessage, true, request.message));
  AV_CHECK(
      read_shown(tree, fields, "user_message", Limits::kUserMessage, true, request.user_message));
  if (const Json* list = fields.find("credentials")) {
    const std::string path = fields.path_of("credentials");
    AV_CHECK(check_list(tree, *list, path, "credentials", Limits::kSlots));
    for (std::size_t i = 0; i < list->size(); ++i) {
      AV_TRY(CredentialSlot slot,
             read_slot(tree, (*list)[i], TextTree::element(path, i), values, out.values));
      request.slots.push_back(std::move(slot));
    }
  }
  if (const Json* list = fields.find("services")) {
    const std::string path = fields.path_of("services");
    AV_CHECK(check_list(tree, *list, path, "services", Limits::kServices));
    for (std::size_t i = 0; i < list->size(); ++i) {
      AV_TRY(ProposedService service, read_proposed(tree, (*list)[i], TextTree::element(path, i)));
      request.services.push_back(std::move(service));
    }
  }
  AV_CHECK(check_whole(tree, request));
  return out;
}

}  // namespace

Expected<ReadProposal> read_proposal(const Secret& body) {
  if (body.size() > Limits::kBody) {
    return make_error(ErrorCode::kInvalid, "the proposal is larger than 1 MiB");
  }
  if (body.empty()) {
    return make_error(ErrorCode::kInvalid, "the proposal is empty",
                      "send JSON: {\"services\": [...], \"credentials\": [...]}");
  }
  AV_TRY(CutJson cut, cut_secret_members(body, "value"));
  return read(cut.text, {&cut.values});
}

Expected<ProposalRequest> proposal_request_from_json(std::string_view text) {
  AV_TRY(ReadProposal read_back, read(text, {}));
  return std::move(read_back.request);
}

Expected<Narrowing> narrowing_from_json(std::string_view text) {
  static constexpr std::array<std::string_view, 3> kTop = {"services", "expires_in_seconds",
                                                           "uses"};
  static constexpr std::array<std::string_view, 4> kService = {"name", "host", "path", "methods"};
  Narrowing out;
  if (text.empty()) {
    return out;
  }
  AV_TRY(const TextTree tree, parse_json_text(text));
  const Fields fields(tree, tree.root, {});
  AV_CHECK(fields.only(kTop));
  std::uint32_t seconds = 0;
  AV_CHECK(fields.number("expires_in_seconds", 1, 366 * 24 * 3600, seconds));
  AV_CHECK(fields.number("uses", 1, Limits::kUses, out.uses));
  out.for_ms = std::int64_t{seconds} * 1000;
  const Json* list = fields.find("services");
  if (list == nullptr) {
    return out;
  }
  const std::string path = fields.path_of("services");
  AV_CHECK(check_list(tree, *list, path, "services", Limits::kServices));
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Fields one(tree, (*list)[i], TextTree::element(path, i));
    AV_CHECK(one.only(kService));
    ServiceNarrowing service;
    AV_CHECK(one.text("name", service.name));
    AV_CHECK(one.text("host", service.host));
    AV_CHECK(one.text("path", service.path));
    AV_CHECK(one.texts("methods", service.methods));
    make_upper(service.methods);
    out.services.push_back(std::move(service));
  }
  return out;
}

}  // namespace av::vault
