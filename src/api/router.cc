#include "api/router.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "api/cors.h"
#include "api/schema.h"
#include "core/encoding.h"
#include "vault/canonical.h"
#include "vault/names.h"
#include "vault/token.h"

namespace av::api {
namespace {

using Failed = proxy::Outcome<void>;

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> out;
  if (path.starts_with('/')) {
    path.remove_prefix(1);
  }
  for (;;) {
    const std::size_t slash = path.find('/');
    out.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) {
      return out;
    }
    path = path.substr(slash + 1);
  }
}

bool is_hole(std::string_view segment) {
  return segment.starts_with('{');
}

// Of two rows that fit, the one that says more says it earlier.
bool more_literal(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (is_hole(a[i]) != is_hole(b[i])) {
      return is_hole(b[i]);
    }
  }
  return a.size() > b.size();
}

bool changes_something(std::string_view method) {
  return method != "GET" && method != "HEAD";
}

std::string_view host_of_url(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) {
    url = url.substr(scheme + 3);
  }
  return url.substr(0, url.find('/'));
}

proxy::Fault unauthorized(const Call& call) {
  const bool sent = !call.request.bearer.empty() || !call.request.cookie.empty();
  return fault(401, "unauthorized",
               sent ? "this token belongs to nobody, or not any more" : "this needs a token",
               "send Authorization: Bearer $AGENT_VAULT_TOKEN, or sign in");
}

proxy::Fault forbidden(std::string message, std::string help = {}) {
  return fault(403, "forbidden", std::move(message), std::move(help));
}

// A body that is no JSON could come from a form on somebody else's page.
bool is_json(std::string_view type) {
  std::string lower(type.substr(0, type.find(';')));
  for (char& c : lower) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  while (!lower.empty() && (lower.back() == ' ' || lower.back() == '\t')) {
    lower.pop_back();
  }
  return lower == "application/json";
}

std::string bucket_of(const Call& call) {
  switch (call.actor.kind) {
    case Actor::Kind::kNobody:
      return "peer:" + call.request.peer;
    case Actor::Kind::kRun:
    case Actor::Kind::kSession:
      return "run:" + call.actor.run;
    case Actor::Kind::kAgent:
      return "agent:" + call.actor.uid;
    case Actor::Kind::kUser:
      return "user:" + call.actor.uid;
  }
  return {};
}

Expected<std::string> vault_meant(Call& call, const Route& route) {
  const auto segments = split(route.path);
  std::size_t part = 0;
  for (const std::string_view segment : segments) {
    if (segment == "{v}") {
      return call.parts[part];
    }
    part += is_hole(segment) ? 1 : 0;
  }
  if (call.query.has("vault")) {
    return std::string(call.query.get("vault"));
  }
  if (!call.request.body.empty()) {
    AV_TRY(std::string named, call.text_or("vault", ""));
    if (!named.empty()) {
      return named;
    }
  }
  if (const std::string_view named = call.request.field("x-vault"); !named.empty()) {
    return std::string(named);
  }
  if (call.request.run == nullptr && !call.request.vault.empty()) {
    return call.request.vault;
  }
  return call.actor.own_vault.empty() ? std::string(vault::kDefaultVault) : call.actor.own_vault;
}

}  // namespace

bool is_our_host(std::string_view host, const ApiOptions& options) {
  const auto named = vault::parse_authority(host, 80);
  if (!named) {
    return false;
  }
  const std::string& name = named->host;
  const bool literal =
      name.starts_with('[') || name.find_first_not_of("0123456789.") == std::string::npos;
  if (literal || name == "localhost") {
    return true;
  }
  const auto is_it = [&](const std::string& url) {
    const auto ours = vault::parse_authority(host_of_url(url), 80);
    return ours && ours->host == name;
  };
  return is_it(options.base_url) ||
         std::any_of(options.other_urls.begin(), options.other_urls.end(), is_it);
}

bool is_same_origin(const proxy::ApiRequest& request, const ApiOptions& options) {
  const std::string_view origin = request.field("origin");
  if (origin.empty() || request.field("x-agent-vault") != "1") {
    return false;
  }
  return is_own_origin(request, options);
}

