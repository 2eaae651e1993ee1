#include "source/op_errors.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/ascii.h"

namespace av::source {
namespace {

using Why = Failure::Why;

struct Text {
  std::string_view part;  // in lower case
  Why why;
  std::string_view hint;
};

constexpr std::string_view kPairAgain =
    "make a new token at 1password.com, and pair the store again";
constexpr std::string_view kUseId = "refer to it by its id: `op item list --vault VAULT` shows it";
constexpr std::string_view kGrant =
    "a service account sees only the vaults that it was given when it was made";

// The first that fits. What 1Password's servers say about the account comes before what they say
// about an item; words that could stand in any message come last.
constexpr std::array kTexts = {
    Text{"(429)", Why::kBusy, ""},
    Text{"too many requests", Why::kBusy, ""},
    Text{"rate limit", Why::kBusy, ""},
    Text{"service account deleted", Why::kDenied, kPairAgain},
    Text{"service account used in this integration has been deleted", Why::kDenied, kPairAgain},
    Text{"decodesacredentials", Why::kDenied, kPairAgain},
    Text{"invalid bearer token", Why::kDenied, kPairAgain},
    Text{"invalid service account token", Why::kDenied, kPairAgain},
    Text{"signin credentials are not compatible", Why::kDenied, kPairAgain},
    Text{"token has expired", Why::kDenied, kPairAgain},
    Text{"(401)", Why::kDenied, kPairAgain},
    Text{"unauthorized", Why::kDenied, kPairAgain},
    Text{"isn't a vault", Why::kNotFound, kGrant},
    Text{"isn't an item", Why::kNotFound, ""},
    Text{"isn't a field", Why::kNotFound, ""},
    Text{"isn't a section", Why::kNotFound, ""},
    Text{"not have a field", Why::kNotFound, ""},
    Text{"not have a section", Why::kNotFound, ""},
    Text{"no item found", Why::kNotFound, ""},
    Text{"could not find item", Why::kNotFound, ""},
    Text{"has been archived", Why::kNotFound, ""},
    Text{"more than one", Why::kInvalid, kUseId},
    Text{"multiple items", Why::kInvalid, kUseId},
    Text{"invalid secret reference", Why::kInvalid, kUseId},
    Text{"invalid character in secret reference", Why::kInvalid, kUseId},
    Text{"unknown command", Why::kInvalid, "op is too old: it must be 2.18 or newer"},
    Text{"unknown flag", Why::kInvalid, "op is too old: it must be 2.18 or newer"},
    Text{"(403)", Why::kDenied, kGrant},
    Text{"forbidden", Why::kDenied, kGrant},
    Text{"aren't authorized", Why::kDenied, kGrant},
    Text{"not authorized", Why::kDenied, kGrant},
    Text{"permission", Why::kDenied, kGrant},
    Text{"signed in", Why::kLocked, "pair the store again with a service account's token"},
    Text{"session token", Why::kLocked, "pair the store again with a service account's token"},
    Text{"session expired", Why::kLocked, "pair the store again with a service account's token"},
    Text{"no accounts configured", Why::kLocked,
         "pair the store again with a service account's token"},
    Text{"authorization prompt", Why::kLocked, "allow it in the 1Password app"},
    Text{"authorization timeout", Why::kLocked, "allow it in the 1Password app"},
    Text{"desktop app", Why::kLocked, "unlock the 1Password app"},
    Text{"deadline exceeded", Why::kTimeout, ""},
    Text{"timed out", Why::kTimeout, ""},
    Text{"i/o timeout", Why::kTimeout, ""},
    Text{"no such host", Why::kUnreachable, ""},
    Text{"dial tcp", Why::kUnreachable, ""},
    Text{"connection refused", Why::kUnreachable, ""},
    Text{"connection reset", Why::kUnreachable, ""},
    Text{"network is unreachable", Why::kUnreachable, ""},
    Text{"no route to host", Why::kUnreachable, ""},
    Text{"x509", Why::kUnreachable, ""},
    Text{"(500)", Why::kUnreachable, ""},
    Text{"(502)", Why::kUnreachable, ""},
    Text{"(503)", Why::kBusy, ""},
};

// "[ERROR] 2026/08/21 12:00:00 could not read secret 'op://Vault/Item/field': ".
std::string_view without_prefix(std::string_view text) {
  const std::size_t error = text.find("[ERROR]");
  if (error != std::string_view::npos) {
    text.remove_prefix(error + 7);
  }
  const std::size_t begin = text.find_first_not_of("0123456789/: ");
  // Digits alone could be the message; a date has at least 10 characters.
  if (begin != std::string_view::npos && begin > 10) {
    text.remove_prefix(begin);
  }
  text = ascii::trim(text);
  const std::size_t end = text.find("': ");
  if (text.starts_with("could not read secret '") && end != std::string_view::npos) {
    text.remove_prefix(end + 3);
  }
  return text;
}

// Names stand in quotes. A single quote opens one behind a blank only: "isn't" has none.
std::string without_quoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool opens = c == '"' || (c == '\'' && (i == 0 || text[i - 1] == ' '));
    if (!opens) {
      out += c;
      continue;
    }
    std::size_t end = text.find(c, i + 1);
    // A reference can hold an apostrophe: its quote ends before a colon, a blank, or the end.
    while (c == '\'' && end != std::string_view::npos && end + 1 < text.size() &&
           std::string_view(" :,.\n").find(text[end + 1]) == std::string_view::npos) {
      end = text.find(c, end + 1);
    }
    out += "\"\"";
    if (end == std::string_view::npos) {
      return out;  // cut off in a name
    }
    i = end;
  }
  return out;
}

