#include "cmd/proposal_cmd.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "cmd/api_client.h"
#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/duration.h"
#include "cmd/given_secret.h"
#include "cmd/narrow_options.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/proposal_view.h"
#include "cmd/remote.h"
#include "cmd/remote_store.h"
#include "cmd/store_cmd.h"
#include "cmd/term.h"
#include "core/encoding.h"
#include "vault/names.h"
#include "vault/proposal_codec.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using NewValue = store::Store::NewValue;
using vault::Proposal;
using vault::ProposalState;

constexpr std::string_view kList = "agent-vault proposal list";
constexpr std::chrono::milliseconds kPollEvery{500};

std::string query_of(const Context& context, std::string rest) {
  if (context.vault) {
    rest += (rest.empty() ? "" : "&") + ("vault=" + encoding::percent(*context.vault));
  }
  return rest.empty() ? "" : "?" + rest;
}

std::string text_of(const nlohmann::json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// The server that an agent asks. Nothing where a person decides, over a store or a server's.
Expected<std::optional<ApiClient>> server_of_agent(Context& context) {
  AV_TRY(auto api, ApiClient::from_environment(context));
  if (api && is_remote(context)) {
    AV_CHECK(context.open_store());
    AV_TRY(const bool person, context.remote()->is_person());
    if (person) {
      api.reset();
    }
  }
  return api;
}

// An answer of the server, as an object.
Expected<nlohmann::json> object_of(const std::string& body) {
  nlohmann::json json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return make_error(ErrorCode::kNetwork, "the answer of agent-vault is not JSON");
  }
  return json;
}

// -- list

struct ListOptions {
  std::string status = "pending";
};

