#include "source/infisical_provider.h"

#include <algorithm>
#include <utility>

#include "core/encoding.h"
#include "source/jwt_file.h"

namespace av::source {
namespace {

using Why = Failure::Why;

constexpr std::string_view kWho = "Infisical";

// Tokens that have ended are told by 401, or by 403 with this error.
bool takes_token_no_longer(const RestAnswer& answer) {
  return answer.status == 401 ||
         (answer.status == 403 && answer.said({"error"}, {}) == "TokenError");
}

void add_json(std::string& out, std::string_view name, std::string_view value) {
  out += (out.empty() ? "{\"" : ",\"") + std::string(name) + "\":\"" +
         encoding::json_escaped(value) + "\"";
}

std::string where(const InfisicalItem& item) {
  return excerpt(item.folder.empty() ? item.name : item.folder + "/" + item.name);
}

// An id that the lease's place goes with, which the API wants to know again: "ID ENV /PATH".
struct LeaseId {
  std::string id;
  std::string environment;
  std::string path;
};
Result<LeaseId> read_lease_id(const std::string& text) {
  const std::size_t first = text.find(' ');
  const std::size_t second = first == std::string::npos ? first : text.find(' ', first + 1);
  LeaseId out;
  if (second != std::string::npos) {
    out.id = text.substr(0, first);
    out.environment = text.substr(first + 1, second - first - 1);
    out.path = text.substr(second + 1);
  }
  if (!is_slug(out.id) || !is_slug(out.environment) || !out.path.starts_with('/')) {
    return failure(Why::kInvalid, "this is no lease of Infisical");
  }
  return out;
}

}  // namespace

// Fastify's words for a path that the server has no handler for: an older version.
bool InfisicalProvider::is_unknown_route(const RestAnswer& answer) {
  return answer.status == 404 && answer.said({"message"}, {}).starts_with("Route ");
}

InfisicalProvider::InfisicalProvider(InfisicalSettings settings, vault::StoreSecrets secrets,
                                     const Ports& ports)
    : clock_(*ports.clock),
      settings_(std::move(settings)),
      secrets_(std::move(secrets)),
      rest_(*ports.http, settings_.url, std::string(kWho)),
      cell_(clock_, [this](const LoginToken*) { return log_in(); }),
      slug_(settings_.slug) {}

Result<LoginToken> InfisicalProvider::log_in() const {
  JsonBody body;
  Secret jwt;
  Sent sent;
  if (settings_.kubernetes) {
    AV_TRY(jwt, read_jwt_file(settings_.token_file));
    body.add("identityId", settings_.identity_id).add("jwt", jwt);
    sent.push_back(&jwt);
  } else {
    const Secret& secret = secrets_.find("client_secret")->second;
    body.add("clientId", settings_.client_id).add("clientSecret", secret);
    sent.push_back(&secret);
  }
  const std::int64_t from = steady_ms(clock_);
  AV_TRY(const RestAnswer answer,
         rest_.send("POST",
                    settings_.kubernetes ? "/api/v1/auth/kubernetes-auth/login"
                                         : "/api/v1/auth/universal-auth/login",
                    {}, body.finish()));
  if (!answer.good()) {
    const std::string said = answer.said({"message"}, sent);
    const bool denied = answer.status >= 400 && answer.status < 500;
    return failure(
        denied ? Why::kDenied : Why::kUnreachable,
        "Infisical did not let the machine identity in (HTTP " + std::to_string(answer.status) +
            ")" + (said.empty() ? "" : ": " + said),
        denied ? "check the identity, its auth method, and the addresses it may come from" : "");
  }
  LoginToken out;
  AV_TRY(out.value, token_of(answer.find({"accessToken"}), kWho));
  const auto seconds = answer.find({"expiresIn"});
  out.ours = true;
  set_life(out, from, seconds_to_ms(seconds ? seconds->integer().value_or(0) : 0));
  return out;
}

Result<RestAnswer> InfisicalProvider::send(std::string_view method, const std::string& target,
                                           const LoginToken& token, const std::string& body) const {
  SecretBuffer fields;
  add_field(fields, "Authorization", token.value, "Bearer ");
  SecretBuffer bytes;
  bytes.append(body);
  return rest_.send(method, target, std::move(fields), std::move(bytes));
}

Result<InfisicalProvider::Answered> InfisicalProvider::ask(std::string_view method,
                                                           const std::string& target,
                                                           const std::string& body) {
  Answered out;
  AV_TRY(out.token, cell_.get());
  AV_TRY(out.answer, send(method, target, *out.token, body));
  if (takes_token_no_longer(out.answer)) {
    // Once, never in a circle.
    AV_TRY(out.token, cell_.instead_of(out.token));
    AV_TRY(out.answer, send(method, target, *out.token, body));
  }
  return out;
}

Failure InfisicalProvider::failure_of(const Answered& got, const std::string& what) const {
  const std::string said = got.answer.said({"message"}, {&got.token->value});
  const std::string end = said.empty() ? std::string() : ": " + said;
  switch (got.answer.status) {
    case 401:
      return failure(Why::kDenied, "Infisical does not take its own token for " + what + end);
    case 403:
      return failure(
          Why::kDenied, "Infisical denies " + what + end,
          "the machine identity must be a member of the project, with a role that reads");
    case 404:
      if (!got.answer.json) {
        break;
      }
      return failure(Why::kNotFound, "Infisical has nothing for " + what + end);
    case 400:
    case 422:
      return failure(Why::kInvalid, "Infisical refuses " + what + end);
    default:
      break;
  }
  if (got.answer.status < 500) {
    return failure(
        Why::kMalformed,
        "something that is not Infisical answered with HTTP " + std::to_string(got.answer.status),
        "is the address right?");
  }
  return failure(Why::kUnreachable,
                 "Infisical answered with HTTP " + std::to_string(got.answer.status) + end);
}

InfisicalProvider::Place InfisicalProvider::place_of(const InfisicalItem& item) const {
  Place out;
  out.environment = item.environment.empty() ? settings_.environment : item.environment;
  if (!settings_.folder.empty()) {
    out.path += "/" + settings_.folder;
  }
  if (!item.folder.empty()) {
    out.path += "/" + item.folder;
  }
  if (out.path.empty()) {
    out.path = "/";
  }
  return out;
}

Result<InfisicalProvider::Answered> InfisicalProvider::ask_project(std::string_view& member) {
  const std::string id = encoding::percent(settings_.project);
  member = "project";
  AV_TRY(Answered got, ask("GET", "/api/v1/projects/" + id));
  if (is_unknown_route(got.answer)) {
    member = "workspace";
    AV_TRY(got, ask("GET", "/api/v1/workspace/" + id));
  }
  if (!got.answer.good()) {
    return failure_of(got, "the project");
  }
  return got;
}

Result<About> InfisicalProvider::test() {
  std::string_view member;
  AV_TRY(const Answered got, ask_project(member));
  const Sent sent = {&got.token->value};
  About out;
  out.account = got.answer.said({member, "name"}, sent);
  if (out.account.empty()) {
    out.account = "project " + excerpt(settings_.project);
  }
  out.account += ", " + settings_.environment;
  const auto environments = got.answer.find({member, "environments"});
  std::string known;
  for (const vault::JsonView& one :
       environments ? environments->children() : std::vector<vault::JsonView>()) {
    const auto name = one.find("slug");
    if (name && name->text() == settings_.environment) {
      known.clear();
      break;
    }
    known += (known.empty() ? "" : ", ") + (name ? excerpt(name->text()) : std::string());
  }
  if (!known.empty()) {
    return failure(Why::kInvalid,
                   "the project has no environment \"" + settings_.environment + "\"",
                   "it has " + excerpt(known));
  }
  return out;
}

Result<std::string> InfisicalProvider::slug() {
  {
    const std::lock_guard lock(mutex_);
    if (!slug_.empty()) {
      return slug_;
    }
  }
  std::string_view member;
  auto got = ask_project(member);
  if (!got) {
    Failure out = got.error();
    if (out.why == Why::kDenied) {
      out.hint = "give the project's slug: project_slug=...";
    }
    return out;
  }
  const auto view = got->answer.find({member, "slug"});
  const std::string text = view ? view->text() : std::string();
  if (!is_slug(text)) {
    return failure(Why::kMalformed, "Infisical did not tell the project's slug",
                   "give it: project_slug=...");
  }
  const std::lock_guard lock(mutex_);
  slug_ = text;
  return slug_;
}

std::string InfisicalProvider::query_of(const Place& place) const {
  return std::string(old_api_ ? "?workspaceId=" : "?projectId=") +
         encoding::percent(settings_.project) +
         "&environment=" + encoding::percent(place.environment) +
         "&secretPath=" + encoding::percent(place.path);
}

Result<Record> InfisicalProvider::fetch(const std::string& item) {
  AV_TRY(const InfisicalItem wanted, infisical_item(item));
  return wanted.dynamic ? fetch_dynamic(wanted) : fetch_secret(wanted);
}

Result<Record> InfisicalProvider::fetch_secret(const InfisicalItem& item) {
  const Place place = place_of(item);
  const auto target = [&] {
    return (old_api_ ? "/api/v3/secrets/raw/" : "/api/v4/secrets/") + encoding::percent(item.name) +
           query_of(place) +
           "&type=shared&viewSecretValue=true&expandSecretReferences=true&include_imports=true";
  };
  AV_TRY(Answered got, ask("GET", target()));
  if (!old_api_ && is_unknown_route(got.answer)) {
    old_api_ = true;
    AV_TRY(got, ask("GET", target()));
  }
  if (!got.answer.good()) {
    return failure_of(got, "reading " + where(item));
  }
  // Who may see that a secret is there, but not what it is, gets a text in its place.
  if (const auto hidden = got.answer.find({"secret", "secretValueHidden"});
      hidden && hidden->boolean().value_or(false)) {
    return failure(Why::kDenied, "Infisical hides the value of " + where(item),
                   "the machine identity's role needs \"Read Value\" of secrets");
  }
  const auto value = got.answer.find({"secret", "secretValue"});
  if (!value || !value->is(vault::JsonView::Kind::kString)) {
    return failure(Why::kMalformed, "Infisical answered without a value");
  }
  Record out;
  AV_TRY(Secret text, kept(value->secret()));
  out.fields.emplace("", std::move(text));
  return out;
}

Result<std::string> InfisicalProvider::lease_body(const Place& place, const std::string& name) {
  AV_TRY(const std::string project, slug());
  std::string out;
  add_json(out, "projectSlug", project);
  add_json(out, "environmentSlug", place.environment);
  add_json(out, "path", place.path);
  if (!name.empty()) {
    add_json(out, "dynamicSecretName", name);
  }
  return out;
}

// `lease` has times of the server's clock, which need not be ours.
Result<std::int64_t> InfisicalProvider::life_of(const RestAnswer& answer) const {
  const auto ends = answer.find({"lease", "expireAt"});
  const auto began = answer.find({"lease", "updatedAt"});
  const auto end = ends ? parse_rfc3339(ends->text()) : std::nullopt;
  if (!end) {
    return failure(Why::kMalformed, "Infisical answered without a lease");
  }
  const std::int64_t ours = *end - clock_.wall_ms();
  const auto from = began ? parse_rfc3339(began->text()) : std::nullopt;
  const std::int64_t theirs = from ? *end - *from : ours;
  return std::max<std::int64_t>(ours > 0 ? std::min(ours, theirs) : theirs, 0);
}

Result<Record> InfisicalProvider::fetch_dynamic(const InfisicalItem& item) {
  const Place place = place_of(item);
  AV_TRY(std::string body, lease_body(place, item.name));
  if (!settings_.lease_ttl.empty()) {
    add_json(body, "ttl", settings_.lease_ttl);
  }
  AV_TRY(const Answered got, ask("POST", "/api/v1/dynamic-secrets/leases", body + "}"));
  if (!got.answer.good()) {
    return failure_of(got, "leasing " + where(item));
  }
  const auto id = got.answer.find({"lease", "id"});
  Lease lease;
  AV_TRY(lease.life_ms, life_of(got.answer));
  if (!id || !is_slug(id->text())) {
    return failure(Why::kMalformed, "Infisical answered without a lease");
  }
  lease.id = id->text() + " " + place.environment + " " + place.path;
  lease.renewable = true;  // up to the longest life of its dynamic secret, which renew() finds out
  AV_TRY(Record out, record_of(got.answer.find({"data"}), kWho));
  out.keep_ms = lease.life_ms;
  out.lease = std::move(lease);
  return out;
}

Result<Lease> InfisicalProvider::renew(const Lease& lease) {
  AV_TRY(const LeaseId id, read_lease_id(lease.id));
  AV_TRY(std::string body, lease_body({id.environment, id.path}, {}));
  if (!settings_.lease_ttl.empty()) {
    add_json(body, "ttl", settings_.lease_ttl);
  }
  AV_TRY(const Answered got,
         ask("POST", "/api/v1/dynamic-secrets/leases/" + id.id + "/renew", body + "}"));
  if (!got.answer.good()) {
    Failure out = failure_of(got, "renewing a lease");
    if (out.why == Why::kInvalid) {
      out.why = Why::kNotFound;  // 400: it has ended, or would live longer than it may
    }
    return out;
  }
  Lease out = lease;
  AV_TRY(out.life_ms, life_of(got.answer));
  return out;
}

Result<void> InfisicalProvider::revoke(const Lease& lease) {
  AV_TRY(const LeaseId id, read_lease_id(lease.id));
  AV_TRY(const std::string body, lease_body({id.environment, id.path}, {}));
  AV_TRY(const Answered got, ask("DELETE", "/api/v1/dynamic-secrets/leases/" + id.id, body + "}"));
  if (!got.answer.good()) {
    return failure_of(got, "revoking a lease");
  }
  return {};
}

Result<void> InfisicalProvider::disconnect() {
  Result<void> out;
  for (const LoginCell::Held& token : cell_.take_all()) {
    JsonBody body;
    body.add("accessToken", token->value);
    auto answer = rest_.send("POST", "/api/v1/auth/token/revoke", {}, body.finish());
    if (!answer) {
      out = answer.error();
    } else if (answer->status >= 500) {
      out = failure(Why::kUnreachable, "Infisical did not take its token back (HTTP " +
                                           std::to_string(answer->status) + ")");
    }
  }
  return out;
}

}  // namespace av::source
