#include "source/rest.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/store_url.h"
#include "vault/oauth.h"
#include "vault/quoting.h"

namespace av::source {
namespace {

using Why = Failure::Why;

constexpr std::size_t kMostToken = std::size_t{16} << 10;
constexpr std::size_t kMostFields = 1024;
constexpr std::int64_t kCentury = std::int64_t{100} * 365 * 24 * 3600;
constexpr std::int64_t kLongestWait = 3600;

// RFC 9110 section 10.2.3, seconds only: a date would need the other side's clock.
std::int64_t wait_of(std::string_view retry_after) {
  std::int64_t seconds = 1;
  const char* const end = retry_after.data() + retry_after.size();
  const auto [at, error] = std::from_chars(retry_after.data(), end, seconds);
  if (error != std::errc() || at != end) {
    return 1000;
  }
  return std::clamp<std::int64_t>(seconds, 1, kLongestWait) * 1000;
}

}  // namespace

JsonBody& JsonBody::add(std::string_view name, std::string_view value) {
  out_.append(out_.empty() ? "{\"" : ",\"");
  encoding::append_json_escaped(out_, name);
  out_.append("\":\"");
  encoding::append_json_escaped(out_, value);
  out_.push_back('"');
  return *this;
}

JsonBody& JsonBody::add(std::string_view name, const Secret& value) {
  value.reveal([&](std::string_view bytes) { add(name, bytes); });
  return *this;
}

SecretBuffer JsonBody::finish() {
  out_.append(out_.empty() ? "{}" : "}");
  return std::move(out_);
}

void add_field(SecretBuffer& fields, std::string_view name, std::string_view value) {
  fields.append(name);
  fields.append(": ");
  fields.append(value);
  fields.append("\r\n");
}

void add_field(SecretBuffer& fields, std::string_view name, const Secret& value,
               std::string_view before) {
  fields.append(name);
  fields.append(": ");
  fields.append(before);
  fields.append(value);
  fields.append("\r\n");
}

bool fits_field(const Secret& value) {
  return !value.empty() && value.size() <= kMostToken && value.reveal([](std::string_view bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  });
}

std::optional<vault::JsonView> RestAnswer::find(
    std::initializer_list<std::string_view> names) const {
  if (!json) {
    return std::nullopt;
  }
  std::optional<vault::JsonView> at = json->root();
  for (const std::string_view name : names) {
    at = at->find(name);
    if (!at) {
      break;
    }
  }
  return at;
}

std::string RestAnswer::said(std::initializer_list<std::string_view> names,
                             const Sent& sent) const {
  auto at = find(names);
  if (at && at->is(vault::JsonView::Kind::kArray)) {
    const auto items = at->children();
    at = items.empty() ? std::nullopt : std::optional(items.front());
  }
  std::string text = at ? excerpt(at->text()) : std::string();
  const bool quoting = std::any_of(
      sent.begin(), sent.end(), [&](const Secret* secret) { return vault::quotes(text, *secret); });
  return quoting ? std::string() : text;
}

Rest::Rest(Http& http, std::string base, std::string who)
    : http_(http), base_(std::move(base)), who_(std::move(who)) {}

Result<RestAnswer> Rest::send(std::string_view method, const std::string& target,
                              SecretBuffer fields, SecretBuffer body) const {
  HttpRequest request;
  request.method = method;
  request.url = base_ + target;
  request.fields = std::move(fields);
  add_field(request.fields, "Accept", "application/json");
  if (!body.empty()) {
    add_field(request.fields, "Content-Type", "application/json");
  }
  request.body = std::move(body);
  AV_TRY(HttpAnswer got, http_.send(request));

  RestAnswer out;
  out.status = got.status;
  out.retry_ms = wait_of(got.retry_after);
  out.body = std::move(got.body);
  if (out.status >= 300 && out.status < 400) {
    return failure(Why::kRefused, who_ + " answered with a redirect, which is not followed",
                   "give the address that answers itself: of the active node, or of the load "
                   "balancer, with https://");
  }
  if (out.status == 429) {
    Failure busy = failure(Why::kBusy, who_ + " asks to be asked less often");
    busy.retry_ms = out.retry_ms;
    return busy;
  }
  auto parsed =
      out.body.reveal([](std::string_view text) { return vault::JsonDocument::parse(text); });
  if (parsed && parsed->root().is(vault::JsonView::Kind::kObject)) {
    out.json = std::move(*parsed);
  } else if (out.good() && !out.body.empty()) {
    return failure(Why::kMalformed,
                   who_ + " answered with something that is no JSON object (HTTP " +
                       std::to_string(out.status) + ", " + excerpt(got.content_type) + ")",
                   "is the address right?");
  }
  return out;
}

Result<Record> record_of(const std::optional<vault::JsonView>& object, std::string_view who) {
  using Kind = vault::JsonView::Kind;
  if (!object || !object->is(Kind::kObject)) {
    return failure(Why::kMalformed, std::string(who) + " answered without data");
  }
  const auto members = object->children();
  if (members.size() > kMostFields) {
    return failure(Why::kMalformed, std::string(who) + " answered with more than 1024 fields");
  }
  Record out;
  for (const vault::JsonView& member : members) {
    if (member.is(Kind::kNull)) {
      continue;
    }
    // A number or an object is used as its text, as the stores' own programs print it.
    AV_TRY(Secret value,
           kept(member.is(Kind::kString) ? member.secret() : Secret::copy_of(member.source())));
    out.fields.insert_or_assign(member.name(), std::move(value));
  }
  return out;
}

Result<Secret> token_of(const std::optional<vault::JsonView>& member, std::string_view who) {
  if (!member || !member->is(vault::JsonView::Kind::kString)) {
    return failure(Why::kMalformed, std::string(who) + " answered without a token");
  }
  AV_TRY(Secret out, kept(member->secret()));
  if (!fits_field(out)) {
    return failure(Why::kMalformed,
                   std::string(who) + " answered with a token that cannot stand in a request");
  }
  return out;
}

Result<Secret> kept(Expected<Secret> secret) {
  if (!secret) {
    return failure(Why::kBusy, secret.error().message, secret.error().hint);
  }
  return std::move(*secret);
}

std::int64_t seconds_to_ms(std::int64_t seconds) {
  return std::clamp<std::int64_t>(seconds, 0, kCentury) * 1000;
}

Result<std::string> api_url(std::string url, bool plain) {
  constexpr std::string_view kHttp = "http://";
  while (url.ends_with('/')) {
    url.pop_back();
  }
  if (url.empty()) {
    return failure(Why::kInvalid, "the store's address (url) is missing");
  }
  const std::string checked =
      plain && url.starts_with(kHttp) ? "https://" + url.substr(kHttp.size()) : url;
  if (const auto good = vault::check_endpoint(checked, "url"); !good) {
    std::string hint = good.error().hint;
    if (url.starts_with(kHttp)) {
      hint = kPlainHttpHint;
    }
    return failure(Why::kInvalid, good.error().message, hint);
  }
  if (url.find('?') != std::string::npos) {
    return failure(Why::kInvalid, "url has a query", "for example https://store.example.com:8200");
  }
  return url;
}

}  // namespace av::source