Status print_remote_list(const Context& context, ApiClient& api, const ListOptions& options) {
  const std::string status =
      options.status == "all" ? "" : "status=" + encoding::percent(options.status);
  AV_TRY(const std::string body, api.get("/v1/proposals" + query_of(context, status)));
  AV_TRY(const nlohmann::json json, object_of(body));
  if (context.json) {
    print(context.out, json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    return {};
  }
  Table table({"ID", "STATUS", "ASKED", "MESSAGE"});
  const auto list = json.find("proposals");
  if (list != json.end() && list->is_array()) {
    for (const auto& one : *list) {
      const auto id = one.is_object() ? one.find("id") : one.end();
      if (one.is_object() && id != one.end()) {
        table.add({id->dump(), text_of(one, "status"), text_of(one, "created_at"),
                   text_of(one, "message").substr(0, 80)});
      }
    }
  }
  table.print(context.out);
  return {};
}

Status print_local_list(Context& context, const ListOptions& options) {
  const auto state = vault::proposal_state_from_string(options.status);
  // Whoever is asked decides, whichever vault the terminal is at.
  AV_TRY(const auto proposals, context.store->list_proposals(context.vault.value_or(""), state));
  if (context.json) {
    std::string out = "{\"proposals\":[";
    for (const Proposal& one : proposals) {
      out += (out.ends_with('[') ? "" : ",") + vault::proposal_summary_to_json(one);
    }
    print(context.out, out + "]}\n");
    return {};
  }
  if (proposals.empty()) {
    notice(context, options.status == "pending" ? "no proposal waits" : "there are no proposals");
    return {};
  }
  Table table({"ID", "VAULT", "STATUS", "BY", "SERVICES", "CREDENTIALS", "ASKED"});
  for (const Proposal& one : proposals) {
    std::vector<std::string> services;
    for (const vault::ProposedService& service : one.request.services) {
      services.push_back(service.service.host.empty() ? service.service.name
                                                      : service.service.host);
    }
    std::vector<std::string> keys;
    for (const vault::CredentialSlot& slot : one.request.slots) {
      keys.push_back(slot.key);
    }
    table.add({std::to_string(one.number), one.vault, std::string(to_string(one.state)),
               one.by.agent.empty() ? one.by.run : one.by.agent, join(services, ", ").substr(0, 60),
               join(keys, ", ").substr(0, 60), show_time(one.created_ms)});
  }
  table.print(context.out);
  if (options.status == "pending") {
    notice(context, "decide them one by one: agent-vault proposal review");
  }
  return {};
}

Run setup_list(OptionSet& app) {
  const auto options = std::make_shared<ListOptions>();
  app.add_option("--status", options->status, "pending, applied, rejected, expired or all")
      ->show_default();
  return [options](Context& context) -> Expected<int> {
    if (options->status != "all" && !vault::proposal_state_from_string(options->status)) {
      return usage_error("--status names no state",
                         "one of pending, applied, rejected, expired, all");
    }
    AV_TRY(auto api, server_of_agent(context));
    if (api) {
      AV_CHECK(print_remote_list(context, *api, *options));
      return 0;
    }
    AV_CHECK(context.refuse_inside_run("proposal list"));
    AV_CHECK(context.open_store());
    AV_CHECK(print_local_list(context, *options));
    return 0;
  };
}

// -- show

struct ShowOptions {
  std::string number;
  bool wait = false;
  std::string timeout;
};

// What --wait says to a script: whether it may go on.
int exit_code_of(const ShowOptions& options, std::string_view state) {
  return !options.wait || state == "applied" ? 0 : 1;
}

Expected<int> show_remote(const Context& context, ApiClient& api, const ShowOptions& options,
                          std::uint64_t number, std::chrono::steady_clock::time_point until) {
  std::string state = "pending";
  nlohmann::json json;
  for (;;) {
    const auto begun = context.clock->steady();
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(until - begun).count();
    const auto wait = std::clamp<std::int64_t>(left, 0, 30);
    AV_TRY(const std::string body,
           api.get("/v1/proposals/" + std::to_string(number) +
                   query_of(context, options.wait ? "wait=" + std::to_string(wait) : "")));
    AV_TRY(json, object_of(body));
    state = text_of(json, "status");
    if (!options.wait || state != "pending" || context.clock->steady() >= until) {
      break;
    }
    // A server that does not hold the request must not be asked in a circle.
    if (context.clock->steady() - begun < kPollEvery) {
      std::this_thread::sleep_for(kPollEvery);
    }
  }
  if (context.json) {
    print(context.out, json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    return exit_code_of(options, state);
  }
  Table table({"ID", "STATUS", "NOTE"});
  table.add({std::to_string(number), state, text_of(json, "review_note")});
  table.print(context.out);
  return exit_code_of(options, state);
}

Expected<int> show_local(Context& context, const ShowOptions& options, std::uint64_t number,
                         std::chrono::steady_clock::time_point until) {
  AV_TRY(const std::string vault, context.vault_name());
  for (;;) {
    AV_TRY(const Proposal proposal, context.store->get_proposal(vault, number));
    const bool waits = proposal.state == ProposalState::kPending;
    if (options.wait && waits && context.clock->steady() < until) {
      std::this_thread::sleep_for(kPollEvery);
      continue;
    }
    if (context.json) {
      print(context.out, vault::proposal_to_json(proposal) + "\n");
      return exit_code_of(options, to_string(proposal.state));
    }
    print_proposal(context.out, proposal, context.clock->wall_ms());
    if (waits) {
      const auto review = context.store->review_proposal(vault, number, {});
      if (review) {
        print_diff(context.out, review->diff);
      } else {
        warn(context, review.error().message);
      }
    }
    for (const vault::CredentialSlot& slot : proposal.request.slots) {
      print_slot(context.out, slot);
    }
    return exit_code_of(options, to_string(proposal.state));
  }
}

Run setup_show(OptionSet& app) {
  const auto options = std::make_shared<ShowOptions>();
  app.add_option("ID", options->number, "as in `proposal list`")->required();
  app.add_flag("--wait", options->wait,
               "until it is decided; the exit code is 0 if it was allowed, 1 if not");
  app.add_option("--timeout", options->timeout, "with --wait, at most this long: 10m, 2h")
      ->type_name("TIME");
  return [options](Context& context) -> Expected<int> {
    AV_TRY(const std::uint64_t number, proposal_number(options->number));
    Millis timeout{vault::ProposalLimits::kLifetimeMs};
    if (!options->timeout.empty()) {
      AV_TRY(timeout, parse_duration(options->timeout));
    }
    const auto until = context.clock->steady() + timeout;
    AV_TRY(auto api, server_of_agent(context));
    if (api) {
      return show_remote(context, *api, *options, number, until);
    }
    AV_CHECK(context.refuse_inside_run("proposal show"));
    AV_CHECK(context.open_store());
    return show_local(context, *options, number, until);
  };
}

// -- approve and reject

struct ApproveOptions {
  std::vector<std::string> words;  // ID, then KEY= (argv_values) or KEY
  bool from_stdin = false;
  std::vector<std::string> from;  // KEY=REFERENCE
  std::string store;
  NarrowOptions narrow;
  RunWords reach;
};

Expected<Secret> value_from_stdin() {
  AV_TRY(Secret value, fs::read_secret_fd(STDIN_FILENO, vault::kMaxValueSize + 1));
  drop_final_newline(value);
  return value;
}

Expected<std::vector<NewValue>> given_values(Context& context, const ApproveOptions& options) {
  std::vector<NewValue> values;
  std::size_t next = 0;
  bool stdin_used = false;
  for (std::size_t i = 1; i < options.words.size(); ++i) {
    const std::string& word = options.words[i];
    if (word.ends_with('=') && next < context.argv_values.size()) {
      values.push_back({word.substr(0, word.size() - 1), std::move(context.argv_values[next++])});
      continue;
    }
    AV_CHECK(vault::check_credential_key(word));
    if (!options.from_stdin || stdin_used) {
      return usage_error("no value for " + word,
                         "give KEY=VALUE, or one KEY with --stdin; leave it out to be asked");
    }
    stdin_used = true;
    AV_TRY(Secret value, value_from_stdin());
    values.push_back({word, std::move(value)});
  }
  if (options.from_stdin && !stdin_used) {
    return usage_error("--stdin needs a KEY before it");
  }
  if (next != 0) {
    warn(context,
         "values on the command line show in process listings and in the shell's history; leave "
         "them out, and they are asked for");
  }
  return values;
}

// Credentials that the reviewer keeps where they are.
Expected<std::vector<store::Store::NewSource>> given_sources(Context& context,
                                                             const std::string& vault,
                                                             const ApproveOptions& options) {
  std::vector<store::Store::NewSource> out;
  for (const std::string& word : options.from) {
    const std::size_t at = word.find('=');
    const std::string reference = at == std::string::npos ? "" : word.substr(at + 1);
    // Not shown: it may be a value that was put in the wrong place.
    if (source::scheme_of(reference).empty()) {
      return usage_error("--from wants KEY=REFERENCE",
                         "like --from OPENAI_API_KEY=op://vault/item/field");
    }
    store::Store::NewSource one;
    one.key = word.substr(0, at);
    AV_CHECK(vault::check_credential_key(one.key));
    AV_TRY(api::FoundReference found, find_reference(context, vault, reference, options.store));
    one.source = {found.info.store.name, reference, std::move(found.item), std::move(found.field)};
    out.push_back(std::move(one));
  }
  return out;
}

Expected<int> run_approve(Context& context, const ApproveOptions& options) {
  AV_TRY(const std::uint64_t number, proposal_number(options.words.front()));
  AV_TRY(const std::string vault, context.vault_name());
  store::Store::ProposalApproval approval;
  AV_TRY(approval.narrowing, narrowing_of(options.narrow));
  AV_TRY(const auto review, context.store->review_proposal(vault, number, approval.narrowing));
  AV_TRY(approval.values, given_values(context, options));
  AV_TRY(approval.sources, given_sources(context, vault, options));
  if (!context.json) {
    print_proposal(context.err, review.proposal, context.clock->wall_ms());
    print_diff(context.err, review.diff);
  }
  AV_CHECK(ask_for_values(context, review.proposal, review.diff.needed, options.reach, approval));
  approval.fingerprint = review.diff.fingerprint;
  approval.reviewer = reviewer_at_terminal();
  AV_CHECK(approve_audited(context, review.proposal, approval));
  if (context.json) {
    const Json out = {{"id", number}, {"status", "applied"}, {"vault", vault}};
    print(context.out, out.dump() + "\n");
  } else {
    notice(context, "allowed proposal " + std::to_string(number) + " in vault '" + vault + "'");
  }
  return 0;
}

Run setup_approve(OptionSet& app) {
  const auto options = std::make_shared<ApproveOptions>();
  app.add_option("ID", options->words, "as in `proposal list`; then KEY=VALUE, or KEY with --stdin")
      ->required();
  app.add_flag("--stdin", options->from_stdin, "read the value of KEY from standard input");
  app.add_option("--from", options->from,
                 "keep the value of KEY in the external store that REFERENCE is of; repeatable")
      ->type_name("KEY=REFERENCE")
      ->repeatable();
  app.add_option("--store", options->store,
                 "with --from: of this store, where several could be meant")
      ->type_name("NAME");
  add_narrow_options(app, options->narrow);
  add_reach_options(app, options->reach);
  app.footer("Values that are not given are asked for and not shown.");
  return [options](Context& context) { return run_approve(context, *options); };
}

struct RejectOptions {
  std::string number;
  std::string reason;
};

Run setup_reject(OptionSet& app) {
  const auto options = std::make_shared<RejectOptions>();
  app.add_option("ID", options->number, "as in `proposal list`")->required();
  app.add_option("--reason", options->reason, "told to the agent")->type_name("TEXT");
  return [options](Context& context) -> Expected<int> {
    AV_TRY(const std::uint64_t number, proposal_number(options->number));
    AV_TRY(const std::string vault, context.vault_name());
    AV_TRY(const Proposal proposal, context.store->get_proposal(vault, number));
    AV_CHECK(reject_audited(context, proposal, options->reason));
    if (context.json) {
      const Json out = {{"id", number}, {"status", "rejected"}, {"vault", vault}};
      print(context.out, out.dump() + "\n");
    } else {
      notice(context, "rejected proposal " + std::to_string(number));
    }
    return 0;
  };
}

}  // namespace

Expected<std::uint64_t> proposal_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size() || number == 0) {
    return usage_error("a proposal is named by its number", "see: " + std::string(kList));
  }
  return number;
}

