#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cmd/api_client.h"
#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/narrow_options.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/proposal_cmd.h"
#include "cmd/proposal_view.h"
#include "core/encoding.h"
#include "vault/preset.h"
#include "vault/proposal_codec.h"
#include "vault/proposal_suggestion.h"
#include "vault/service.h"
#include "vault/service_codec.h"
#include "vault/token.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

struct CreateOptions {
  std::string file;
  std::string service;  // host[:port][/path]
  std::string methods;
  std::string key;
  std::string description;
  std::string obtain;
  std::string message;
  std::string user_message;
};

// The request for one service: how it authenticates comes from the catalogue where that knows the
// host, else it is a bearer token.
Expected<std::string> request_of(const CreateOptions& options) {
  vault::Service parts;
  AV_CHECK(vault::set_matcher_text(parts, options.service));
  const vault::PresetMatch match = vault::preset_for_host(parts.host);
  const bool from_catalogue = match.service != nullptr && options.key.empty();
  Json service = {{"action", "set"}, {"host", options.service}};
  std::vector<std::string> keys;
  if (from_catalogue) {
    service["auth"] = Json::parse(vault::service_to_json(*match.service)).at("auth");
    keys = match.service->credential_keys();
  } else {
    keys = {options.key.empty() ? vault::suggested_key(parts.host) : options.key};
    service["auth"] = {{"type", "bearer"}, {"token", keys.front()}};
  }
  const auto methods = split_words(options.methods);
  if (!methods.empty()) {
    service["methods"] = methods;
  }
  Json out = {{"services", {service}}, {"credentials", Json::array()}};
  for (const std::string& key : keys) {
    Json slot = {{"action", "set"}, {"key", key}};
    const std::string obtain = !options.obtain.empty() ? options.obtain
                               : from_catalogue        ? match.preset->obtain
                                                       : std::string();
    if (!options.description.empty()) {
      slot["description"] = options.description;
    }
    if (!obtain.empty()) {
      slot["obtain"] = obtain;
    }
    out["credentials"].push_back(slot);
  }
  out["message"] = options.message;
  out["user_message"] = options.user_message;
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Expected<Secret> body_of(const CreateOptions& options) {
  constexpr std::size_t kLimit = vault::ProposalLimits::kBody + 1;
  const bool by_options = !options.service.empty() || !options.key.empty();
  if (by_options == !options.file.empty()) {
    return usage_error(
        by_options ? "a FILE and --service or --key exclude one another" : "nothing is asked for",
        "give a FILE (- for standard input), or --service HOST");
  }
  if (!by_options) {
    return options.file == "-" ? fs::read_secret_fd(STDIN_FILENO, kLimit)
                               : fs::read_secret_file(options.file, kLimit);
  }
  if (options.service.empty()) {
    Json slot = {{"action", "set"}, {"key", options.key}};
    if (!options.description.empty()) {
      slot["description"] = options.description;
    }
    if (!options.obtain.empty()) {
      slot["obtain"] = options.obtain;
    }
    const Json out = {{"credentials", {slot}},
                      {"message", options.message},
                      {"user_message", options.user_message}};
    return Secret::copy_of(out.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  AV_TRY(const std::string text, request_of(options));
  return Secret::copy_of(text);
}

Expected<int> create_remotely(const Context& context, ApiClient& api, const Secret& body) {
  const std::string query =
      context.vault ? "?vault=" + encoding::percent(*context.vault) : std::string();
  AV_TRY(const std::string answer, api.post("/v1/proposals" + query, body));
  const auto json = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return make_error(ErrorCode::kNetwork, "the answer of agent-vault is not JSON");
  }
  if (context.json) {
    print(context.out, json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    return 0;
  }
  const std::string id = json.contains("id") ? json["id"].dump() : "?";
  const auto url = json.find("approval_url");
  print(context.out, encoding::printable(id) + "\n");
  notice(context, "filed proposal " + encoding::printable(id) + "; a person decides it" +
                      (url != json.end() && url->is_string()
                           ? " at " + encoding::printable(url->get<std::string>())
                           : ""));
  notice(context, "wait for it: agent-vault proposal show " + encoding::printable(id) + " --wait");
  return 0;
}

Expected<int> create_here(Context& context, const Secret& body) {
  AV_TRY(const vault::ReadProposal read, vault::read_proposal(body));
  AV_CHECK(context.open_store());
  if (!read.vault.empty() && !context.vault) {
    context.vault = read.vault;
  }
  AV_TRY(const std::string vault, context.vault_name());
  // Nobody is given this link; what it would open is here already.
  AV_TRY(const Secret link, vault::make_token(vault::kApprovalToken));
  vault::Proposal proposal;
  proposal.vault = vault;
  proposal.request = read.request;
  std::uint64_t number = 0;
  vault::AuditRecord record = proposal_record("proposal.create", proposal, "");
  record.detail = "by " + reviewer_at_terminal();
  AV_TRY(number, audited(context, std::move(record), [&] {
           return context.store->create_proposal(vault, {}, read, vault::hash_of(link));
         }));
  if (context.json) {
    const Json out = {{"id", number}, {"status", "pending"}, {"vault", vault}};
    print(context.out, out.dump() + "\n");
  } else {
    print(context.out, std::to_string(number) + "\n");
    notice(context, "decide it: agent-vault proposal review " + std::to_string(number));
  }
  return 0;
}

}  // namespace

Run setup_proposal_create(OptionSet& app) {
  const auto options = std::make_shared<CreateOptions>();
  app.add_option("FILE", options->file, "the proposal as JSON, or - for standard input");
  app.add_option("--service", options->service, "ask for access to this host, with a credential")
      ->type_name("HOST[/PATH]");
  app.add_option("--methods", options->methods, "with --service: these methods only, like GET,POST")
      ->type_name("METHODS");
  app.add_option("--key", options->key, "the credential's name; with --service, a bearer token")
      ->type_name("KEY");
  app.add_option("--description", options->description, "what the credential is")
      ->type_name("TEXT");
  app.add_option("--obtain", options->obtain, "where a person gets it")->type_name("URL");
  app.add_option("--user-message", options->user_message, "why, for the one who decides")
      ->type_name("TEXT");
  app.add_option("--message", options->message, "why, for developers")->type_name("TEXT");
  app.footer(
      "Inside a run, or with AGENT_VAULT_ADDR and AGENT_VAULT_TOKEN, it goes to that server.");
  return [options](Context& context) -> Expected<int> {
    AV_TRY(const Secret body, body_of(*options));
    AV_TRY(auto api, ApiClient::from_environment(context));
    if (api) {
      return create_remotely(context, *api, body);
    }
    AV_CHECK(context.refuse_inside_run("proposal create"));
    return create_here(context, body);
  };
}

}  // namespace av::cmd
