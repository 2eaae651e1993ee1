#include "api/call.h"

namespace av::api {
namespace {

using Kind = JsonView::Kind;

Error wrong(std::string_view name, std::string_view what) {
  return make_error(ErrorCode::kInvalid, "\"" + std::string(name) + "\" " + std::string(what));
}

// Absent and null are the same.
std::optional<JsonView> given(const JsonView& body, std::string_view name) {
  const auto member = body.find(name);
  return member && !member->is(Kind::kNull) ? member : std::nullopt;
}

}  // namespace

Shared::Shared(std::unique_ptr<store::Store> opened, ApiOptions given)
    : options(std::move(given)),
      store(std::move(opened)),
      users(options.users ? options.users(*store) : std::make_unique<NoUsers>()),
      limiter(RateLimiter::Rate(), *options.clock),
      flows(*options.clock),
      shelf(*options.clock),
      providers(options.provider_http) {}

Status Shared::audit(vault::AuditRecord record) {
  if (record.time_ms == 0) {
    record.time_ms = options.clock->wall_ms();
  }
  return options.audit->append(record);
}

Expected<Role> Call::role_in(std::string_view vault) {
  switch (actor.kind) {
    case Actor::Kind::kNobody:
      return Role::kNone;
    case Actor::Kind::kUser:
      return users().role_in(actor.uid, vault);
    case Actor::Kind::kRun:
    case Actor::Kind::kSession:
    case Actor::Kind::kAgent:
      break;
  }
  if (!actor.own_vault.empty() && actor.own_vault != vault) {
    return Role::kNone;
  }
  if (!actor.name.empty()) {
    // What the agent may do counts now, not when its session was made.
    const auto agent = store().get_agent(actor.name);
    if (!agent || agent->uid != actor.uid || agent->revoked_ms != 0 ||
        !agent->may_use_vault(vault)) {
      return Role::kNone;
    }
  }
  const auto info = store().get_vault(vault);
  if (!info) {
    if (info.error().code == ErrorCode::kNotFound) {
      return Role::kNone;
    }
    return info.error();
  }
  return Role::kProxy;
}

Expected<JsonView> Call::body() {
  if (!read_) {
    read_ = true;
    // Nothing is an empty object.
    const std::string_view text = request.body.empty() ? "{}" : request.body.view();
    AV_TRY(JsonDocument document, JsonDocument::parse(text));
    document_.emplace(std::move(document));
  }
  if (!document_ || !document_->root().is(Kind::kObject)) {
    return make_error(ErrorCode::kInvalid, "the body must be a JSON object");
  }
  return document_->root();
}

Expected<std::string> Call::text(std::string_view name) {
  AV_TRY(const JsonView object, body());
  const auto member = given(object, name);
  if (!member || !member->is(Kind::kString)) {
    return wrong(name, member ? "must be a string" : "is missing");
  }
  return member->text();
}

Expected<std::string> Call::text_or(std::string_view name, std::string_view otherwise) {
  AV_TRY(const JsonView object, body());
  return given(object, name) ? text(name) : Expected<std::string>(std::string(otherwise));
}

Expected<std::int64_t> Call::number_or(std::string_view name, std::int64_t least, std::int64_t most,
                                       std::int64_t otherwise) {
  AV_TRY(const JsonView object, body());
  const auto member = given(object, name);
  if (!member) {
    return otherwise;
  }
  const auto number = member->integer();
  if (!number || *number < least || *number > most) {
    return wrong(name, "must be a whole number from " + std::to_string(least) + " to " +
                           std::to_string(most));
  }
  return *number;
}

Expected<bool> Call::flag_or(std::string_view name, bool otherwise) {
  AV_TRY(const JsonView object, body());
  const auto member = given(object, name);
  if (!member) {
    return otherwise;
  }
  const auto flag = member->boolean();
  if (!flag) {
    return wrong(name, "must be true or false");
  }
  return *flag;
}

Expected<std::vector<std::string>> Call::texts(std::string_view name) {
  AV_TRY(const JsonView object, body());
  std::vector<std::string> out;
  const auto member = given(object, name);
  if (!member) {
    return out;
  }
  if (!member->is(Kind::kArray)) {
    return wrong(name, "must be a list of strings");
  }
  for (const JsonView& item : member->children()) {
    if (!item.is(Kind::kString)) {
      return wrong(name, "must be a list of strings");
    }
    out.push_back(item.text());
  }
  return out;
}

vault::AuditRecord Call::action(std::string_view event, std::string_view detail,
                                std::vector<std::string> credentials) const {
  std::string words = actor.words();
  if (!detail.empty()) {
    words += ": " + std::string(detail);
  }
  vault::AuditRecord record =
      vault::action(event, vault_, std::move(words), std::move(credentials));
  if (!actor.is_user()) {
    record.agent = actor.name;
    record.run = actor.run;
  }
  return record;
}

std::string Call::base_url() const {
  // The Host has been checked (router.cc), so a link made of it leads here.
  const std::string_view host = request.field("host");
  const ApiOptions& known = shared_.options;
  if (host.empty() || !known.base_url.empty()) {
    return known.base_url;
  }
  return (request.secure ? "https://" : "http://") + std::string(host);
}

}  // namespace av::api
