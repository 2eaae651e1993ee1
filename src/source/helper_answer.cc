#include "source/helper_answer.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "core/ascii.h"

namespace av::source {
namespace {

struct Answer {
  std::optional<std::string_view> username;
  std::optional<std::string_view> password;
  std::optional<std::int64_t> expires_s;
  bool quit = false;
};

std::optional<std::int64_t> seconds(std::string_view text) {
  if (text.empty() || text.size() > 12 || !std::all_of(text.begin(), text.end(), ascii::is_digit)) {
    return std::nullopt;
  }
  std::int64_t out = 0;
  for (const char c : text) {
    out = out * 10 + (c - '0');
  }
  return out;
}

// Of a name that stands twice, the last counts, as for git. An empty line ends it.
bool read(std::string_view text, Answer& out) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) {
      return true;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || line.find('\0') != std::string_view::npos) {
      return false;
    }
    const std::string_view name = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (name == "username") {
      out.username = value;
    } else if (name == "password") {
      out.password = value;
    } else if (name == "password_expiry_utc") {
      out.expires_s = seconds(value);
    } else if (name == "quit") {
      out.quit = value == "1" || value == "true";
    }
  }
  return true;
}

}  // namespace

Result<Record> helper_record(const Secret& answer, std::int64_t wall_ms) {
  return answer.reveal([&](std::string_view text) -> Result<Record> {
    Answer said;
    if (!read(text, said)) {
      return failure(Failure::Why::kMalformed,
                     "the helper's answer is not made of name=value lines",
                     "set protocol=value for a helper that prints the value alone");
    }
    if (said.quit || !said.password || said.password->empty()) {
      return failure(Failure::Why::kNotFound, "the helper has no password for this");
    }
    Record out;
    if (said.expires_s) {
      const std::int64_t left = *said.expires_s * 1000 - wall_ms;
      if (left <= 0) {
        return failure(Failure::Why::kDenied, "what the helper has given has expired");
      }
      out.keep_ms = std::min(out.keep_ms, left);
    }
    auto password = Secret::copy_of(*said.password);
    auto username = Secret::copy_of(said.username.value_or(std::string_view()));
    if (!password || !username) {
      return failure(Failure::Why::kMalformed, "the protected memory for secrets is full");
    }
    out.fields.emplace(std::string(), std::move(*password));
    if (!username->empty()) {
      out.fields.emplace("username", std::move(*username));
    }
    return out;
  });
}

}  // namespace av::source
