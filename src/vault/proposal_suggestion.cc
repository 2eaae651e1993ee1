#include "vault/proposal_suggestion.h"

#include "core/ascii.h"
#include "vault/matcher.h"
#include "vault/preset.h"
#include "vault/service_codec.h"
#include "vault/text_tree.h"
#include "vault/tree_writer.h"

namespace av::vault {
namespace {

using Json = TextTree::Json;

constexpr std::string_view kWhy = "say here what you need it for";

// Whether the agent can use what is stored under this name.
bool is_there(const PolicySnapshot* snapshot, std::string_view agent, const std::string& key) {
  if (snapshot == nullptr || snapshot->credentials.find(key) == snapshot->credentials.end()) {
    return false;
  }
  const auto it = snapshot->agents.find(agent);
  return it == snapshot->agents.end() || it->second.may_use_credential(key);
}

Json slot_of(const std::string& key, const Preset* preset) {
  Json slot = {{"action", "set"}, {"key", key}};
  if (preset != nullptr) {
    slot["description"] = "for " + preset->title;
    slot["obtain"] = preset->obtain;
  }
  return slot;
}

Json proposal_of(Json services, Json credentials) {
  return {{"services", std::move(services)},
          {"credentials", std::move(credentials)},
          {"user_message", kWhy}};
}

}  // namespace

std::string suggested_key(std::string_view host) {
  constexpr std::size_t kMost = 60;
  std::string_view rest = host.substr(0, host.rfind('.'));
  const std::size_t dot = rest.rfind('.');
  rest = dot == std::string_view::npos ? rest : rest.substr(dot + 1);
  std::string out;
  for (const char c : rest.substr(0, kMost)) {
    out.push_back(ascii::is_alpha(c) || ascii::is_digit(c) ? ascii::upper(c) : '_');
  }
  return (out.empty() || !ascii::is_upper(out.front()) ? "API" : out) + "_KEY";
}

std::string suggested_proposal(const RequestIdentity& request, const PolicySnapshot* snapshot,
                               std::string_view agent) {
  const std::string& host = request.authority.host;
  const bool plain = request.scheme == Scheme::kHttp;
  const PresetMatch match = preset_for_host(host);
  const bool known = match.service != nullptr && !plain &&
                     request.authority.port == default_port(Scheme::kHttps) &&
                     path_matches(match.service->path, request.target.path);
  Json service = {{"action", "set"}};
  std::vector<std::string> keys;
  if (known) {
    const Json whole = Json::parse(service_to_json(*match.service));
    for (const auto& [name, value] : whole.items()) {
      if (name != "name" && name != "enabled") {
        service[name] = value;
      }
    }
    keys = match.service->credential_keys();
  } else {
    keys.push_back(suggested_key(host));
    service["host"] = to_string(request.authority, request.scheme);
    service["auth"] = {{"type", "bearer"}, {"token", keys.front()}};
    if (plain) {
      service["allow_http"] = true;
    }
  }
  Json slots = Json::array();
  for (const std::string& key : keys) {
    if (!is_there(snapshot, agent, key)) {
      slots.push_back(slot_of(key, known ? match.preset : nullptr));
    }
  }
  return dump_json(proposal_of(Json::array({service}), std::move(slots)), false);
}

std::string renewal_proposal(std::string_view service) {
  const Json one = {{"action", "set"}, {"name", service}, {"enabled", true}};
  return dump_json(proposal_of(Json::array({one}), Json::array()), false);
}

std::string credential_proposal(std::string_view key) {
  const std::string name(key);
  return dump_json(
      proposal_of(Json::array(), Json::array({slot_of(name, preset_for_credential(name))})), false);
}

}  // namespace av::vault
