// What `op` says on standard error, whatever it is: a reason and a line that a terminal may show,
// and never a token.

#include <cstdint>
#include <string>

#include "core/encoding.h"
#include "fuzz/require.h"
#include "source/op_errors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 16 * 1024) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const av::source::Failure out = av::source::op_failure(text);
  require(!out.message.empty() && out.message.size() <= 200);
  require(av::encoding::printable(out.message) == out.message);
  require(out.message.find("ops_") == std::string::npos);
  require((out.why == av::source::Failure::Why::kBusy) == (out.retry_ms > 0));
  require(out.retry_ms <= 3'600'000);
  return 0;
}
