#pragma once
// LoginCell: the token with which a store is asked, made when it is needed and made anew before it
// ends. One thread makes it; the others wait for that one's outcome, or go on with the token that
// still holds.
//
// Thread-safe. No lock is held while a token is being made. Tokens live in memory only.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/clock.h"
#include "core/secret.h"
#include "source/provider.h"

namespace av::source {

// Times are of the steady clock; 0 is never.
struct LoginToken {
  Secret value;
  std::int64_t ttl_ms = 0;
  std::int64_t ends_ms = 0;
  std::int64_t due_ms = 0;  // from when on it is to be renewed, or replaced
  bool renewable = false;
  bool ours = false;         // made by our login: to be given back
  std::uint64_t serial = 0;  // the same for a token that was renewed
};

[[nodiscard]] std::int64_t steady_ms(const Clock& clock);
// Sets `ttl_ms`, `ends_ms` and `due_ms` from a time to live that began at `from_ms`.
void set_life(LoginToken& token, std::int64_t from_ms, std::int64_t ttl_ms);

class LoginCell {
 public:
  using Held = std::shared_ptr<const LoginToken>;
  // `before` is a token that still holds but is due; null: there is none.
  using Make = std::function<Result<LoginToken>(const LoginToken* before)>;

  LoginCell(const Clock& clock, Make make);

  [[nodiscard]] Result<Held> get();
  // The store takes `bad` no longer: another one, unless another thread has made it already.
  [[nodiscard]] Result<Held> instead_of(const Held& bad);
  // When the token with that serial ends, as far as it is known: 0 is never.
  [[nodiscard]] std::optional<std::int64_t> end_of(std::uint64_t serial) const;
  // Forgets all tokens, and hands out those that may still hold.
  [[nodiscard]] std::vector<Held> take_all();

 private:
  struct Flight {
    bool done = false;
    Held token;
    Failure failure;
  };

  [[nodiscard]] bool holds(const Held& token, std::int64_t now) const;
  [[nodiscard]] Result<Held> make(std::unique_lock<std::mutex>& lock, const Held& before);
  void retire(const Held& token, std::int64_t now);

  const Clock& clock_;
  Make make_;
  mutable std::mutex mutex_;
  std::condition_variable done_;
  Held current_;
  std::int64_t due_ms_ = 0;
  std::shared_ptr<Flight> flight_;
  std::vector<Held> former_;  // replaced, but perhaps alive: leases hang on them
  std::uint64_t serials_ = 0;
};

}  // namespace av::source
