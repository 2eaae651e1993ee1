#pragma once
// What a stub resolver is told inside an isolated run (RFC 1035, RFC 6891): questions for the
// address of a name get one out of the NamePool, all others "there is no such record". Nothing that
// is asked leaves the machine, so a question carries nothing out.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace av::proxy {

// The question of a query. `name`: lower case, without the dot at the end; as written otherwise.
struct DnsQuestion {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;
  std::string name;
  std::uint16_t type = 0;
  std::uint16_t dns_class = 0;
  std::size_t size = 0;   // of the header and the question, in the query
  bool extended = false;  // it came with an OPT record: a stub of our days
};

inline constexpr std::uint16_t kDnsTypeA = 1;
inline constexpr std::uint16_t kDnsClassIn = 1;

enum class DnsCode : std::uint8_t {  // RFC 1035 section 4.1.1
  kNoError = 0,
  kNoSuchName = 3,
  kNotImplemented = 4,
};

// nullopt: no query with exactly one question; nothing is answered then.
[[nodiscard]] std::optional<DnsQuestion> read_dns_query(std::string_view message);

// The answer, as large as it gets.
inline constexpr std::size_t kMostDnsAnswer = 12 + 255 + 4 + 16 + 11;
struct DnsAnswer {
  DnsCode code = DnsCode::kNoError;
  std::optional<std::uint32_t> address;  // IPv4, the host's order
};
// `query`: what `question` was read from.
[[nodiscard]] std::string write_dns_answer(std::string_view query, const DnsQuestion& question,
                                           const DnsAnswer& answer);

}  // namespace av::proxy
