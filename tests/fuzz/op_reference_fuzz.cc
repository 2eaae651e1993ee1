// References of all kinds of stores: what is accepted is canonical, printable, and parses to the
// same again; what is refused says so without quoting more than a character.

#include <cstdint>
#include <string>

#include "core/encoding.h"
#include "fuzz/require.h"
#include "source/kinds.h"
#include "source/op_reference.h"

namespace {

using namespace av::source;

void look_at(const Kind& kind, const std::string& text) {
  const auto parsed = kind.parse(text);
  if (!parsed) {
    require(!parsed.error().message.empty());
    require(av::encoding::printable(parsed.error().message) == parsed.error().message);
    return;
  }
  require(!parsed->item.empty() && parsed->item.size() <= 8192);
  require(av::encoding::printable(parsed->item) == parsed->item);
  require(av::encoding::printable(parsed->field) == parsed->field);
  // In a keyring, or in JSON, ".." is a name like any other.
  const std::string path = "/" + parsed->item.substr(0, parsed->item.find('#')) + "/";
  require(kind.id == "keyring" || path.find("/../") == std::string::npos);
  // Of stores that are read value by value, the item is the reference.
  const std::string again = std::string(kind.scheme) + "://" + parsed->item;
  if (parsed->field.empty() && kind.id != "1password-connect") {
    const auto second = kind.parse(again);
    require(second && second->item == parsed->item && second->field.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) {
    return 0;
  }
  const std::string rest(reinterpret_cast<const char*>(data), size);
  for (const char* const id :
       {"1password", "1password-connect", "pass", "keyring", "env", "file", "cmd"}) {
    const Kind* const kind = find_kind(id);
    require(kind != nullptr);
    look_at(*kind, std::string(kind->scheme) + "://" + rest);
  }
  const auto folder = parse_op_folder("op://" + rest);
  require(!folder || folder->item.empty() || folder->item.front() != '-');
  return 0;
}
