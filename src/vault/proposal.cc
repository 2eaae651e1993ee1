#include "vault/proposal.h"

#include <algorithm>
#include <array>

#include "core/ascii.h"
#include "core/encoding.h"
#include "vault/canonical.h"

namespace av::vault {
namespace {

constexpr std::array<std::pair<ProposalState, std::string_view>, 4> kStates = {{
    {ProposalState::kPending, "pending"},
    {ProposalState::kApplied, "applied"},
    {ProposalState::kRejected, "rejected"},
    {ProposalState::kExpired, "expired"},
}};

Error invalid(std::string_view what, std::string_view why, std::string hint) {
  return make_error(ErrorCode::kInvalid, std::string(what) + " " + std::string(why),
                    std::move(hint));
}

// Of well-formed UTF-8.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

Status check_length(std::string_view what, std::string_view text, std::size_t most) {
  if (characters(text) > most) {
    return invalid(what, "is longer than " + std::to_string(most) + " characters", "");
  }
  return {};
}

}  // namespace

std::string_view to_string(ProposalAction action) {
  return action == ProposalAction::kSet ? "set" : "delete";
}

std::string_view to_string(ProposalState state) {
  return kStates[static_cast<std::size_t>(state)].second;
}

std::optional<ProposalState> proposal_state_from_string(std::string_view text) {
  for (const auto& [state, name] : kStates) {
    if (name == text) {
      return state;
    }
  }
  return std::nullopt;
}

const CredentialSlot* ProposalRequest::slot(std::string_view key) const {
  const auto it =
      std::find_if(slots.begin(), slots.end(), [&](const auto& one) { return one.key == key; });
  return it == slots.end() ? nullptr : &*it;
}

Status check_shown_text(std::string_view what, std::string_view text, std::size_t most_characters,
                        bool lines) {
  AV_CHECK(check_length(what, text, most_characters));
  std::string plain(text);
  if (lines) {
    std::erase(plain, '\n');
  }
  if (encoding::printable(plain) != plain) {
    return invalid(what, "has a character that is not shown as it is",
                   lines ? "use printable UTF-8 and line feeds; no escape sequences, no controls"
                         : "use printable UTF-8 on one line; no escape sequences, no controls");
  }
  return {};
}

Status check_shown_url(std::string_view what, std::string_view url, std::size_t most_characters) {
  AV_CHECK(check_length(what, url, most_characters));
  const bool tls = url.starts_with("https://");
  const bool shown = std::all_of(url.begin(), url.end(), [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
  });
  if ((!tls && !url.starts_with("http://")) || !shown) {
    return invalid(what, "is not a URL that can be shown",
                   "write https://HOST/PATH in ASCII, other characters percent-encoded");
  }
  url.remove_prefix(tls ? 8 : 7);
  const auto authority = parse_authority(url.substr(0, url.find_first_of("/?#")), tls ? 443 : 80);
  if (!authority) {
    return invalid(what, "has no good host: " + authority.error().message,
                   "write https://HOST/PATH, without a user");
  }
  return {};
}

}  // namespace av::vault
