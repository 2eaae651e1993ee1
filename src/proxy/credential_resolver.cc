#include "proxy/credential_resolver.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "core/ascii.h"
#include "core/encoding.h"
#include "vault/host_reference.h"
#include "vault/proposal_suggestion.h"

namespace av::proxy {

namespace {

// A server takes spaces and tabs off the ends of a field (RFC 9110 section 5.5), and what it
// repeats is the rest, which is a part of every form of the whole.
std::string_view core_of(std::string_view value) {
  const std::string_view core = ascii::trim(value);
  return core.size() >= PatternSet::kMinValue ? core : value;
}

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
// After a refresh that came to nothing, requests go on with what there is for this long: the source
// has a back-off of its own, but each question costs a look into the store.
constexpr Millis kAskAgain{1'000};

// When the token must be looked at again: when it becomes due, and then, as long as it is good and
// nothing better can be had, now and then.
std::int64_t next_look(const vault::TokenTimes& token, std::int64_t wall_ms) {
  if (token.expires_ms == 0) {
    return kNever;
  }
  return token.due(wall_ms) ? std::min(token.expires_ms, wall_ms + kAskAgain.count())
                            : token.due_ms();
}

Fault no_credential(const vault::PolicySnapshot& snapshot, const vault::Service& service,
                    const std::string& key) {
  Fault fault;
  fault.status = 502;
  fault.code = "credential_not_found";
  fault.message = "the service " + service.name + " needs the credential " + key +
                  ", which is not in the vault " + snapshot.vault_name;
  fault.help = "the owner of the vault can add it: agent-vault vault credential set " + key;
  fault.proposal = vault::credential_proposal(key);
  return fault;
}

Fault unreadable(const std::string& key, const Error& why) {
  Fault fault;
  fault.status = 502;
  fault.code = "credential_unreadable";
  fault.message = "the credential " + key + " cannot be opened: " + why.message;
  fault.help = "the owner of the vault can set it again: agent-vault vault credential set " + key;
  return fault;
}

Outcome<Secret> opened_or_fault(const std::string& key, Expected<Secret> opened) {
  if (!opened) {
    return unreadable(key, opened.error());
  }
  return std::move(*opened);
}

Outcome<void> guarded_or_fault(const std::string& key, const Status& added) {
  if (!added) {
    return unreadable(key, added.error());
  }
  return {};
}

// It was there a moment ago.
Fault not_fetched(const std::string& key) {
  Fault fault;
  fault.status = 503;
  fault.code = "external_store_changed";
  fault.message = "the value of " + key + " has just been changed where it is kept";
  fault.help = "try again";
  fault.transient = true;
  return fault;
}

// The host that the values of this credential depend on; empty when they do not.
std::string_view host_of(const vault::SealedCredential& sealed, std::string_view host) {
  const bool any =
      std::any_of(sealed.sources.begin(), sealed.sources.end(),
                  [](const vault::SourceRef& ref) { return vault::depends_on_host(ref.item); });
  return any ? host : std::string_view();
}

std::string external_name(std::string_view key, std::string_view host) {
  return std::string(key) + "|" + std::string(host);
}

// The access token has ended and there is no newer one.
Fault no_token(const std::string& key, const vault::TokenTimes& token,
               const std::optional<vault::RefreshRefusal>& refusal) {
  using Why = vault::RefreshRefusal::Why;
  const std::string why =
      refusal && !refusal->message.empty() ? refusal->message : token.last_error;
  const std::string because = why.empty() ? "" : ": " + why;
  Fault fault;
  fault.status = 502;
  if (!token.refreshable || token.reconnect ||
      (refusal && (refusal->why == Why::kReconnect || refusal->why == Why::kImpossible))) {
    fault.code = "oauth_reconnect_required";
    fault.message = "the access token of " + key + " has ended and cannot be refreshed" + because;
    fault.help = "the owner of the vault can connect it again: agent-vault oauth connect " + key;
    return fault;
  }
  fault.code = "oauth_refresh_failed";
  fault.message = "the access token of " + key + " has ended and could not be refreshed" + because;
  fault.help = "it is tried again by itself; to see more: agent-vault oauth status " + key;
  fault.transient = true;
  return fault;
}

}  // namespace

const Secret& ResolvedCredential::value(std::string_view key) const {
  static const Secret kNone;
  const auto found = values_.find(key);
  return found == values_.end() ? kNone : found->second;
}

CredentialResolver::Newest CredentialResolver::newest(const vault::PolicySnapshot& snapshot,
                                                      const vault::SealedCredential& sealed) const {
  Newest out{sealed.version, &sealed.sealed, sealed.token};
  if (sealed.token) {
    const auto fresh = fresh_.find({snapshot.vault_uid, sealed.key});
    if (fresh != fresh_.end() && fresh->second.version > sealed.version) {
      out.version = fresh->second.version;
      out.sealed = &fresh->second.sealed;
      out.token->expires_ms = fresh->second.expires_ms;
      out.token->issued_ms = fresh->second.issued_ms;
      out.token->reconnect = false;
      out.token->retry_ms = 0;
    }
  }
  return out;
}

std::vector<StaleToken> CredentialResolver::stale(const vault::AllowedRequest& request,
                                                  Now now) const {
  std::vector<StaleToken> out;
  if (source_ == nullptr || request.service() == nullptr) {
    return out;
  }
  const vault::PolicySnapshot& snapshot = request.snapshot();
  if (const Entry* const entry = cached(request, now);
      entry != nullptr && now.wall_ms < entry->due_ms) {
    return out;
  }
  for (const std::string& key : request.service()->credential_keys()) {
    const auto sealed = snapshot.credentials.find(key);
    if (sealed == snapshot.credentials.end() || !sealed->second.token) {
      continue;
    }
    const Newest known = newest(snapshot, sealed->second);
    const vault::TokenTimes& times = *known.token;
    const vault::TokenName name{snapshot.vault_uid, key};
    if (!times.due(now.wall_ms) || !times.refreshable || times.reconnect ||
        now.wall_ms < times.retry_ms) {
      continue;
    }
    const auto refused = refused_.find(name);
    if (refused == refused_.end() || now.wall_ms >= refused->second.until_ms) {
      out.push_back({name, known.version, times.ended(now.wall_ms)});
    }
  }
  return out;
}

const CredentialResolver::Entry* CredentialResolver::cached(const vault::AllowedRequest& request,
                                                            Now now) const {
  if (request.snapshot().generation != generation_) {
    return nullptr;
  }
  const auto found = cache_.find(request.service());
  if (found == cache_.end() || now.coarse_ms >= found->second.until_ms) {
    return nullptr;
  }
  const std::string& host = found->second.host;
  return host.empty() || host == request.identity().authority.host ? &found->second : nullptr;
}

const CredentialResolver::Fetched* CredentialResolver::fetched(
    const vault::SealedCredential& sealed, std::string_view host, std::int64_t coarse_ms) const {
  const auto found = fetched_.find(external_name(sealed.key, host));
  return found == fetched_.end() || coarse_ms >= found->second.until_ms ||
                 found->second.from != sealed.sources
             ? nullptr
             : &found->second;
}

std::vector<vault::SourceQuery> CredentialResolver::missing(const vault::AllowedRequest& request,
                                                            Now now) const {
  std::vector<vault::SourceQuery> out;
  const vault::PolicySnapshot& snapshot = request.snapshot();
  if (!snapshot.has_sources || request.service() == nullptr || cached(request, now) != nullptr) {
    return out;
  }
  const std::string& host = request.identity().authority.host;
  // Fields of one item are asked for together, or two answers could be of two times.
  for (const std::string& key : request.service()->credential_keys()) {
    const auto sealed = snapshot.credentials.find(key);
    if (sealed == snapshot.credentials.end() || sealed->second.sources.empty()) {
      continue;
    }
    const std::vector<vault::SourceRef>& refs = sealed->second.sources;
    const auto same = std::find_if(out.begin(), out.end(), [&](const vault::SourceQuery& query) {
      return std::equal(query.choices.begin(), query.choices.end(), refs.begin(), refs.end(),
                        [](const auto& choice, const vault::SourceRef& ref) {
                          return choice.store_uid == ref.store_uid && choice.item == ref.item;
                        });
    });
    vault::SourceQuery& query = same == out.end() ? out.emplace_back() : *same;
    query.keys.push_back(key);
    query.host = host;
    for (std::size_t i = 0; i < refs.size(); ++i) {
      if (query.choices.size() == i) {
        query.choices.push_back({refs[i].store_uid, refs[i].item, {}});
      }
      query.choices[i].fields.push_back(refs[i].field);
    }
  }
  std::erase_if(out, [&](const vault::SourceQuery& query) {
    return std::all_of(query.keys.begin(), query.keys.end(), [&](const std::string& key) {
      const vault::SealedCredential& sealed = snapshot.credentials.find(key)->second;
      return fetched(sealed, host_of(sealed, host), now.coarse_ms) != nullptr;
    });
  });
  return out;
}

void CredentialResolver::take(const vault::SourceQuery& query, vault::FetchedItem item) {
  const bool by_host =
      std::any_of(query.choices.begin(), query.choices.end(),
                  [](const auto& choice) { return vault::depends_on_host(choice.item); });
  for (std::size_t i = 0; i < query.keys.size(); ++i) {
    std::vector<vault::SourceRef> from;
    for (const vault::SourceQuery::Choice& choice : query.choices) {
      from.push_back({choice.store_uid, choice.item, choice.fields[i]});
    }
    fetched_[external_name(query.keys[i], by_host ? query.host : std::string())] =
        Fetched{std::move(item.values[i]), item.version, item.until_ms, std::move(from)};
  }
}

void CredentialResolver::take(const vault::TokenName& name, vault::FreshToken token) {
  refused_.erase(name);
  fresh_[name] = std::move(token);
  cache_.clear();
}

void CredentialResolver::take(const vault::TokenName& name, vault::RefreshRefusal refusal,
                              std::int64_t wall_ms) {
  refused_[name] = Refused{std::move(refusal), wall_ms + kAskAgain.count()};
}

std::optional<vault::RefreshRefusal> CredentialResolver::refusal_of(
    const vault::TokenName& name) const {
  const auto found = refused_.find(name);
  return found == refused_.end() ? std::nullopt : std::optional(found->second.refusal);
}

Outcome<ResolvedPtr> CredentialResolver::resolve(const vault::AllowedRequest& request,
                                                 const vault::KeyRing& key_ring, Now now) {
  if (request.service() == nullptr) {
    return ResolvedPtr();
  }
  // Services are addressed by pointer into their snapshot; another snapshot, another cache.
  if (request.snapshot().generation != generation_) {
    cache_.clear();
    generation_ = request.snapshot().generation;
  }
  if (const Entry* const entry = cached(request, now);
      entry != nullptr && now.coarse_ms - entry->opened_ms < kKeep.count() &&
      now.wall_ms < entry->due_ms) {
    ++counts_.cached;
    return entry->resolved;
  }
  ++counts_.opened;
  Until until{kNever, kNever, false};
  AV_TRY(ResolvedPtr opened, open(request, key_ring, now, until));
  cache_[request.service()] =
      Entry{opened, now.coarse_ms, until.due_ms, until.until_ms,
            until.of_host ? request.identity().authority.host : std::string()};
  return opened;
}

// What it was before a server may have been sent, by this run or by another.
Outcome<void> CredentialResolver::guard_earlier(const vault::SealedCredential& sealed,
                                                const vault::SealContext& context,
                                                const vault::KeyRing& key_ring,
                                                GuardedValues& guard) const {
  for (const vault::SealedCredential::Earlier& earlier : sealed.earlier) {
    const GuardedValues::Name name{sealed.key, earlier.version, false};
    if (guard.knows(name)) {
      continue;
    }
    vault::SealContext of_it = context;
    of_it.version = earlier.version;
    const Expected<Secret> value = key_ring.open(of_it, earlier.sealed);
    if (!value) {
      continue;  // damaged: nobody can have used it
    }
    AV_CHECK(guarded_or_fault(sealed.key, value->reveal([&](std::string_view text) {
      return guard.add(name, core_of(text), /*literal=*/false, 0);
    })));
  }
  return {};
}

// Checks that the token can be used, and notes what it is.
Outcome<void> CredentialResolver::open_token(const vault::PolicySnapshot& snapshot,
                                             const Newest& known, const std::string& key, Now now,
                                             ResolvedCredential& resolved, Until& until) const {
  const vault::TokenName name{snapshot.vault_uid, key};
  if (known.token->ended(now.wall_ms)) {
    return no_token(key, *known.token, refusal_of(name));
  }
  if (known.token->refreshable) {
    resolved.tokens_.push_back({name, known.version, false});
  }
  until.due_ms = std::min(until.due_ms, next_look(*known.token, now.wall_ms));
  if (source_ != nullptr) {
    source_->in_use(name, known.version, *known.token);
  }
  return {};
}

Outcome<ResolvedPtr> CredentialResolver::open(const vault::AllowedRequest& request,
                                              const vault::KeyRing& key_ring, Now now,
                                              Until& until) const {
  const vault::PolicySnapshot& snapshot = request.snapshot();
  const vault::Service& service = *request.service();
  const std::string& host = request.identity().authority.host;
  auto resolved = std::make_shared<ResolvedCredential>();
  resolved->keys_ = service.credential_keys();
  if (resolved->keys_.empty()) {
    return ResolvedPtr();
  }
  resolved->identity_ = snapshot.vault_uid + "|" + service.name;
  resolved->guard_ = guards_->of(resolved->identity_);
  GuardedValues& guard = *resolved->guard_;
  for (const std::string& key : resolved->keys_) {
    const auto found = snapshot.credentials.find(key);
    if (found == snapshot.credentials.end()) {
      Fault fault = no_credential(snapshot, service, key);
      fault.proposal_host = host;
      return fault;
    }
    Secret value;
    GuardedValues::Name name{key, 0, false};
    std::int64_t worthless_ms = 0;
    if (!found->second.sources.empty()) {
      const std::string_view of = host_of(found->second, host);
      const Fetched* const kept = fetched(found->second, of, now.coarse_ms);
      if (kept == nullptr) {
        return not_fetched(key);
      }
      until.until_ms = std::min(until.until_ms, kept->until_ms);
      until.of_host = until.of_host || !of.empty();
      AV_TRY(value, opened_or_fault(key, kept->value->clone()));
      resolved->identity_ += '|' + key + "@x" + std::to_string(kept->version);
      if (!of.empty()) {
        name.key = external_name(key, of);
      }
      name.version = kept->version;
      name.external = true;
    } else {
      const Newest known = newest(snapshot, found->second);
      if (known.token) {
        AV_CHECK(open_token(snapshot, known, key, now, *resolved, until));
        worthless_ms = known.token->expires_ms;
      }
      const vault::SealContext context{snapshot.vault_uid, "credential", key, known.version};
      AV_TRY(value, opened_or_fault(key, key_ring.open(context, *known.sealed)));
      resolved->identity_ += '|' + key + '@' + std::to_string(known.version);
      name.version = known.version;
      AV_CHECK(guard_earlier(found->second, context, key_ring, guard));
    }
    if (!guard.knows(name)) {
      AV_CHECK(guarded_or_fault(key, value.reveal([&](std::string_view text) {
        return guard.add(name, core_of(text), /*literal=*/false, worthless_ms);
      })));
    }
    resolved->uses_.push_back(guard.use_of(name));
    resolved->values_.emplace(key, std::move(value));
  }
  if (const auto* basic = std::get_if<vault::BasicAuth>(&service.auth)) {
    SecretBuffer pair;
    pair.append(basic->username_literal);
    pair.append(resolved->value(basic->username_key));
    pair.push_back(':');
    pair.append(resolved->value(basic->password_key));
    SecretBuffer token;
    encoding::append_base64(token, pair.view());
    // Another one with each version of what it is made of.
    const GuardedValues::Name name{basic->password_key + "|basic",
                                   std::hash<std::string>()(resolved->identity_), false};
    if (!guard.knows(name)) {
      AV_CHECK(guarded_or_fault(basic->password_key,
                                guard.add(name, token.view(), /*literal=*/true, 0)));
    }
    resolved->uses_.push_back(guard.use_of(name));
  }
  guard.settle(now.wall_ms);
  return ResolvedPtr(std::move(resolved));
}

void CredentialResolver::sweep(std::int64_t now_ms) {
  std::erase_if(cache_,
                [&](const auto& item) { return now_ms - item.second.opened_ms >= kKeep.count(); });
  std::erase_if(fetched_, [&](const auto& item) { return now_ms >= item.second.until_ms; });
}

}  // namespace av::proxy
