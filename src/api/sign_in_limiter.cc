#include "api/sign_in_limiter.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/crypto.h"

namespace av::api {
namespace {

constexpr std::size_t kAccountSlots = 8192;
constexpr std::size_t kPeerSlots = 2048;
constexpr std::uint32_t kWindow = SignInLimiter::kWindowMs / 100;

}  // namespace

SignInLimiter::SignInLimiter(const Clock& clock)
    : clock_(clock),
      start_(clock.steady()),
      salt_(crypto::random_hex(32)),
      accounts_(kAccountSlots, kPerAccount),
      peers_(kPeerSlots, kPerPeer) {}

SignInLimiter::Stamp SignInLimiter::now() const {
  const auto past = std::chrono::duration_cast<Millis>(clock_.steady() - start_).count();
  return static_cast<Stamp>(past / 100) + 1;
}

SignInLimiter::Stamp* SignInLimiter::slot_of(Slots& slots, std::string_view key) const {
  const crypto::Digest digest = crypto::sha256(salt_, key);
  std::uint64_t number = 0;
  std::memcpy(&number, digest.data(), sizeof number);
  return slots.stamps.data() + number % (slots.stamps.size() / slots.each) * slots.each;
}

std::uint32_t SignInLimiter::wait_in(const Stamp* slot, std::size_t each, Stamp now) {
  const Stamp oldest = *std::min_element(slot, slot + each);
  return oldest == 0 || now - oldest >= kWindow ? 0 : kWindow - (now - oldest);
}

void SignInLimiter::add(Stamp* slot, std::size_t each, Stamp now) {
  *std::min_element(slot, slot + each) = now;
}

void SignInLimiter::remove_newest(Stamp* slot, std::size_t each) {
  *std::max_element(slot, slot + each) = 0;
}

std::int64_t SignInLimiter::take(What what, std::string_view peer, std::string_view account) {
  const std::string from = static_cast<char>(what) + peer_key(peer);
  Stamp* const of_peer = slot_of(peers_, from);
  // No address has a line feed.
  Stamp* const of_account = slot_of(accounts_, from + "\n" + std::string(account));
  const Stamp at = now();
  const std::uint32_t wait =
      std::max(wait_in(of_peer, kPerPeer, at), wait_in(of_account, kPerAccount, at));
  if (wait != 0) {
    return (wait + 9) / 10;
  }
  add(of_peer, kPerPeer, at);
  add(of_account, kPerAccount, at);
  return 0;
}

void SignInLimiter::give_back(What what, std::string_view peer, std::string_view account) {
  const std::string from = static_cast<char>(what) + peer_key(peer);
  remove_newest(slot_of(peers_, from), kPerPeer);
  remove_newest(slot_of(accounts_, from + "\n" + std::string(account)), kPerAccount);
}

std::size_t SignInLimiter::bytes() const {
  return (accounts_.stamps.capacity() + peers_.stamps.capacity()) * sizeof(Stamp);
}

std::string peer_key(std::string_view address) {
  const std::string text(address.substr(0, address.find('%')));
  in_addr four{};
  if (::inet_pton(AF_INET, text.c_str(), &four) == 1) {
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&four);
    return bytes[0] == 127 ? "loopback" : "4:" + text;
  }
  in6_addr six{};
  if (::inet_pton(AF_INET6, text.c_str(), &six) != 1) {
    return "?:" + text;
  }
  if (IN6_IS_ADDR_LOOPBACK(&six)) {
    return "loopback";
  }
  if (IN6_IS_ADDR_V4MAPPED(&six)) {
    std::array<char, INET_ADDRSTRLEN> out{};
    ::inet_ntop(AF_INET, six.s6_addr + 12, out.data(), out.size());
    return peer_key(out.data());
  }
  return "6:" + std::string(reinterpret_cast<const char*>(six.s6_addr), 8);
}

}  // namespace av::api
