#pragma once
// SignInLimiter: how often somebody may try to sign in: 10 times in 5 minutes from one peer at one
// account, 50 times from one peer. What worked does not count. What else is tried (the code of an
// invite, of the first owner) is counted for itself: whoever mistypes a password can still open an
// invite, and the other way round.
//
// Memory is bounded without ever forgetting a count: each key falls into one of a fixed number of
// slots, by a hash with a secret of this process. Keys that share a slot share a count, which can
// only make it stricter; there is nothing to evict, so nobody can reset a count by flooding it out,
// and nobody can aim at another's slot. Belongs to one thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"

namespace av::api {

class SignInLimiter {
 public:
  static constexpr std::size_t kPerAccount = 10;
  static constexpr std::size_t kPerPeer = 50;
  static constexpr std::int64_t kWindowMs = std::int64_t{5} * 60 * 1000;

  enum class What : char {
    kPassword = 'p',
    kInvite = 'i',
    kSetupCode = 's',
    kRegistration = 'r',
    kOutside = 'o',  // with an issuer of identities
  };

  explicit SignInLimiter(const Clock& clock);

  // 0: it may go on, and is counted. Else the seconds after which to try again; nothing is counted.
  // `account`: whose password; empty for what has none.
  [[nodiscard]] std::int64_t take(What what, std::string_view peer, std::string_view account);
  // It worked: as if it had not been tried.
  void give_back(What what, std::string_view peer, std::string_view account);

  [[nodiscard]] std::size_t bytes() const;  // that it holds; never grows

 private:
  // When somebody tried, in tenths of seconds since the start; 0: nobody.
  using Stamp = std::uint32_t;
  struct Slots {
    Slots(std::size_t count, std::size_t limit) : each(limit), stamps(count * limit) {}
    std::size_t each;
    std::vector<Stamp> stamps;
  };
  [[nodiscard]] Stamp now() const;
  [[nodiscard]] Stamp* slot_of(Slots& slots, std::string_view key) const;
  // Tenths until one of the stamps is old enough; 0: there is room.
  [[nodiscard]] static std::uint32_t wait_in(const Stamp* slot, std::size_t each, Stamp now);
  static void add(Stamp* slot, std::size_t each, Stamp now);
  static void remove_newest(Stamp* slot, std::size_t each);

  const Clock& clock_;
  const std::chrono::steady_clock::time_point start_;
  const std::string salt_;
  Slots accounts_;
  Slots peers_;
};

// Addresses that one machine can choose among are one peer: all of loopback, and the lower half of
// an IPv6 address.
[[nodiscard]] std::string peer_key(std::string_view address);

}  // namespace av::api
