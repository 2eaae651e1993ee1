// Files: a whole one, a KEY=value line of one, or a string in a JSON file (RFC 6901). The URI is
// that of RFC 8089 with an empty host.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "core/ascii.h"
#include "core/encoding.h"
#include "core/fs.h"
#include "source/local_kinds.h"
#include "source/reference_path.h"
#include "source/safe_path.h"
#include "vault/json_view.h"

namespace av::source {
namespace {

using vault::JsonDocument;
using vault::JsonView;

constexpr std::string_view kScheme = "file://";
constexpr std::size_t kMostFile = std::size_t{64} << 10;
constexpr std::size_t kMostPath = 1024;

Failure invalid(std::string message, std::string hint = {}) {
  return failure(Failure::Why::kInvalid, std::move(message), std::move(hint));
}

bool plain_path(std::string_view path) {
  if (path.empty() || path[0] != '/' || path.size() > kMostPath) {
    return false;
  }
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    if (part.empty() || part == "." || part == "..") {
      return false;
    }
    path.remove_prefix(part.size());
  }
  return true;
}

struct Place {
  std::string path;
  std::string inside;  // "" , "KEY" or "/json/pointer"
};

Result<Place> place_of(std::string_view text) {
  const std::size_t mark = text.find('#');
  Place out;
  AV_TRY(out.path, decoded_part(text.substr(0, mark), "path"));
  if (!plain_path(out.path)) {
    return invalid(
        "the path in the reference is not absolute, or has \".\", \"..\" or \"//\" in it",
        "file:///home/me/keys.json#/openai/key");
  }
  if (mark == std::string_view::npos) {
    return out;
  }
  AV_TRY(out.inside, decoded_part(text.substr(mark + 1), "part behind \"#\""));
  const bool pointer = out.inside.starts_with('/');
  const bool good = out.inside.size() <= 256 && !out.inside.empty() &&
                    (pointer || std::all_of(out.inside.begin(), out.inside.end(), ascii::is_word));
  if (!good) {
    return invalid("behind \"#\" stands the name of a KEY=value line, or a JSON pointer",
                   "file:///home/me/.env#KEY or file:///home/me/keys.json#/openai/key");
  }
  return out;
}

Result<Reference> parse(std::string_view text) {
  AV_TRY(const Place place, place_of(text.substr(std::min(kScheme.size(), text.size()))));
  Reference out;
  out.item = percent_path(place.path);
  if (!place.inside.empty()) {
    out.item += "#" + percent_path(place.inside);
  }
  return out;
}

Result<Secret> contents(const std::string& path, const std::vector<std::filesystem::path>& closed) {
  AV_TRY(const UniqueFd fd, open_unshared(path, closed));
  const std::string name = excerpt(path);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return failure(Failure::Why::kRefused, name + " is no regular file");
  }
  if (info.st_uid != ::geteuid() && info.st_uid != 0) {
    return failure(Failure::Why::kRefused, name + " belongs to another user");
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return failure(Failure::Why::kRefused, "others than its owner may write to " + name,
                   "chmod go-w " + name);
  }
  auto bytes = fs::read_secret_fd(fd.get(), kMostFile);
  if (!bytes) {
    return failure(Failure::Why::kRefused, name + " is larger than 64 KiB, or cannot be read");
  }
  return std::move(*bytes);
}

