#include "cmd/login_plan.h"

#include <algorithm>

#include "cmd/agent_login.h"
#include "cmd/output.h"
#include "core/ascii.h"
#include "oauth/connection.h"
#include "oauth/import.h"

namespace av::cmd {
namespace {

constexpr int kMostOfOne = 10;

std::string base_key(const oauth::LoginEndpoint& endpoint) {
  if (endpoint.provider == nullptr) {
    return std::string(endpoint.program == "codex" ? kCodexLoginKey : kClaudeLoginKey);
  }
  std::string out;
  for (const char c : endpoint.provider->id) {
    out += c == '-' ? '_' : ascii::upper(c);
  }
  return out + "_OAUTH";
}

// A login of this provider that was had by `oauth import` or in a run, which a new one may replace.
bool is_replaceable(const vault::OauthClient& client, const oauth::LoginEndpoint& endpoint) {
  const oauth::LoginEndpoint* const own = oauth::find_login_endpoint(client.token_url);
  return own != nullptr && group_of(*own) == group_of(endpoint) &&
         (!label_of(client, kCapturedLabel).empty() || !label_of(client, "program").empty());
}

// The first of the names that is free, or has a login that this one may replace.
Status choose_key(store::Store& store, const LoginOf& login, LoginPlan& plan, std::string& was) {
  AV_TRY(const auto credentials, store.list_credentials(login.vault));
  const std::string base = base_key(login.endpoint);
  for (int i = 1; i <= kMostOfOne; ++i) {
    plan.key = i == 1 ? base : base + "_" + std::to_string(i);
    const auto found = std::find_if(credentials.begin(), credentials.end(),
                                    [&](const auto& one) { return one.key == plan.key; });
    if (found == credentials.end()) {
      return {};
    }
    if (found->type != "oauth") {
      continue;
    }
    AV_TRY(const store::Store::OauthInfo info, store.get_oauth(login.vault, plan.key));
    if (is_replaceable(info.status.client, login.endpoint)) {
      plan.replaces_ms = info.status.connected_ms;
      was = label_of(info.status.client, "email");
      return {};
    }
  }
  return make_error(ErrorCode::kConflict,
                    "the vault has ten credentials of the names for this login",
                    "agent-vault oauth disconnect KEY for one that is not needed");
}

std::string free_name(const std::vector<vault::Service>& services, const std::string& wanted) {
  const auto taken = [&](const std::string& name) {
    return std::any_of(services.begin(), services.end(),
                       [&](const vault::Service& one) { return one.name == name; });
  };
  std::string name = wanted;
  for (int i = 2; taken(name); ++i) {
    name = wanted + "-" + std::to_string(i);
  }
  return name;
}

std::vector<vault::Service> wanted_services(const oauth::LoginEndpoint& endpoint,
                                            const std::string& key) {
  if (endpoint.provider == nullptr) {
    return services_of_login(endpoint.program == "codex", key);
  }
  std::vector<vault::Service> out;
  for (const std::string& host : endpoint.provider->hosts) {
    vault::Service& service = out.emplace_back();
    service.name = endpoint.provider->id + "-login";
    service.host = host;
    service.auth = vault::BearerAuth{key};
  }
  return out;
}

// Hosts that have a service already keep it.
Status choose_services(store::Store& store, const LoginOf& login, LoginPlan& plan,
                       std::string& words) {
  AV_TRY(std::vector<vault::Service> all, store.list_services(login.vault));
  for (vault::Service& service : wanted_services(login.endpoint, plan.key)) {
    const vault::Service* ours = nullptr;
    const vault::Service* other = nullptr;
    for (const vault::Service& one : all) {
      const bool same = one.enabled && one.host == service.host;
      ours = same && one.uses(plan.key) ? &one : ours;
      other = same && !one.uses(plan.key) && one.path.empty() ? &one : other;
    }
    if (ours != nullptr) {
      words += "It is used by the service " + ours->name + " for " + service.host + ".\n";
    } else if (other != nullptr) {
      words += service.host + " stays with the service " + other->name +
               ", which sends its own credential there.\n";
      for (const std::string& key : other->credential_keys()) {
        plan.others.push_back(key);
      }
    } else {
      service.name = free_name(all, service.name);
      words += "It goes to " + service.host + " (the new service " + service.name + ").\n";
      if (login.agent != nullptr && !vault::in_scope(*login.agent, service)) {
        words += "The agent " + login.agent->name +
                 " may not use that service before its scope is widened.\n";
      }
      all.push_back(service);
      plan.services.push_back(std::move(service));
    }
  }
  return {};
}

}  // namespace

std::string label_of(const vault::OauthClient& client, std::string_view name) {
  const auto found = std::find_if(client.labels.begin(), client.labels.end(),
                                  [&](const auto& label) { return label.first == name; });
  return found == client.labels.end() ? std::string() : found->second;
}

const std::string& group_of(const oauth::LoginEndpoint& endpoint) {
  return endpoint.provider == nullptr ? endpoint.program : endpoint.provider->id;
}

Expected<LoginPlan> plan_login(store::Store& store, const LoginOf& login) {
  const std::string known = oauth::program_client(login.endpoint.program).client_id;
  if (!known.empty() && login.request.client.client_id != known) {
    return make_error(ErrorCode::kUnsupported,
                      "the program is not the one that logs in at " + login.endpoint.title);
  }
  LoginPlan plan;
  std::string was;
  std::string services;
  AV_CHECK(choose_key(store, login, plan, was));
  AV_CHECK(choose_services(store, login, plan, services));
  plan.effect = "A program of this run logs in at " + login.endpoint.title +
                ". The tokens are kept in the vault as " + plan.key +
                ", the program gets stand-ins.\n";
  if (plan.replaces_ms != 0) {
    plan.effect += "This REPLACES " + plan.key + " (of " + show_time(plan.replaces_ms) +
                   (was.empty() ? "" : ", account " + was) + ").\n";
  }
  plan.effect += services;
  plan.effect +=
      login.request.grant == oauth::LoginGrant::kRefresh
          ? "The program has a refresh token already, which this makes void.\n"
          : "Whose account it is, nobody knows yet. Allow it only if you yourself have just logged "
            "in there for this program: with an account of somebody else, what is sent to these "
            "hosts would be sent to them.\n";
  return plan;
}

vault::OauthConnection login_connection(const oauth::LoginEndpoint& endpoint,
                                        const std::string& url, oauth::LoginRequest& request,
                                        oauth::Tokens tokens, std::string_view run,
                                        std::int64_t now_ms) {
  vault::OauthClient client = request.client;
  if (endpoint.provider == nullptr) {
    // Codex redeems with a form and refreshes with JSON: as `oauth import` has it.
    client = oauth::program_client(endpoint.program);
  }
  client.token_url = endpoint.url.empty() ? url : endpoint.url;
  oauth::ImportedLogin account;
  for (const Secret* const token : {&tokens.id_token, &tokens.access_token}) {
    if (!token->empty()) {
      oauth::read_account(*token, account);
    }
  }
  client.labels = labels_of(account);
  client.labels.emplace_back(kCapturedLabel, run);
  if (endpoint.provider != nullptr) {
    const vault::OauthClient& known = endpoint.provider->client;
    client.provider = endpoint.provider->id;
    client.issuer = known.issuer;
    client.revocation_url = known.revocation_url;
    client.scope_separator = known.scope_separator;
  } else {
    client.labels.emplace_back("program", endpoint.program);
  }
  vault::OauthSecrets secrets;
  secrets.client_secret = std::move(request.client_secret);
  secrets.refresh_token = std::move(request.refresh_token);
  return oauth::connection_of(std::move(client), std::move(secrets), std::move(tokens), now_ms);
}

}  // namespace av::cmd