// Whatever looks like a service account's token, should a version of op ever quote one.
std::string without_tokens(std::string text) {
  std::size_t at = 0;
  while ((at = text.find("ops_", at)) != std::string::npos) {
    std::size_t end = at;
    while (end < text.size() && text[end] != ' ') {
      ++end;
    }
    text.replace(at, end - at, "(token)");
    at += 7;
  }
  return text;
}

// "retry in 58 minutes": how long that is; an hour at most, for who asks rarely loses little.
std::int64_t retry_of(std::string_view text) {
  constexpr std::int64_t kMinute = 60'000;
  const std::size_t at = text.find("retry in ");
  if (at == std::string_view::npos) {
    return kMinute;
  }
  std::size_t i = at + 9;
  std::int64_t number = 0;
  while (i < text.size() && ascii::is_digit(text[i]) && number < 100'000) {
    number = number * 10 + (text[i++] - '0');
  }
  const std::string_view unit = text.substr(std::min(i + 1, text.size()));
  const std::int64_t one = unit.starts_with("second") ? 1'000
                           : unit.starts_with("hour") ? 60 * kMinute
                                                      : kMinute;
  return std::clamp<std::int64_t>(number * one, 1'000, 60 * kMinute);
}

}  // namespace

Failure op_failure(std::string_view errors) {
  // Without names, so that an item called "too many requests" decides nothing.
  const std::string sorted = ascii::lower(without_quoted(without_prefix(errors.substr(0, 4096))));
  const std::string shown =
      excerpt(without_tokens(std::string(without_prefix(errors.substr(0, 4096)))));
  const std::string message = shown.empty() ? "op has failed without a word" : "op says: " + shown;
  for (const Text& text : kTexts) {
    if (sorted.find(text.part) == std::string::npos) {
      continue;
    }
    Failure out = failure(text.why, message, std::string(text.hint));
    if (text.why == Why::kBusy) {
      out.retry_ms = retry_of(sorted);
      out.hint =
          "1Password limits how often a service account may ask; ids in references need "
          "fewer requests than names";
    }
    return out;
  }
  return failure(Why::kMalformed, message, "try `op read` by hand");
}

}  // namespace av::source
