#include "source/jwt_file.h"

#include <algorithm>
#include <utility>

#include "core/ascii.h"
#include "core/fs.h"

namespace av::source {
namespace {

using Why = Failure::Why;

constexpr std::size_t kMostJwt = std::size_t{16} << 10;

// RFC 7515 section 7.1: three parts in base64url.
bool is_jwt(std::string_view text) {
  return std::count(text.begin(), text.end(), '.') == 2 &&
         text.find("..") == std::string_view::npos && !text.starts_with('.') &&
         !text.ends_with('.') && std::all_of(text.begin(), text.end(), [](char c) {
           return ascii::is_word(c) || c == '-' || c == '.';
         });
}

}  // namespace

Result<Secret> read_jwt_file(const std::string& path) {
  auto read = fs::read_secret_file(path, kMostJwt);
  if (!read) {
    return failure(Why::kInvalid, read.error().message,
                   "token_file is where this machine's token for the store lies");
  }
  return checked_jwt(std::move(*read), path);
}

Result<Secret> checked_jwt(Secret jwt, const std::string& from) {
  const std::size_t end = jwt.reveal([](std::string_view text) {
    const std::size_t last = text.find_last_not_of(" \t\r\n");
    return last == std::string_view::npos ? 0 : last + 1;
  });
  jwt.truncate(end);
  if (!jwt.reveal([](std::string_view text) { return is_jwt(text); })) {
    return failure(Why::kInvalid, from + " holds no JWT");
  }
  return jwt;
}

}  // namespace av::source
