#include "source/hashi_provider.h"

#include <algorithm>
#include <utility>

#include "source/reference_path.h"

namespace av::source {
namespace {

using Why = Failure::Why;

constexpr std::size_t kMostMounts = 512;
constexpr std::int64_t kKeepMountMs = 10 * 60'000;
constexpr std::size_t kMostParents = 1024;
constexpr std::size_t kMostLeaseId = 1024;

// `prefix` ends with a slash.
bool is_below(const std::string& path, const std::string& prefix) {
  return path.starts_with(prefix) || path + "/" == prefix;
}

std::string behind(const std::string& path, const std::string& mount) {
  return path.size() > mount.size() ? path.substr(mount.size()) : std::string();
}

// Vault's own engines; also those of a namespace that is named by the path instead of the setting.
bool is_internal(std::string_view type) {
  return type == "system" || type == "ns_system" || type == "token" || type == "ns_token";
}

std::string reading(const std::string& path) {
  return "reading " + excerpt(path);
}

SecretBuffer lease_body(const std::string& id) {
  return JsonBody().add("lease_id", id).finish();
}

SecretBuffer no_body(const std::string&) {
  return {};
}

}  // namespace

HashiProvider::HashiProvider(std::string base, std::string name_space, HashiLoginSettings login,
                             vault::StoreSecrets secrets, const Ports& ports)
    : clock_(*ports.clock),
      client_(*ports.http, std::move(base), std::move(name_space)),
      login_(client_, clock_, std::move(login), std::move(secrets), ports.keep),
      cell_(clock_, [this](const LoginToken* before) { return login_.make(before); }) {}

Result<About> HashiProvider::pair() {
  AV_CHECK(client_.health());  // before a wrapping token is used up
  AV_CHECK(login_.unwrap());
  return test();
}

Result<About> HashiProvider::test() {
  AV_TRY(const HashiClient::Health health, client_.health());
  About out;
  AV_TRY(const Answered self, ask("GET", "/v1/auth/token/lookup-self"));
  if (self.answer.good()) {
    out.account = self.answer.said({"data", "display_name"}, {&self.token->value});
  } else if (login_.given()) {
    Failure denied = client_.failure_of(self.answer, "the token", {&self.token->value});
    denied.hint = "it has ended or was revoked, or it lacks the policy \"default\"";
    return denied;
  }
  if (out.account.empty()) {
    out.account = std::string(login_.method()) +
                  (login_.settings().role.empty() ? "" : " " + excerpt(login_.settings().role));
  }
  out.detail = health.version.empty() ? "Vault" : "Vault " + health.version;
  if (health.standby) {
    out.detail += ", a standby node";
  }
  return out;
}

// A 403 means both "this token may not" and "what token?"; Vault says which since 1.17 only.
Result<bool> HashiProvider::still_taken(const LoginToken& token, const RestAnswer& denial) const {
  const Sent sent = {&token.value};
  if (denial.said({"errors"}, sent).find("invalid token") != std::string::npos) {
    return false;
  }
  AV_TRY(const RestAnswer self, client_.call("GET", "/v1/auth/token/lookup-self", &token.value));
  return self.good();
}

Result<HashiProvider::Answered> HashiProvider::ask(std::string_view method,
                                                   const std::string& target) {
  return ask(method, target, &no_body, {});
}

Result<HashiProvider::Answered> HashiProvider::ask(std::string_view method,
                                                   const std::string& target,
                                                   SecretBuffer (*body)(const std::string&),
                                                   const std::string& argument) {
  Answered out;
  AV_TRY(out.token, cell_.get());
  AV_TRY(out.answer, client_.call(method, target, &out.token->value, body(argument)));
  if (out.answer.status != 403 || login_.given()) {
    return out;
  }
  AV_TRY(const bool taken, still_taken(*out.token, out.answer));
  if (taken) {
    return out;
  }
  // Once, never in a circle: what is denied to a token that was made a moment ago is denied.
  AV_TRY(out.token, cell_.instead_of(out.token));
  AV_TRY(out.answer, client_.call(method, target, &out.token->value, body(argument)));
  return out;
}

Result<HashiProvider::Mount> HashiProvider::learn_mount(const std::string& path) {
  // What the `vault kv` command asks before anything else; every token may, for paths that it may
  // touch.
  AV_TRY(const Answered got, ask("GET", "/v1/sys/internal/ui/mounts/" + percent_path(path)));
  const Sent sent = {&got.token->value};
  Mount out;
  if (!got.answer.good()) {
    if (got.answer.status == 403) {
      Failure denied = client_.failure_of(got.answer, reading(path), sent);
      denied.hint = "there is no such mount, or the token's policies do not name this path";
      return denied;
    }
    return client_.failure_of(got.answer, reading(path), sent);
  }
  const auto mount = got.answer.find({"data", "path"});
  out.path = mount ? mount->text() : std::string();
  if (!out.path.ends_with('/') || !is_below(path, out.path)) {
    return failure(Why::kMalformed, "Vault named a mount that the path is not below");
  }
  const auto type = got.answer.find({"data", "type"});
  const std::string engine = type ? type->text() : std::string();
  if (is_internal(engine) || out.path.starts_with("auth/") ||
      out.path.find("/auth/") != std::string::npos) {
    return failure(Why::kInvalid, "the path is Vault's own, and no secrets engine's");
  }
  const auto version = got.answer.find({"data", "options", "version"});
  out.kv = engine == "kv" || engine == "generic";
  out.versioned = engine == "kv" && version && version->text() == "2";
  out.read_ms = steady_ms(clock_);
  return out;
}

Result<HashiProvider::Mount> HashiProvider::mount_of(const std::string& path, bool& cached) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = mounts_.find(path);
    cached = found != mounts_.end() && steady_ms(clock_) - found->second.read_ms < kKeepMountMs;
    if (cached) {
      return found->second;
    }
  }
  AV_TRY(Mount out, learn_mount(path));
  const std::lock_guard lock(mutex_);
  if (mounts_.size() >= kMostMounts) {
    mounts_.clear();
  }
  mounts_.insert_or_assign(path, out);
  return out;
}

