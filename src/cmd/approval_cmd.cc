#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>
#include "cmd/option_set.h"

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/duration.h"
#include "cmd/output.h"
#include "core/encoding.h"
#include "vault/grant_uses.h"
#include "vault/names.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using Approval = store::Store::Approval;

constexpr std::chrono::milliseconds kPollEvery{250};

std::string who(const vault::ApprovalRequest& request) {
  return request.agent.empty() ? request.run : request.agent;
}

std::string age(std::int64_t ms) {
  const std::int64_t seconds = std::max<std::int64_t>(0, ms / 1000);
  return seconds < 120 ? std::to_string(seconds) + "s" : std::to_string(seconds / 60) + "m";
}

Json to_tree(const Approval& approval) {
  const vault::ApprovalRequest& r = approval.request;
  Json out = {{"id", r.id},
              {"state", vault::to_string(approval.state)},
              {"vault", r.vault},
              {"agent", r.agent},
              {"run", r.run},
              {"rule", r.rule},
              {"method", r.method},
              {"url", r.url},
              {"content_type", r.content_type},
              {"has_body", r.has_body},
              {"body_size", r.body_size},
              {"body_complete", r.body_complete},
              {"preview", r.preview},
              {"created_ms", r.created_ms},
              {"expires_ms", r.expires_ms}};
  if (!r.effect.empty()) {
    out["effect"] = r.effect;
  }
  if (approval.decided_ms != 0) {
    out["decided_ms"] = approval.decided_ms;
  }
  return out;
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// All of it on the screen. What the agent wrote stands behind a bar, so that no line of it can pose
// as ours.
void print_in_full(const Context& context, const Approval& approval) {
  const vault::ApprovalRequest& r = approval.request;
  const auto line = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) {
      std::string text(name);
      text.resize(9, ' ');
      print(context.out, text + encoding::printable(value) + "\n");
    }
  };
  line("id", r.id);
  line("state", vault::to_string(approval.state));
  line("request", r.method + " " + r.url);
  line("by", who(r) + (r.agent.empty() ? "" : " (" + r.run + ")"));
  line("rule", r.rule);
  line("vault", r.vault);
  line("asked", show_time(r.created_ms));
  if (approval.state == vault::ApprovalState::kPending) {
    line("left", age(r.expires_ms - context.clock->wall_ms()));
  }
  std::string_view effect = r.effect;
  while (!effect.empty()) {
    const std::size_t end = std::min(effect.find('\n'), effect.size());
    line(effect.size() == r.effect.size() ? "allowing" : " ", effect.substr(0, end));
    effect.remove_prefix(std::min(end + 1, effect.size()));
  }
  if (!r.has_body) {
    line("body", "none");
    return;
  }
  line("body", std::to_string(r.body_size) + " bytes" +
                   (r.content_type.empty() ? "" : ", " + r.content_type) +
                   (r.body_complete ? "" : "; NOT ALL of it is shown, and more may come") +
                   "; what looks like a key is masked");
  std::string_view rest = r.preview;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    print(context.out, "  | " + encoding::printable(rest.substr(0, end)) + "\n");
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void print_one(const Context& context, const Approval& approval) {
  if (context.json) {
    print(context.out, dump(to_tree(approval)));
  } else {
    print_in_full(context, approval);
  }
}

Run setup_list(OptionSet& app) {
  const auto all = std::make_shared<bool>(false);
  const auto follow = std::make_shared<bool>(false);
  app.add_flag("--all", *all, "also those that have been decided, for a week");
  app.add_flag("-f,--follow", *follow, "go on printing what comes, in full");
  return [all, follow](Context& context) -> Expected<int> {
    // Whoever is asked decides, whichever vault the terminal is at.
    const std::string vault = context.vault.value_or("");
    if (*follow) {
      std::set<std::string> seen;
      for (;;) {
        AV_TRY(const auto waiting, context.store->list_approvals(vault, true));
        for (const Approval& approval : waiting) {
          if (seen.insert(approval.request.id).second) {
            print_one(context, approval);
            print(context.out, context.json ? "" : "\n");
            std::fflush(context.out);
          }
        }
        if (std::ferror(context.out) != 0) {
          return make_error(ErrorCode::kIo, "cannot write the output");
        }
        std::this_thread::sleep_for(kPollEvery);
      }
    }
    AV_TRY(const auto approvals, context.store->list_approvals(vault, !*all));
    if (context.json) {
      Json list = Json::array();
      for (const Approval& approval : approvals) {
        list.push_back(to_tree(approval));
      }
      print(context.out, dump({{"approvals", list}}));
      return 0;
    }
    if (approvals.empty()) {
      notice(context, "nothing waits for approval");
      return 0;
    }
    Table table({"ID", "VAULT", "REQUEST", "BY", "RULE", "BODY", *all ? "STATE" : "LEFT"});
    table.shorten(2);
    const std::int64_t now = context.clock->wall_ms();
    for (const Approval& approval : approvals) {
      const vault::ApprovalRequest& r = approval.request;
      table.add({r.id, r.vault, r.method + " " + r.url, who(r), r.rule,
                 r.has_body ? std::to_string(r.body_size) + (r.body_complete ? "" : "+") : "-",
                 *all ? std::string(vault::to_string(approval.state)) : age(r.expires_ms - now)});
    }
    table.print(context.out);
    if (!*all) {
      notice(context, "see all of one: agent-vault approval show ID");
    }
    return 0;
  };
}

