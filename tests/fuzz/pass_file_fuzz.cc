// Entries of password stores, answers of helpers, otpauth URIs and heads of scripts: any bytes.

#include <cstdint>
#include <string>

#include "core/secret.h"
#include "fuzz/require.h"
#include "source/helper_answer.h"
#include "source/pass_file.h"
#include "source/program_file.h"

namespace {

using namespace av;
using namespace av::source;

void look_at(const Result<Record>& record, std::size_t size) {
  if (!record) {
    require(!record.error().message.empty());
    return;
  }
  require(record->fields.size() <= 66);
  require(record->keep_ms > 0 && record->keep_ms <= 300'000);
  for (const auto& [name, value] : record->fields) {
    require(name.size() <= 128 && value.size() <= size && !value.empty());
    require(value.reveal(
        [](std::string_view bytes) { return bytes.find('\n') == std::string_view::npos; }));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 64 * 1024) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto secret = Secret::copy_of(text);
  require(secret.has_value());
  constexpr std::int64_t kNow = 1'700'000'000'123;
  look_at(pass_record(*secret), size);
  look_at(helper_record(*secret, kNow), size);
  const auto code = pass_code(*secret, kNow);
  require(!code || (code->fields.size() == 1 && code->keep_ms > 0));
  (void)pass_folder(*secret, "web");
  const auto head = script_head(text);
  if (head && head->script) {
    require(!head->interpreter.empty());
    require(head->search == (head->interpreter[0] != '/'));
    require(head->interpreter.find('\0') == std::string::npos);
  }
  return 0;
}
