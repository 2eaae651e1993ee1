#include "vault/names.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/encoding.h"

namespace av::vault {
namespace {

using ascii::is_digit;
using ascii::is_lower;
using ascii::is_upper;
using ascii::lower;

constexpr std::size_t kMinSlug = 3;
constexpr std::size_t kMaxSlug = 64;
constexpr std::size_t kMaxCredentialKey = 128;

std::string quoted(std::string_view name) {
  return "\"" + encoding::printable(name.substr(0, 80)) + "\"";
}

// Damerau-Levenshtein in its optimal string alignment form: an insertion, a deletion, a changed
// letter and two swapped neighbours each cost one.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    previous[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      row[j] = std::min({previous[j] + 1, row[j - 1] + 1, previous[j - 1] + changed});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(previous);
    previous.swap(row);
  }
  return previous[b.size()];
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

}  // namespace

Status check_slug(std::string_view what, std::string_view name) {
  const auto fail = [&](std::string_view why) {
    return make_error(
        ErrorCode::kInvalid, std::string(what) + " name " + quoted(name) + " " + std::string(why),
        "use 3 to 64 lower-case letters, digits and single hyphens, like my-" + std::string(what));
  };
  if (name.size() < kMinSlug) {
    return fail("is too short");
  }
  if (name.size() > kMaxSlug) {
    return fail("is too long");
  }
  for (const char c : name) {
    if (!is_lower(c) && !is_digit(c) && c != '-') {
      return fail("has a character that is not allowed");
    }
  }
  if (name.front() == '-' || name.back() == '-') {
    return fail("begins or ends with a hyphen");
  }
  if (name.find("--") != std::string_view::npos) {
    return fail("has two hyphens in a row");
  }
  return {};
}

Status check_credential_key(std::string_view key) {
  const auto fail = [](std::string message) {
    return make_error(ErrorCode::kInvalid, std::move(message),
                      "use capital letters, digits and underscores, like OPENAI_API_KEY");
  };
  if (key.empty()) {
    return fail("credential name is empty");
  }
  if (key.size() > kMaxCredentialKey) {
    return fail("credential name is longer than 128 characters");
  }
  const bool allowed = std::all_of(key.begin(), key.end(),
                                   [](char c) { return is_upper(c) || is_digit(c) || c == '_'; });
  if (!is_upper(key.front()) || !allowed) {
    // Not shown: what stands where a name should may be a pasted value.
    return fail("a credential name has only A-Z, 0-9 and _");
  }
  return {};
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  constexpr std::size_t kLongest = 128;  // a suggestion for more than that helps nobody
  if (word.empty() || word.size() > kLongest) {
    return {};
  }
  const std::size_t limit = word.size() <= 4 ? 1 : word.size() <= 8 ? 2 : 3;
  const std::string* best = nullptr;
  std::size_t best_distance = limit + 1;
  const std::string* completion = nullptr;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongest) {
      continue;
    }
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
    if (word.size() >= 3 && completion == nullptr && starts_with_ignoring_case(candidate, word)) {
      completion = &candidate;
    }
  }
  if (best != nullptr) {
    return *best;
  }
  return completion != nullptr ? *completion : std::string();
}

}  // namespace av::vault