void HashiProvider::forget_mount(const std::string& path) {
  const std::lock_guard lock(mutex_);
  mounts_.erase(path);
}

Result<Record> HashiProvider::fetch(const std::string& item) {
  AV_TRY(const HashiItem wanted, hashi_item(item));
  bool cached = false;
  AV_TRY(const Mount mount, mount_of(wanted.path, cached));
  auto out = read(wanted, mount);
  if (out || !cached ||
      (out.error().why != Why::kNotFound && out.error().why != Why::kDenied &&
       out.error().why != Why::kInvalid)) {
    return out;
  }
  // The mount may have become another one in the meantime: upgraded to versions, or moved.
  forget_mount(wanted.path);
  AV_TRY(const Mount now, mount_of(wanted.path, cached));
  return now == mount ? std::move(out) : read(wanted, now);
}

Result<Record> HashiProvider::read(const HashiItem& item, const Mount& mount) {
  const std::string rest = behind(item.path, mount.path);
  if (rest.empty()) {
    return failure(Why::kInvalid, "the reference names a mount, and nothing below it",
                   "vault://MOUNT/PATH#FIELD");
  }
  if (item.version != 0 && !mount.versioned) {
    return failure(Why::kInvalid, excerpt(mount.path) + " keeps no versions",
                   "leave out ?version=");
  }
  std::string target = "/v1/" + percent_path(mount.path);
  target += (mount.versioned ? "data/" : "") + percent_path(rest);
  if (item.version != 0) {
    target += "?version=" + std::to_string(item.version);
  }
  AV_TRY(const Answered got, ask("GET", target));
  if (mount.versioned) {
    if (got.answer.good() || (got.answer.status == 404 && got.answer.find({"data", "metadata"}))) {
      return read_kv2(item, got.answer);
    }
  } else if (got.answer.good()) {
    return read_plain(got.answer, mount, got.token);
  }
  Failure out = client_.failure_of(got.answer, reading(item.path), {&got.token->value});
  if (got.answer.status == 404 && mount.versioned && rest.starts_with("data/")) {
    out.hint = "leave out \"data/\": it belongs to the API, not to the path";
  } else if (got.answer.status == 403) {
    out.hint = "the policy needs: path \"" + excerpt(mount.path) +
               (mount.versioned ? "data/" : "") + excerpt(rest) +
               "\" { capabilities = [\"read\"] }";
  }
  return out;
}

Result<Record> HashiProvider::read_kv2(const HashiItem& item, const RestAnswer& answer) const {
  const auto data = answer.find({"data", "data"});
  if (data && data->is(vault::JsonView::Kind::kObject)) {
    return record_of(data, "Vault");
  }
  const auto destroyed = answer.find({"data", "metadata", "destroyed"});
  const auto deleted = answer.find({"data", "metadata", "deletion_time"});
  const std::string which =
      excerpt(item.path) + (item.version == 0 ? "" : " version " + std::to_string(item.version));
  if (destroyed && destroyed->boolean().value_or(false)) {
    return failure(Why::kNotFound, "in Vault, " + which + " has been destroyed");
  }
  if (deleted && !deleted->text().empty()) {
    return failure(Why::kNotFound,
                   "in Vault, " + which + " was deleted at " + excerpt(deleted->text()),
                   "vault kv undelete brings a version back");
  }
  return failure(Why::kMalformed, "Vault answered without data");
}