Status approve_audited(Context& context, const Proposal& proposal,
                       const store::Store::ProposalApproval& approval) {
  const std::string narrowed = vault::narrowing_to_json(approval.narrowing);
  std::string what =
      " by " + approval.reviewer + (narrowed.empty() ? "" : ", narrowed " + narrowed);
  for (const auto& one : approval.sources) {
    what += ", " + one.key + " from " + one.source.store;
  }
  return audited(context, proposal_record("proposal.approve", proposal, what), [&] {
    return context.store->approve_proposal(proposal.vault, proposal.number, approval);
  });
}

Status reject_audited(Context& context, const Proposal& proposal, const std::string& note) {
  const std::string reviewer = reviewer_at_terminal();
  return audited(context, proposal_record("proposal.reject", proposal, " by " + reviewer), [&] {
    return context.store->reject_proposal(proposal.vault, proposal.number, reviewer, note);
  });
}

Status ask_for_values(Context& context, const Proposal& proposal,
                      const std::vector<std::string>& needed, const RunWords& reach,
                      store::Store::ProposalApproval& approval) {
  std::vector<NewValue>& values = approval.values;
  for (const std::string& key : needed) {
    const auto is_it = [&](const auto& one) { return one.key == key; };
    if (std::any_of(values.begin(), values.end(), is_it) ||
        std::any_of(approval.sources.begin(), approval.sources.end(), is_it)) {
      continue;
    }
    const vault::CredentialSlot& slot = *proposal.request.slot(key);
    print_slot(context.err, slot);
    std::fflush(context.err);
    const bool connected = std::any_of(approval.connections.begin(), approval.connections.end(),
                                       [&](const auto& one) { return one.key == key; });
    if (slot.oauth && !slot.oauth->token_url.empty()) {
      if (!connected) {
        AV_CHECK(connect_slot(context, slot, reach, approval));
      }
      continue;
    }
    Expected<Secret> value = read_hidden("value of " + key + ": ");
    if (!value && value.error().code == ErrorCode::kLocked) {
      return usage_error("no value for " + key + " and no terminal to ask on",
                         "pipe it in: agent-vault proposal approve ID " + key + " --stdin < FILE");
    }
    if (!value) {
      return value.error();
    }
    if (value->empty()) {
      return make_error(ErrorCode::kInvalid, "the value of " + key + " is empty",
                        "nothing was changed; the proposal still waits");
    }
    values.push_back({key, std::move(*value)});
  }
  return {};
}

std::span<const Command> proposal_commands() {
  static constexpr std::array<Command, 6> kCommands = {{
      {"proposal create", "ask for access; a person decides", Needs::kNothing,
       setup_proposal_create},
      {"proposal list", "list what agents ask for", Needs::kNothing, setup_list},
      {"proposal show", "print one, and what it would change", Needs::kNothing, setup_show},
      {"proposal approve", "allow what an agent asks for, or less", Needs::kStore, setup_approve,
       true},
      {"proposal reject", "refuse what an agent asks for", Needs::kStore, setup_reject, true},
      {"proposal review", "go through all that wait, and decide", Needs::kStore,
       setup_proposal_review, true},
  }};
  return kCommands;
}

}  // namespace av::cmd
