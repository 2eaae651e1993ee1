#include <algorithm>
#include <utility>

#include "cmd/cli.h"
#include "cmd/narrow_options.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/proposal_cmd.h"
#include "cmd/proposal_view.h"
#include "cmd/term.h"
#include "core/encoding.h"
#include "vault/proposal_codec.h"

namespace av::cmd {
namespace {

using vault::Proposal;

enum class Next : std::uint8_t { kGoOn, kQuit };

// What was typed, without blanks around it; nothing at the end of the input.
Expected<std::optional<std::string>> ask(const std::string& prompt) {
  AV_TRY(std::optional<std::string> line, ask_line(prompt));
  if (line) {
    const std::size_t first = line->find_first_not_of(" \t\r");
    const std::size_t last = line->find_last_not_of(" \t\r");
    line = first == std::string::npos ? std::string() : line->substr(first, last - first + 1);
  }
  return line;
}

void show_error(const Context& context, const Error& error) {
  notice(context, error.message);
  if (!error.hint.empty()) {
    notice(context, error.hint);
  }
}

// Each question once; an empty answer leaves it as it was asked for.
Expected<vault::Narrowing> ask_what_to_narrow(const Proposal& proposal) {
  NarrowOptions options;
  std::string uses;
  const auto sets = std::count_if(
      proposal.request.services.begin(), proposal.request.services.end(),
      [](const auto& s) { return s.action != vault::ProposedService::Action::kDelete; });
  struct Question {
    const char* prompt;
    std::string* answer;
  };
  std::vector<Question> questions;
  if (sets > 1) {
    questions.push_back({"which service (its name): ", &options.service});
  }
  questions.push_back({"host (as asked for): ", &options.host});
  questions.push_back({"path, like /v1/* (as asked for): ", &options.path});
  questions.push_back({"methods, like GET,POST (as asked for): ", &options.methods});
  questions.push_back({"for how long, like 2h (for good): ", &options.time});
  questions.push_back({"for how many requests (any number): ", &uses});
  for (const Question& question : questions) {
    AV_TRY(std::optional<std::string> answer, ask(question.prompt));
    *question.answer = std::move(answer).value_or("");
  }
  if (!uses.empty()) {
    AV_TRY(options.uses, proposal_number(uses));
  }
  return narrowing_of(options);
}

class Review {
 public:
  // `reach` must outlive it.
  Review(Context& context, Proposal proposal, const RunWords& reach)
      : context_(context), proposal_(std::move(proposal)), reach_(reach) {}
  Expected<Next> run();

 private:
  // Whether there is something to decide about.
  bool look();
  Expected<bool> allow();
  Expected<bool> deny();
  Status change_narrowing();

  Context& context_;
  Proposal proposal_;
  const RunWords& reach_;
  vault::Narrowing narrowing_;
  vault::ProposalDiff diff_;
};

bool Review::look() {
  auto review = context_.store->review_proposal(proposal_.vault, proposal_.number, narrowing_);
  if (!review) {
    show_error(context_, review.error());
    return false;
  }
  diff_ = std::move(review->diff);
  print_diff(context_.out, diff_);
  std::fflush(context_.out);
  return true;
}

// Whether it is decided.
Expected<bool> Review::allow() {
  store::Store::ProposalApproval approval;
  approval.narrowing = narrowing_;
  approval.fingerprint = diff_.fingerprint;
  approval.reviewer = reviewer_at_terminal();
  Status done = ask_for_values(context_, proposal_, diff_.needed, reach_, approval);
  if (done) {
    done = approve_audited(context_, proposal_, approval);
  }
  if (!done) {
    const ErrorCode code = done.error().code;
    // Of a provider too: the person can try again, or deny.
    if (code != ErrorCode::kConflict && code != ErrorCode::kInvalid &&
        code != ErrorCode::kNotPermitted && code != ErrorCode::kNetwork) {
      return done.error();
    }
    show_error(context_, done.error());
    return false;
  }
  notice(context_, "allowed proposal " + std::to_string(proposal_.number));
  return true;
}

Expected<bool> Review::deny() {
  AV_TRY(const std::optional<std::string> reason, ask("reason, told to the agent (none): "));
  const Status done = reject_audited(context_, proposal_, reason.value_or(""));
  if (!done) {
    if (done.error().code != ErrorCode::kConflict && done.error().code != ErrorCode::kInvalid) {
      return done.error();
    }
    show_error(context_, done.error());
    return false;
  }
  notice(context_, "rejected proposal " + std::to_string(proposal_.number));
  return true;
}

Status Review::change_narrowing() {
  Expected<vault::Narrowing> wanted = ask_what_to_narrow(proposal_);
  const vault::Narrowing before =
      std::exchange(narrowing_, wanted ? std::move(*wanted) : vault::Narrowing(narrowing_));
  if (!wanted) {
    show_error(context_, wanted.error());
  } else if (!look()) {
    narrowing_ = before;
    notice(context_, "it stays as it was");
  }
  return {};
}

Expected<Next> Review::run() {
  print_proposal(context_.out, proposal_, context_.clock->wall_ms());
  const bool fits = look();
  for (;;) {
    AV_TRY(const std::optional<std::string> answer,
           ask(fits ? "[a]llow, [n]arrow, [d]eny, [s]kip, [q]uit? " : "[d]eny, [s]kip, [q]uit? "));
    const char choice = !answer ? 'q' : answer->empty() ? '?' : answer->front();
    if (choice == 'q') {
      return Next::kQuit;
    }
    if (choice == 's') {
      return Next::kGoOn;
    }
    bool decided = false;
    if (choice == 'a' && fits) {
      AV_TRY(decided, allow());
      // Whatever stood in the way: what is on the screen may be out of date.
      if (!decided && !look()) {
        return Next::kGoOn;
      }
    } else if (choice == 'd') {
      AV_TRY(decided, deny());
    } else if (choice == 'n' && fits) {
      AV_CHECK(change_narrowing());
    }
    if (decided) {
      return Next::kGoOn;
    }
  }
}

Run setup(OptionSet& app) {
  const auto word = std::make_shared<std::string>();
  const auto reach = std::make_shared<RunWords>();
  app.add_option("ID", *word, "only this one, as in `proposal list`");
  add_reach_options(app, *reach);
  return [word, reach](Context& context) -> Expected<int> {
    std::vector<Proposal> waiting;
    if (!word->empty()) {
      AV_TRY(const std::uint64_t number, proposal_number(*word));
      AV_TRY(const std::string vault, context.vault_name());
      AV_TRY(Proposal proposal, context.store->get_proposal(vault, number));
      if (proposal.state != vault::ProposalState::kPending) {
        return make_error(ErrorCode::kConflict, "proposal " + *word +
                                                    " does not wait any more: it is " +
                                                    std::string(to_string(proposal.state)));
      }
      waiting.push_back(std::move(proposal));
    } else {
      AV_TRY(waiting, context.store->list_proposals(context.vault.value_or(""),
                                                    vault::ProposalState::kPending));
      std::reverse(waiting.begin(), waiting.end());
    }
    if (waiting.empty()) {
      notice(context, "no proposal waits");
    }
    for (Proposal& proposal : waiting) {
      AV_TRY(const Next next, Review(context, std::move(proposal), *reach).run());
      if (next == Next::kQuit) {
        break;
      }
      print(context.out, "\n");
    }
    return 0;
  };
}

}  // namespace

Run setup_proposal_review(OptionSet& app) {
  return setup(app);
}

}  // namespace av::cmd
