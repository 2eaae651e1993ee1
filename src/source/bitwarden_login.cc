#include "source/bitwarden_login.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/ascii.h"
#include "source/one_time_code.h"
#include "vault/canonical.h"

namespace av::source {
namespace {

using vault::JsonView;

constexpr std::size_t kMostListed = 500;
constexpr std::size_t kMostName = 100;
constexpr std::string_view kUnlock =
    "run `bw unlock --raw` and pair the store again with the session key that it prints";

Failure malformed() {
  return failure(Failure::Why::kMalformed, "the Bitwarden CLI's answer cannot be read",
                 "is it @bitwarden/cli, of 2023 or later?");
}

Failure refusal(const std::string& message) {
  const std::string text = ascii::lower(message);
  const auto says = [&](std::string_view words) { return text.find(words) != std::string::npos; };
  if (says("not found")) {
    return failure(Failure::Why::kNotFound, "Bitwarden has no such item");
  }
  if (says("is locked")) {
    return failure(Failure::Why::kLocked, "the Bitwarden vault is locked", std::string(kUnlock));
  }
  if (says("not logged in")) {
    return failure(Failure::Why::kDenied, "the Bitwarden CLI is not logged in",
                   "run `bw login`, then `bw unlock`");
  }
  if (says("more than one result")) {
    return failure(Failure::Why::kInvalid, "Bitwarden has more than one such item",
                   "refer to it by its identifier: bw://id/...");
  }
  return failure(Failure::Why::kDenied, "the Bitwarden CLI refused: " + excerpt(message));
}

std::optional<JsonView> given(const JsonView& in, std::string_view name) {
  auto member = in.find(name);
  return member && !member->is(JsonView::Kind::kNull) ? std::move(member) : std::nullopt;
}

std::string text_in(const JsonView& in, std::string_view name) {
  const auto member = given(in, name);
  return member ? member->text() : std::string();
}

Result<void> put(Record& record, std::string name, const std::optional<JsonView>& value) {
  if (!value) {
    return {};
  }
  auto secret = value->secret();
  if (!secret) {
    return malformed();
  }
  if (!secret->empty()) {
    record.fields.emplace(std::move(name), std::move(*secret));
  }
  return {};
}

Result<void> put_code(Record& record, const std::optional<JsonView>& value, std::int64_t now_ms) {
  if (!value) {
    return {};
  }
  const auto kept = value->secret();
  if (!kept) {
    return malformed();
  }
  if (auto code = totp_code(*kept, now_ms)) {
    record.fields.emplace("totp", std::move(code->code));
    record.keep_ms = std::min(record.keep_ms, code->left_ms);
  }
  return {};
}

Result<void> put_custom(Record& record, const std::optional<JsonView>& fields) {
  if (!fields) {
    return {};
  }
  for (const JsonView& field : fields->children()) {
    const std::string name = text_in(field, "name");
    const auto value = given(field, "value");
    if (!name.empty() && name.size() <= kMostName && value && value->is(JsonView::Kind::kString)) {
      AV_CHECK(put(record, "field:" + name, value));
    }
  }
  return {};
}

std::vector<std::string> hosts_of(const JsonView& item) {
  std::vector<std::string> out;
  const auto login = given(item, "login");
  const auto uris = login ? given(*login, "uris") : std::nullopt;
  if (!uris) {
    return out;
  }
  for (const JsonView& entry : uris->children()) {
    std::string uri = text_in(entry, "uri");
    const std::size_t scheme = uri.find("://");
    uri.erase(0, scheme == std::string::npos ? 0 : scheme + 3);
    auto authority = vault::parse_authority(uri.substr(0, uri.find_first_of("/?#")), 443);
    if (authority && std::find(out.begin(), out.end(), authority->host) == out.end() &&
        out.size() < 16) {
      out.push_back(std::move(authority->host));
    }
  }
  return out;
}

// Null when there is none, or several.
template <typename Is>
const JsonView* only_one(const std::vector<JsonView>& items, const Is& is) {
  const auto found = std::find_if(items.begin(), items.end(), is);
  return found != items.end() && std::find_if(found + 1, items.end(), is) == items.end() ? &*found
                                                                                         : nullptr;
}

Result<std::vector<JsonView>> items_in(const JsonView& data) {
  const auto list = data.find("data");
  if (!list || !list->is(JsonView::Kind::kArray)) {
    return malformed();
  }
  return list->children();
}

}  // namespace

Result<JsonView> bitwarden_data(const vault::JsonDocument& answer) {
  const JsonView root = answer.root();
  const auto success = root.find("success");
  if (!success || !success->boolean()) {
    return malformed();
  }
  if (!*success->boolean()) {
    return refusal(text_in(root, "message"));
  }
  const auto data = root.find("data");
  if (!data || !data->is(JsonView::Kind::kObject)) {
    return malformed();
  }
  return *data;
}

Result<Record> bitwarden_record(const JsonView& item, std::int64_t now_ms) {
  Record out;
  AV_CHECK(put(out, "notes", given(item, "notes")));
  AV_CHECK(put_custom(out, given(item, "fields")));
  if (const auto login = given(item, "login")) {
    AV_CHECK(put(out, "username", given(*login, "username")));
    AV_CHECK(put(out, "password", given(*login, "password")));
    AV_CHECK(put_code(out, given(*login, "totp"), now_ms));
    const auto uris = given(*login, "uris");
    const auto all = uris ? uris->children() : std::vector<JsonView>();
    if (!all.empty()) {
      AV_CHECK(put(out, "uri", given(all.front(), "uri")));
    }
  }
  return out;
}

Result<Record> bitwarden_choice(const JsonView& data, const BitwardenItem& wanted,
                                std::int64_t now_ms) {
  AV_TRY(const std::vector<JsonView> items, items_in(data));
  if (items.empty()) {
    return failure(Failure::Why::kNotFound, "Bitwarden has no such item");
  }
  if (items.size() == 1) {
    return bitwarden_record(items.front(), now_ms);
  }
  const std::string name = ascii::lower(wanted.text);
  const JsonView* chosen = nullptr;
  if (wanted.kind == "domain") {
    chosen = only_one(items, [&](const JsonView& item) {
      const auto hosts = hosts_of(item);
      return std::find(hosts.begin(), hosts.end(), name) != hosts.end();
    });
  }
  if (chosen == nullptr) {
    chosen = only_one(
        items, [&](const JsonView& item) { return ascii::lower(text_in(item, "name")) == name; });
  }
  if (chosen != nullptr) {
    return bitwarden_record(*chosen, now_ms);
  }
  return failure(Failure::Why::kInvalid,
                 "Bitwarden has " + std::to_string(items.size()) + " items for this",
                 "refer to one by its identifier: bw://id/...");
}

Result<std::vector<Listed>> bitwarden_listed(const JsonView& data) {
  AV_TRY(const std::vector<JsonView> items, items_in(data));
  std::vector<Listed> out;
  for (const JsonView& item : items) {
    const std::string id = text_in(item, "id");
    if (!is_uuid(id) || out.size() == kMostListed) {
      continue;
    }
    Listed entry;
    entry.reference = "bw://id/" + ascii::lower(id);
    entry.title = excerpt(text_in(item, "name"));
    entry.hosts = hosts_of(item);
    out.push_back(std::move(entry));
  }
  return out;
}

Result<About> bitwarden_status(const JsonView& data) {
  const auto body = data.find("template");
  const std::string status = body ? text_in(*body, "status") : std::string();
  if (status == "locked") {
    return failure(Failure::Why::kLocked, "the Bitwarden vault is locked", std::string(kUnlock));
  }
  if (status == "unauthenticated") {
    return failure(Failure::Why::kDenied, "the Bitwarden CLI is not logged in",
                   "run `bw login`, then `bw unlock`");
  }
  if (status != "unlocked") {
    return malformed();
  }
  About out;
  out.account = excerpt(text_in(*body, "userEmail"));
  const std::string server = text_in(*body, "serverUrl");
  out.detail = server.empty() ? "" : "server " + excerpt(server);
  return out;
}

}  // namespace av::source