Result<Record> HashiProvider::read_plain(const RestAnswer& answer, const Mount& mount,
                                         const LoginCell::Held& token) {
  AV_TRY(Record out, record_of(answer.find({"data"}), "Vault"));
  if (mount.kv) {
    return out;  // "lease_duration" is a recommendation there
  }
  out.lease = read_lease(answer, token);
  if (out.lease) {
    out.keep_ms = out.lease->life_ms;
    return out;
  }
  // Static roles say how long their password will stay what it is.
  const auto ttl = answer.find({"data", "ttl"});
  if (const auto seconds = ttl ? ttl->integer() : std::nullopt; seconds) {
    out.keep_ms = std::clamp<std::int64_t>(seconds_to_ms(*seconds), 1000, out.keep_ms);
  }
  return out;
}

std::optional<Lease> HashiProvider::read_lease(const RestAnswer& answer,
                                               const LoginCell::Held& token) {
  const auto id = answer.find({"lease_id"});
  const auto seconds = answer.find({"lease_duration"});
  const auto renewable = answer.find({"renewable"});
  Lease out;
  out.id = id ? id->text() : std::string();
  if (out.id.empty() || out.id.size() > kMostLeaseId) {
    return std::nullopt;
  }
  out.life_ms =
      within_token(seconds_to_ms(seconds ? seconds->integer().value_or(0) : 0), token->ends_ms);
  out.renewable = renewable && renewable->boolean().value_or(false);
  const std::lock_guard lock(mutex_);
  if (parents_.size() >= kMostParents) {
    parents_.erase(parents_.begin());
  }
  parents_.insert_or_assign(out.id, token->serial);
  return out;
}

// A lease ends with the token that it was made for, whatever it was promised.
std::int64_t HashiProvider::within_token(std::int64_t life_ms, std::int64_t ends_ms) const {
  return ends_ms == 0 ? life_ms : std::clamp<std::int64_t>(ends_ms - steady_ms(clock_), 0, life_ms);
}

Result<Lease> HashiProvider::renew(const Lease& lease) {
  AV_TRY(const Answered got, ask("POST", "/v1/sys/leases/renew", &lease_body, lease.id));
  if (!got.answer.good()) {
    Failure out = client_.failure_of(got.answer, "renewing a lease", {&got.token->value});
    if (out.why == Why::kInvalid) {
      out.why = Why::kNotFound;  // 400: unknown, ended, or not to be renewed
    }
    return out;
  }
  const auto seconds = got.answer.find({"lease_duration"});
  const auto renewable = got.answer.find({"renewable"});
  Lease out;
  out.id = lease.id;
  out.life_ms = seconds_to_ms(seconds ? seconds->integer().value_or(0) : 0);
  out.renewable = renewable && renewable->boolean().value_or(false);
  std::optional<std::int64_t> ends;
  {
    const std::lock_guard lock(mutex_);
    if (const auto parent = parents_.find(lease.id); parent != parents_.end()) {
      ends = cell_.end_of(parent->second);
    }
  }
  out.life_ms = within_token(out.life_ms, ends.value_or(0));
  return out;
}

Result<void> HashiProvider::revoke(const Lease& lease) {
  AV_TRY(const Answered got, ask("POST", "/v1/sys/leases/revoke", &lease_body, lease.id));
  if (!got.answer.good()) {
    Failure out = client_.failure_of(got.answer, "revoking a lease", {&got.token->value});
    if (got.answer.status == 403) {
      out.hint = "the policy needs: path \"sys/leases/revoke\" { capabilities = [\"update\"] }";
    }
    return out;
  }
  const std::lock_guard lock(mutex_);
  parents_.erase(lease.id);
  return {};
}

Result<void> HashiProvider::disconnect() {
  Result<void> out;
  for (const LoginCell::Held& token : cell_.take_all()) {
    if (!token->ours) {
      continue;
    }
    auto answer =
        client_.call("POST", "/v1/auth/token/revoke-self", &token->value, JsonBody().finish());
    if (!answer) {
      out = answer.error();
    } else if (!answer->good() && answer->status != 403) {  // 403: it holds no longer
      out = client_.failure_of(*answer, "giving its token back", {&token->value});
    }
  }
  return out;
}

}  // namespace av::source