using GrantInfo = store::Store::GrantInfo;

std::string who(const GrantInfo& info) {
  return info.agent.empty() ? "runs without an agent" : info.agent;
}

std::string left_of(const std::optional<std::uint32_t>& left) {
  return left ? std::to_string(*left) : "any";
}

// What is in force: what is used up lets nothing pass any more.
Expected<std::vector<std::pair<GrantInfo, std::optional<std::uint32_t>>>> grants_in_force(
    Context& context) {
  AV_TRY(auto all, context.store->list_grants(context.vault.value_or("")));
  const auto ledger = context.limits();
  const std::int64_t now = context.clock->wall_ms();
  std::vector<std::pair<GrantInfo, std::optional<std::uint32_t>>> out;
  for (GrantInfo& info : all) {
    const auto left = vault::uses_left(info.grant, info.vault_uid, ledger.get(), now);
    if (!left || *left != 0) {
      out.emplace_back(std::move(info), left);
    }
  }
  return out;
}

Run setup_grants(OptionSet& app) {
  app.footer("They let requests pass that a rule would hold; approval revoke ends them.");
  return [](Context& context) -> Expected<int> {
    AV_TRY(const auto grants, grants_in_force(context));
    if (context.json) {
      Json list = Json::array();
      for (const auto& [info, left] : grants) {
        list.push_back({{"id", info.grant.id},
                        {"vault", info.vault},
                        {"rule", info.rule},
                        {"agent", info.agent},
                        {"method", info.grant.method},
                        {"url", info.grant.url_no_query},
                        {"uses", info.grant.uses == 0 ? Json() : Json(info.grant.uses)},
                        {"uses_left", left ? Json(*left) : Json()},
                        {"created_ms", info.created_ms},
                        {"expires_ms", info.grant.expires_ms}});
      }
      print(context.out, dump({{"grants", list}}));
      return 0;
    }
    if (grants.empty()) {
      notice(context, "nothing passes without being asked about");
      return 0;
    }
    Table table({"ID", "VAULT", "REQUEST", "BY", "RULE", "LEFT", "UNTIL"});
    table.shorten(2);
    for (const auto& [info, left] : grants) {
      table.add({info.grant.id, info.vault, info.grant.method + " " + info.grant.url_no_query,
                 who(info), info.rule, left_of(left), show_time(info.grant.expires_ms)});
    }
    table.print(context.out);
    return 0;
  };
}

Run setup_revoke(OptionSet& app) {
  const auto id = std::make_shared<std::string>();
  const auto all = std::make_shared<bool>(false);
  app.add_option("ID", *id, "as in `approval grants`");
  app.add_flag("--all", *all, "all of them; of one vault with --vault");
  return [id, all](Context& context) -> Expected<int> {
    if (id->empty() != *all) {
      return usage_error("name one grant, or --all", "agent-vault approval grants lists them");
    }
    AV_TRY(auto grants, context.store->list_grants(context.vault.value_or("")));
    if (!*all) {
      std::erase_if(grants, [&](const GrantInfo& info) { return info.grant.id != *id; });
      if (grants.empty()) {
        return make_error(ErrorCode::kNotFound, "there is no grant '" + *id + "', or not any more",
                          "agent-vault approval grants");
      }
    }
    // Each is on the log for itself: what it let pass is what a reader looks for.
    for (const GrantInfo& info : grants) {
      vault::AuditRecord record =
          action("approval.revoke", info.vault,
                 info.grant.id + ": " + info.grant.method + " " + info.grant.url_no_query);
      record.agent = info.agent;
      record.rule = info.rule;
      AV_CHECK(audited(context, std::move(record),
                       [&] { return context.store->revoke_grants({info.grant.id}); }));
    }
    if (context.json) {
      Json ids = Json::array();
      for (const GrantInfo& info : grants) {
        ids.push_back(info.grant.id);
      }
      print(context.out, dump({{"revoked", ids}}));
    } else {
      notice(context, "revoked " + count_of(grants.size(), "grant") +
                          "; such requests are asked about again");
    }
    return 0;
  };
}

