#include "cmd/proposal_view.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "cmd/audit_action.h"
#include "cmd/output.h"
#include "core/encoding.h"

namespace av::cmd {
namespace {

void line(std::FILE* out, std::string_view name, std::string_view value) {
  if (!value.empty()) {
    std::string text(name);
    text.resize(9, ' ');
    print(out, text + encoding::printable(value) + "\n");
  }
}

void barred(std::FILE* out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    print(out, "  | " + encoding::printable(text.substr(0, end)) + "\n");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string asker(const vault::Proposer& by) {
  if (by.agent.empty()) {
    return by.run.empty() ? "somebody at a terminal" : by.run;
  }
  return by.agent + (by.run.empty() ? "" : " (" + by.run + ")");
}

std::string days_left(std::int64_t ms) {
  const std::int64_t hours = std::max<std::int64_t>(0, ms / 3'600'000);
  return hours >= 48 ? std::to_string(hours / 24) + " days" : std::to_string(hours) + " hours";
}

}  // namespace

void print_proposal(std::FILE* out, const vault::Proposal& proposal, std::int64_t now_ms) {
  line(out, "proposal", std::to_string(proposal.number) + " in vault " + proposal.vault);
  line(out, "state", to_string(proposal.state));
  line(out, "by", asker(proposal.by));
  line(out, "asked", show_time(proposal.created_ms));
  if (proposal.state == vault::ProposalState::kPending) {
    line(out, "left", days_left(proposal.expires_ms - now_ms));
  } else if (proposal.decided_ms != 0) {
    line(out, "decided",
         show_time(proposal.decided_ms) +
             (proposal.reviewer.empty() ? "" : " by " + proposal.reviewer));
  }
  line(out, "narrowed", proposal.narrowed);
  if (!proposal.review_note.empty()) {
    print(out, "reason\n");
    barred(out, proposal.review_note);
  }
  if (!proposal.request.user_message.empty()) {
    print(out, "what the agent says\n");
    barred(out, proposal.request.user_message);
  }
  if (!proposal.request.message.empty()) {
    print(out, "for developers\n");
    barred(out, proposal.request.message);
  }
}

void print_diff(std::FILE* out, const vault::ProposalDiff& diff) {
  constexpr std::array<std::string_view, 4> kMarks = {"+ ", "- ", "  ", "! "};
  print(out, "what it would change\n");
  for (const vault::DiffLine& one : diff.lines) {
    print(out, "  " + std::string(kMarks[static_cast<std::size_t>(one.kind)]) + one.text + "\n");
  }
}

void print_slot(std::FILE* out, const vault::CredentialSlot& slot) {
  print(out, slot.key + "\n");
  barred(out, slot.description);
  if (!slot.obtain.empty()) {
    barred(out, "get it at " + slot.obtain);
  }
  barred(out, slot.obtain_instructions);
  if (slot.oauth) {
    print(out, "  an OAuth credential: paste an access token; agent-vault does not renew it yet\n");
  }
}

std::string reviewer_at_terminal() {
  struct passwd entry {};
  struct passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  const uid_t uid = ::getuid();
  const bool known =
      ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
  return "user:" + (known ? encoding::printable(found->pw_name) : std::to_string(uid)) +
         "@terminal";
}

vault::AuditRecord proposal_record(std::string_view event, const vault::Proposal& proposal,
                                   const std::string& what) {
  std::vector<std::string> keys;
  for (const vault::CredentialSlot& slot : proposal.request.slots) {
    keys.push_back(slot.key);
  }
  vault::AuditRecord record = action(
      event, proposal.vault, "proposal " + std::to_string(proposal.number) + what, std::move(keys));
  record.agent = proposal.by.agent;
  return record;
}

}  // namespace av::cmd
