#include "proxy/tls_session_cache.h"

#include <utility>

namespace av::proxy {
namespace {

// Where the sessions of one SSL object go. The cache may be gone by then.
struct Slot {
  std::weak_ptr<TlsSessionCache> cache;
  std::string key;
};

void free_slot(void* /*parent*/, void* slot, CRYPTO_EX_DATA* /*data*/, int /*index*/,
               long /*number*/, void* /*argument*/) {
  delete static_cast<Slot*>(slot);
}

int slot_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_slot);
  return index;
}

// Called by OpenSSL when a session is complete: in the handshake for TLS 1.2, while reading for the
// tickets of TLS 1.3. 0: we did not keep the reference.
int keep_session(SSL* ssl, SSL_SESSION* session) {
  const auto* const slot = static_cast<Slot*>(SSL_get_ex_data(ssl, slot_index()));
  if (slot == nullptr || SSL_get_verify_result(ssl) != X509_V_OK ||
      SSL_SESSION_is_resumable(session) != 1) {
    return 0;
  }
  if (const auto cache = slot->cache.lock()) {
    // A copy: OpenSSL spoils the session of a connection that is cut off.
    if (ossl::SslSession copy(SSL_SESSION_dup(session)); copy != nullptr) {
      cache->put(slot->key, std::move(copy));
    }
  }
  return 0;
}

bool is_fresh(const SSL_SESSION* session) {
  const std::time_t age = std::time(nullptr) - SSL_SESSION_get_time(session);
  return age >= 0 && age < SSL_SESSION_get_timeout(session) && age < TlsSessionCache::kMaxAge;
}

}  // namespace

ossl::SslSession TlsSessionCache::take(const std::string& key) {
  const auto found = index_.find(key);
  if (found == index_.end()) {
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  std::vector<ossl::SslSession>& sessions = found->second->sessions;
  while (!sessions.empty()) {
    ossl::SslSession session = std::move(sessions.back());
    sessions.pop_back();
    if (!is_fresh(session.get())) {
      continue;
    }
    if (SSL_SESSION_get_protocol_version(session.get()) < TLS1_3_VERSION) {
      SSL_SESSION_up_ref(session.get());
      sessions.emplace_back(session.get());
    }
    return session;
  }
  drop(key);
  return nullptr;
}

void TlsSessionCache::put(const std::string& key, ossl::SslSession session) {
  const auto found = index_.find(key);
  Place place;
  if (found != index_.end()) {
    place = found->second;
    entries_.splice(entries_.begin(), entries_, place);
  } else {
    if (index_.size() >= kMaxKeys) {
      index_.erase(entries_.back().key);
      entries_.pop_back();
    }
    entries_.push_front(Entry{key, {}});
    place = entries_.begin();
    index_.emplace(place->key, place);
  }
  std::vector<ossl::SslSession>& sessions = place->sessions;
  // Before TLS 1.3 a session serves any number of times: the newest is enough.
  if (SSL_SESSION_get_protocol_version(session.get()) < TLS1_3_VERSION) {
    sessions.clear();
  } else if (sessions.size() >= kMaxPerKey) {
    sessions.erase(sessions.begin());
  }
  sessions.push_back(std::move(session));
}

void TlsSessionCache::drop(const std::string& key) {
  const auto found = index_.find(key);
  if (found != index_.end()) {
    const Place place = found->second;
    index_.erase(found);
    entries_.erase(place);
  }
}

void TlsSessionCache::watch(SSL* ssl, const std::string& key) {
  auto slot = std::make_unique<Slot>(Slot{weak_from_this(), key});
  if (SSL_set_ex_data(ssl, slot_index(), slot.get()) == 1) {
    (void)slot.release();
  }
}

void TlsSessionCache::attach_to(SSL_CTX* context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
}

}  // namespace av::proxy
