// Any bytes as lines of the root chain, as its head and as records: no crash; a line that is
// accepted is spelt as it would be written, so no two lines say the same.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/encoding.h"
#include "fuzz/require.h"
#include "store/audit_lines.h"
#include "store/audit_reader.h"
#include "store/audit_root.h"
#include "store/audit_root_scan.h"

namespace {

const av::store::AuditKey& key() {
  static const av::store::AuditKey made = [] {
    av::Expected<av::Secret> seed = av::Secret::copy_of(std::string(32, 'k'));
    require(seed.has_value());
    auto from_seed = av::store::AuditKey::from_seed(*seed);
    require(from_seed.has_value());
    return std::move(*from_seed);
  }();
  return made;
}

void check_root_line(std::string_view line) {
  using namespace av::store;
  const auto entry = parse_root_line(line);
  if (!entry) {
    return;
  }
  (void)root_line_hash(entry->hash, line);
  // Written again it differs in the signature and the hash only.
  RootEntry again = *entry;
  RootPosition position{entry->n - 1, {}};
  std::string written;
  require(append_root_line(written, again, position, key()).has_value());
  const std::string_view body = line.substr(0, line.rfind(",\"sig\":"));
  require(written.substr(0, body.size()) == body);
  require(written.size() == line.size() + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av::store;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)parse_head_line(text);
  (void)parse_head(text);
  (void)is_journal_name(text);
  if (const auto time = parse_utc_exactly(text)) {
    require(*time >= 0);
  }
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    check_root_line(line);
    (void)time_of_line(line);
    if (const auto split = split_line(line)) {
      require(std::string(split->text) + ",\"hash\":\"" + av::encoding::hex(split->hash) + "\"}" ==
              line);
    }
    (void)parse_record(line);
  }
  return 0;
}
