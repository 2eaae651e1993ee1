#include "proxy/credential_resolver.h"

#include "core/ascii.h"
#include "core/encoding.h"
#include "vault/proposal_suggestion.h"

namespace av::proxy {

namespace {

// A server takes spaces and tabs off the ends of a field (RFC 9110 section 5.5), and what it
// repeats is the rest, which is a part of every form of the whole.
std::string_view core_of(std::string_view value) {
  const std::string_view core = ascii::trim(value);
  return core.size() >= PatternSet::kMinValue ? core : value;
}

}  // namespace

const Secret& ResolvedCredential::value(std::string_view key) const {
  static const Secret kNone;
  const auto found = values_.find(key);
  return found == values_.end() ? kNone : found->second;
}

Outcome<ResolvedPtr> CredentialResolver::resolve(const vault::AllowedRequest& request,
                                                 const vault::KeyRing& key_ring,
                                                 std::int64_t now_ms) {
  if (request.service() == nullptr) {
    return ResolvedPtr();
  }
  // Services are addressed by pointer into their snapshot; another snapshot, another cache.
  if (request.snapshot().generation != generation_) {
    cache_.clear();
    generation_ = request.snapshot().generation;
  }
  const auto found = cache_.find(request.service());
  if (found != cache_.end() && now_ms - found->second.opened_ms < kKeep.count()) {
    ++counts_.cached;
    return found->second.resolved;
  }
  ++counts_.opened;
  AV_TRY(ResolvedPtr opened, open(request, key_ring));
  cache_[request.service()] = Entry{opened, now_ms};
  return opened;
}

Outcome<ResolvedPtr> CredentialResolver::open(const vault::AllowedRequest& request,
                                              const vault::KeyRing& key_ring) const {
  const vault::PolicySnapshot& snapshot = request.snapshot();
  const vault::Service& service = *request.service();
  auto resolved = std::make_shared<ResolvedCredential>();
  resolved->keys_ = service.credential_keys();
  if (resolved->keys_.empty()) {
    return ResolvedPtr();
  }
  resolved->identity_ = snapshot.vault_uid + "|" + service.name;
  for (const std::string& key : resolved->keys_) {
    const auto sealed = snapshot.credentials.find(key);
    if (sealed == snapshot.credentials.end()) {
      Fault fault;
      fault.status = 502;
      fault.code = "credential_not_found";
      fault.message = "the service " + service.name + " needs the credential " + key +
                      ", which is not in the vault " + snapshot.vault_name;
      fault.help = "the owner of the vault can add it: agent-vault vault credential set " + key;
      fault.proposal_host = request.identity().authority.host;
      fault.proposal = vault::credential_proposal(key);
      return fault;
    }
    auto opened = key_ring.open(
        vault::SealContext{snapshot.vault_uid, "credential", key, sealed->second.version},
        sealed->second.sealed);
    if (!opened) {
      Fault fault;
      fault.status = 502;
      fault.code = "credential_unreadable";
      fault.message = "the credential " + key + " cannot be opened: " + opened.error().message;
      fault.help =
          "the owner of the vault can set it again: agent-vault vault credential set " + key;
      return fault;
    }
    opened->reveal([&](std::string_view value) { resolved->patterns_.add_value(core_of(value)); });
    resolved->identity_ += '|' + key + '@' + std::to_string(sealed->second.version);
    resolved->values_.emplace(key, std::move(*opened));
  }
  if (const auto* basic = std::get_if<vault::BasicAuth>(&service.auth)) {
    SecretBuffer pair;
    pair.append(basic->username_literal);
    pair.append(resolved->value(basic->username_key));
    pair.push_back(':');
    pair.append(resolved->value(basic->password_key));
    SecretBuffer token;
    encoding::append_base64(token, pair.view());
    resolved->patterns_.add_literal(token.view());
  }
  resolved->patterns_.compile();
  return ResolvedPtr(std::move(resolved));
}

void CredentialResolver::sweep(std::int64_t now_ms) {
  std::erase_if(cache_,
                [&](const auto& item) { return now_ms - item.second.opened_ms >= kKeep.count(); });
}

}  // namespace av::proxy