Run setup_show(OptionSet& app) {
  const auto id = std::make_shared<std::string>();
  app.add_option("ID", *id, "as in `approval list`")->required();
  return [id](Context& context) -> Expected<int> {
    AV_TRY(const Approval approval, context.store->get_approval(*id));
    print_one(context, approval);
    return 0;
  };
}

struct DecideOptions {
  std::string id;
  std::uint64_t uses = 0;
  std::string time;
};

// The further uses that the words ask for, of each rule; none when they mean this request alone.
Expected<std::vector<vault::ApprovalGrant>> grants_of(const DecideOptions& options,
                                                      const vault::ApprovalRequest& request,
                                                      std::int64_t now_ms) {
  if (options.uses > vault::kMaxApprovalUses) {
    return usage_error("--uses takes 10000 at most");
  }
  Millis lifetime{0};
  if (!options.time.empty()) {
    AV_TRY(lifetime, parse_duration(options.time));
  }
  if (lifetime.count() > vault::kMaxApprovalMs) {
    return usage_error("--for takes 30 days at most");
  }
  return vault::grants_for(request, options.uses, lifetime.count(), now_ms);
}

vault::AuditRecord decision_record(const vault::ApprovalRequest& request, bool allow,
                                   const std::string& what) {
  vault::AuditRecord out =
      action(allow ? "approval.allow" : "approval.deny", request.vault, request.id + ": " + what);
  out.agent = request.agent;
  out.rule = request.rule;
  return out;
}

Run setup_decide(OptionSet& app, vault::ApprovalState state) {
  const auto options = std::make_shared<DecideOptions>();
  app.add_option("ID", options->id, "as in `approval list`")->required();
  if (state == vault::ApprovalState::kAllowed) {
    app.add_option("--uses", options->uses,
                   "this many requests of this agent to this URL, this one included");
    app.add_option("--for", options->time, "all such requests for a time: 10m, 2h, 3d")
        ->type_name("TIME");
  }
  return [options, state](Context& context) -> Expected<int> {
    AV_TRY(const Approval approval, context.store->get_approval(options->id));
    const vault::ApprovalRequest& request = approval.request;
    AV_TRY(const auto grants, grants_of(*options, request, context.clock->wall_ms()));
    std::string what = request.method + " " + request.url;
    if (!grants.empty()) {
      what += options->uses == 0 ? "" : ", " + std::to_string(options->uses) + " uses";
      what += ", until " + show_time(grants.front().expires_ms);
    }
    const bool allow = state == vault::ApprovalState::kAllowed;
    AV_CHECK(audited(context, decision_record(request, allow, what),
                     [&] { return context.store->decide_approval(options->id, state, grants); }));
    if (context.json) {
      Json out = {{"id", request.id}, {"state", vault::to_string(state)}};
      if (!grants.empty()) {
        out["grant"] = {{"uses", options->uses}, {"expires_ms", grants.front().expires_ms}};
      }
      print(context.out, dump(out));
    } else {
      notice(context, std::string(allow ? "allowed " : "denied ") + what);
      if (!grants.empty()) {
        notice(context, "that covers any query and any body of such requests");
      }
    }
    return 0;
  };
}

Run setup_allow(OptionSet& app) {
  return setup_decide(app, vault::ApprovalState::kAllowed);
}
Run setup_deny(OptionSet& app) {
  return setup_decide(app, vault::ApprovalState::kDenied);
}

}  // namespace

std::span<const Command> approval_commands() {
  static constexpr std::array<Command, 6> kCommands = {{
      {"approval list", "list the requests that wait for a decision", Needs::kStore, setup_list,
       true},
      {"approval show", "print one of them in full", Needs::kStore, setup_show, true},
      {"approval allow", "let a request pass", Needs::kStore, setup_allow, true},
      {"approval deny", "refuse a request", Needs::kStore, setup_deny, true},
      {"approval grants", "list what passes without being asked about", Needs::kStore, setup_grants,
       true},
      {"approval revoke", "end one of those, or all", Needs::kStore, setup_revoke, true},
  }};
  return kCommands;
}

}  // namespace av::cmd