Status identify(Call& call) {
  Actor& actor = call.actor;
  actor = Actor();
  const proxy::ApiRequest& request = call.request;
  if (request.run != nullptr) {
    actor.kind = Actor::Kind::kRun;
    actor.name = request.run->agent;
    actor.uid = request.run->agent_uid;
    actor.run = request.run->run_id;
    actor.own_vault = call.options().run_vault;
    return {};
  }
  const bool by_bearer = !request.bearer.empty();
  // A page of another origin shows a token; a cookie would come along by itself.
  if (!by_bearer && (request.cookie.empty() || is_named_origin(request, call.options()))) {
    return {};
  }
  const crypto::Digest hash =
      by_bearer ? vault::hash_of(request.bearer) : vault::hash_of_cookie(request.cookie);
  call.users().note_peer(request.peer, request.field("user-agent"));
  AV_TRY(const auto user, call.users().user_of_session(hash));
  if (user) {
    actor.kind = Actor::Kind::kUser;
    actor.name = user->email;
    actor.uid = user->uid;
    actor.run = user->session;
    actor.owner = user->owner;
    actor.by_cookie = !by_bearer;
    return {};
  }
  if (!by_bearer) {
    return {};  // tokens of agents are no cookies
  }
  const auto agent = call.store().agent_of_token(hash);
  if (agent) {
    actor.kind = Actor::Kind::kAgent;
    actor.name = agent->name;
    actor.uid = agent->uid;
    actor.own_vault = agent->vaults.size() == 1 ? agent->vaults.front() : "";
    return {};
  }
  const auto session = call.store().session_of_token(hash);
  if (session) {
    actor.kind = Actor::Kind::kSession;
    actor.name = session->agent;
    actor.uid = session->agent_uid;
    actor.run = session->id;
    actor.own_vault = session->vault;
    return {};
  }
  for (const Error* const error : {&agent.error(), &session.error()}) {
    if (error->code != ErrorCode::kNotPermitted) {
      return *error;
    }
  }
  return {};
}

namespace {

std::shared_ptr<const Json> body_of(const Route& route) {
  auto schema = schema_from_text(route.request.empty() ? "{}" : route.request);
  Json body = schema ? std::move(*schema) : Json::object();
  if (route.who.in_vault() && route.path.find("{v}") == std::string_view::npos) {
    body["properties"].emplace("vault", Json{{"type", "string"}});
  }
  return std::make_shared<const Json>(std::move(body));
}

}  // namespace

Router::Router(std::span<const Route> routes) {
  for (const Route& route : routes) {
    Row row{&route, split(route.path), false, body_of(route)};
    if (row.segments.back() == "{*}") {
      row.segments.pop_back();
      row.open_end = true;
    }
    rows_.push_back(std::move(row));
  }
}

namespace {

Where place_of(const Call& call) {
  if (call.options().mode == Mode::kRun) {
    return Where::kRuns;
  }
  return call.request.at_proxy ? Where::kEverywhere : Where::kServe;
}

}  // namespace

Router::Found Router::find(std::string_view method, std::string_view path, Where where) const {
  Found found;
  auto segments = split(path);
  if (segments.front() == "api") {
    segments.front() = "v1";
  }
  if (method == "HEAD") {
    method = "GET";
  }
  const Row* best = nullptr;
  for (const Row& row : rows_) {
    if (row.route->where < where) {
      continue;
    }
    if (row.open_end ? segments.size() <= row.segments.size()
                     : segments.size() != row.segments.size()) {
      continue;
    }
    bool fits = true;
    for (std::size_t i = 0; i < row.segments.size() && fits; ++i) {
      fits = is_hole(row.segments[i]) ? !segments[i].empty() : segments[i] == row.segments[i];
    }
    if (!fits) {
      continue;
    }
    if (row.route->method != method) {
      const std::string name(row.route->method);
      if (found.allowed.find(name) == std::string::npos) {
        found.allowed += (found.allowed.empty() ? "" : ", ") + name;
      }
    } else if (best == nullptr || more_literal(row.segments, best->segments)) {
      best = &row;
    }
  }
  if (best == nullptr) {
    return found;
  }
  found.route = best->route;
  found.body = best->body.get();
  for (std::size_t i = 0; i < best->segments.size(); ++i) {
    if (is_hole(best->segments[i])) {
      found.parts.push_back(segments[i]);
    }
  }
  if (best->open_end) {
    const std::string_view first = segments[best->segments.size()];
    found.parts.push_back(path.substr(static_cast<std::size_t>(first.data() - path.data())));
  }
  return found;
}

Failed Router::check_vault(Call& call, const Route& route) const {
  auto meant = vault_meant(call, route);
  if (!meant) {
    return fault_of(meant.error());
  }
  if (!vault::check_slug("vault", *meant)) {
    return unknown_vault(meant->size() > 64 ? std::string_view("...") : *meant);
  }
  call.vault_ = std::move(*meant);
  const auto role = call.role_in(call.vault_);
  if (!role) {
    return fault_of(role.error());
  }
  call.role_ = *role;
  if (call.role_ == Role::kNone && call.actor.owner) {
    const auto info = call.store().get_vault(call.vault_);
    if (!info) {
      return info.error().code == ErrorCode::kNotFound ? unknown_vault(call.vault_)
                                                       : fault_of(info.error());
    }
    if (route.who.kind() == Who::Kind::kVaultOrOwner) {
      return {};
    }
    return forbidden(
        "you are no member of the vault '" + call.vault_ + "'",
        "as the owner you may make yourself one: POST /v1/vaults/" + call.vault_ + "/members");
  }
  if (call.role_ == Role::kNone) {
    return unknown_vault(call.vault_);
  }
  if (call.role_ < route.who.role() &&
      !(call.actor.owner && route.who.kind() == Who::Kind::kVaultOrOwner)) {
    return forbidden(
        "this needs the role " + std::string(to_string(route.who.role())) + " in the vault '" +
            call.vault_ + "'; yours is " + std::string(to_string(call.role_)),
        call.actor.is_user() ? "ask an admin of the vault" : "ask a person: agents cannot do this");
  }
  return {};
}