// RFC 6901 section 3: "~1" is "/", "~0" is "~".
std::optional<std::string> unescaped(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      out += token[i];
    } else if (i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) {
      out += token[++i] == '0' ? '~' : '/';
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<JsonView> member(const JsonView& in, const std::string& token) {
  if (in.is(JsonView::Kind::kObject)) {
    return in.find(token);
  }
  const bool index = in.is(JsonView::Kind::kArray) && !token.empty() && token.size() <= 5 &&
                     std::all_of(token.begin(), token.end(), ascii::is_digit) &&
                     (token.size() == 1 || token[0] != '0');
  if (!index) {
    return std::nullopt;
  }
  const auto all = in.children();
  const auto at = static_cast<std::size_t>(std::stoul(token));
  return at < all.size() ? std::optional(all[at]) : std::nullopt;
}

Result<Secret> pointed(std::string_view text, std::string_view pointer) {
  const auto document = JsonDocument::parse(text);
  if (!document) {
    return failure(Failure::Why::kMalformed, "the file is not JSON: " + document.error().message);
  }
  std::optional<JsonView> here = document->root();
  while (here && !pointer.empty()) {
    pointer.remove_prefix(1);
    const std::size_t end = std::min(pointer.find('/'), pointer.size());
    const auto token = unescaped(pointer.substr(0, end));
    pointer.remove_prefix(end);
    here = token ? member(*here, *token) : std::nullopt;
  }
  if (!here) {
    return failure(Failure::Why::kNotFound, "the file has nothing at that JSON pointer");
  }
  auto value = here->secret();
  if (!value) {
    return failure(Failure::Why::kNotFound, "what is at that JSON pointer is no string");
  }
  return std::move(*value);
}

// KEY=value, `export KEY=value`, with one pair of quotes or none: nothing is expanded.
Result<Secret> keyed(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    line = ascii::trim(line);
    if (line.starts_with("export ")) {
      line = ascii::trim(line.substr(7));
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || ascii::trim(line.substr(0, equals)) != key) {
      continue;
    }
    std::string_view value = ascii::trim(line.substr(equals + 1));
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    }
    auto secret = Secret::copy_of(value);
    if (!secret) {
      return failure(Failure::Why::kMalformed, secret.error().message);
    }
    return std::move(*secret);
  }
  return failure(Failure::Why::kNotFound, "the file has no line " + std::string(key) + "=...");
}

Result<Secret> whole(std::string_view text) {
  if (text.ends_with('\n')) {
    text.remove_suffix(1);
    if (text.ends_with('\r')) {
      text.remove_suffix(1);
    }
  }
  auto secret = Secret::copy_of(text);
  if (!secret) {
    return failure(Failure::Why::kMalformed, secret.error().message);
  }
  return std::move(*secret);
}

class Files final : public Provider {
 public:
  explicit Files(std::vector<std::filesystem::path> closed) : closed_(std::move(closed)) {}
  Result<About> pair() override { return who(); }
  Result<About> test() override { return who(); }

  Result<Record> fetch(const std::string& item) override {
    AV_TRY(const Place place, place_of(item));
    AV_TRY(const Secret file, contents(place.path, closed_));
    AV_TRY(Secret value, file.reveal([&](std::string_view text) -> Result<Secret> {
      return place.inside.empty()     ? whole(text)
             : place.inside[0] == '/' ? pointed(text, place.inside)
                                      : keyed(text, place.inside);
    }));
    if (value.empty()) {
      return failure(Failure::Why::kNotFound, "what the reference names is empty");
    }
    Record out;
    out.fields.emplace(std::string(), std::move(value));
    return out;
  }

 private:
  static Result<About> who() {
    About out;
    out.account = "files";
    out.detail = "read as the user that agent-vault runs as";
    return out;
  }

  const std::vector<std::filesystem::path> closed_;
};

Result<std::unique_ptr<Provider>> make(const vault::ExternalStore& store,
                                       vault::StoreSecrets secrets, const Ports& ports) {
  (void)store;
  (void)secrets;
  return std::unique_ptr<Provider>(std::make_unique<Files>(ports.closed));
}

}  // namespace

const Kind kFile = {.id = "file",
                    .title = "Files",
                    .scheme = "file",
                    .example = "file:///run/secrets/keys.json#/openai/key",
                    .settings = {},
                    .parse = &parse,
                    .make = &make,
                    .finds_by_host = false};

}  // namespace av::source
