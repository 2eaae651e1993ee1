// What programs of an isolated run send to the name server.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "proxy/name_door.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av::proxy;  // NOLINT
  static NamePool names;
  const std::string_view query(reinterpret_cast<const char*>(data), size);
  const auto question = read_dns_query(query);
  if (!question) {
    return 0;
  }
  const DnsAnswer answer = answer_name(*question, names);
  const std::string bytes = write_dns_answer(query, *question, answer);
  // The whole question comes back, and what is given leads back to the name.
  if (bytes.size() > kMostDnsAnswer || bytes.size() < question->size ||
      std::string_view(bytes).substr(12, question->size - 12) !=
          query.substr(12, question->size - 12)) {
    std::abort();
  }
  if (answer.address && NamePool::is_ours(*answer.address)) {
    const std::string* const name = names.name_of(*answer.address);
    if (name == nullptr || *name != question->name) {
      std::abort();
    }
  }
  return 0;
}