Failed Router::check_who(Call& call, const Route& route) const {
  const Who who = route.who;
  if (who.kind() == Who::Kind::kAnybody) {
    return {};
  }
  if (call.actor.kind == Actor::Kind::kNobody) {
    if (who.needs_user()) {
      const auto owner = call.users().has_owner();
      if (owner && !*owner) {
        return fault(503, "not_initialized", "nobody owns this instance yet",
                     "agent-vault user add EMAIL --owner, or open it in a browser");
      }
    }
    return unauthorized(call);
  }
  if (who.kind() == Who::Kind::kSignedIn) {
    return {};
  }
  if (who.in_vault()) {
    return check_vault(call, route);
  }
  if (!call.actor.is_user()) {
    return forbidden("only a person may do this", "sign in; an agent's token does not suffice");
  }
  if (who.kind() == Who::Kind::kOwner && !call.actor.owner) {
    return forbidden("only the owner of the instance may do this");
  }
  return {};
}

Failed Router::check_body(Call& call, const Json& schema) {
  if (call.request.body.empty()) {
    return {};
  }
  const auto body = call.body();
  if (!body) {
    return fault_of(body.error());
  }
  const auto stranger = strange_member(schema, *body);
  if (!stranger) {
    return {};
  }
  const std::string near = vault::did_you_mean(stranger->name, stranger->known);
  std::string all;
  for (const std::string& known : stranger->known) {
    all += (all.empty() ? "" : ", ") + known;
  }
  // Half of what is here is no name but a value that lost its name: it is cut.
  return fault(400, "unknown_field",
               "this request has no member \"" +
                   encoding::printable(std::string_view(stranger->name).substr(0, 40)) + "\"",
               !near.empty() ? "did you mean \"" + near + "\"?"
               : all.empty() ? "it takes none"
                             : "it takes: " + all);
}

Failed Router::check_again(Call& call) const {
  if (auto known = identify(call); !known) {
    return fault_of(known.error());
  }
  const Found found = find(call.request.method, call.request.path, place_of(call));
  return check_who(call, *found.route);
}

Reply Router::answer(Call& call) const {
  const proxy::ApiRequest& request = call.request;
  if (!is_our_host(request.field("host"), call.options())) {
    return fault(421, "misdirected_request", "this is not the host that was asked for",
                 "use its address, localhost, or add the name to the base URLs of serve");
  }
  AV_CHECK(identify(call));
  if (const std::int64_t wait = call.limiter().take(bucket_of(call))) {
    proxy::Fault slow = fault(429, "too_many_requests", "too many requests",
                              "try again in " + std::to_string(wait) + " s");
    slow.retry_after = wait;
    slow.transient = true;
    return slow;
  }
  if (auto asked = preflight(request, call.options())) {
    return std::move(*asked);
  }
  const Found found = find(request.method, request.path, place_of(call));
  if (found.route == nullptr) {
    if (found.allowed.empty()) {
      return fault(404, "not_found", "there is no such path",
                   "GET /v1/openapi.json lists those that there are");
    }
    proxy::LocalReply reply = proxy::fault_reply(
        fault(405, "method_not_allowed", "this path takes " + found.allowed), proxy::FaultOf::kApi);
    reply.fields.add("Allow", found.allowed);
    return reply;
  }
  for (const std::string_view part : found.parts) {
    auto decoded = percent_decoded(part, /*plus_is_space=*/false);
    if (!decoded) {
      return bad_request("the path has a malformed escape");
    }
    call.parts.push_back(std::move(*decoded));
  }
  AV_TRY(call.query, Query::parse(request.query));
  if (changes_something(request.method)) {
    if (request.bearer.empty() && !request.cookie.empty() && request.run == nullptr &&
        !is_same_origin(request, call.options())) {
      return fault(403, "csrf", "the request may not come from this site's own pages",
                   "send X-Agent-Vault: 1 and the Origin of this site, or a bearer token");
    }
    if (!request.body.empty() && !is_json(request.field("content-type"))) {
      return fault(415, "unsupported_media_type", "the body must be JSON",
                   "send Content-Type: application/json");
    }
  }
  AV_CHECK(check_who(call, *found.route));
  AV_CHECK(check_body(call, *found.body));
  return found.route->handler(call);
}

}  // namespace av::api
