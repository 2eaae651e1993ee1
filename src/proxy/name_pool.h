#pragma once
// NamePool: an address for each name that a program of an isolated run asks for, out of a range
// that nobody has (198.18.0.0/15, RFC 2544), and the way back from the address that it connects to.
// Nothing is looked up: whoever resolves the name later is the proxy, under its own guard.
//
// The same name has the same address for as long as it is known. At most kMost names are, so that
// asking for ever costs nothing; the oldest is forgotten for a new one, and its address leads
// nowhere then. Belongs to the proxy's thread.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace av::proxy {

class NamePool {
 public:
  static constexpr std::size_t kMost = 8192;
  using Address = std::uint32_t;  // IPv4, in the host's order of bytes

  // `name`: canonical.
  [[nodiscard]] Address address_of(std::string_view name);
  // nullptr: of no name that is known. Until the next address_of().
  [[nodiscard]] const std::string* name_of(Address address) const;
  // Whether the address is one of the range, known or not.
  [[nodiscard]] static bool is_ours(Address address);

 private:
  std::uint64_t next_ = 0;                                  // how many were ever given
  std::vector<std::string> names_;                          // by number modulo kMost
  std::unordered_map<std::string, std::uint64_t> numbers_;  // name -> number
};

}  // namespace av::proxy
