#pragma once
// References to HashiCorp Vault and OpenBao: vault://MOUNT/PATH[?version=N]#FIELD.

#include <cstdint>
#include <string>
#include <string_view>

#include "source/kinds.h"
#include "source/provider.h"

namespace av::source {

[[nodiscard]] Result<Reference> parse_hashi(std::string_view text);

struct HashiItem {
  std::string path;          // as Vault calls it, not encoded; without slashes at its ends
  std::int64_t version = 0;  // 0: the newest
};
// Of an item that parse_hashi() made. kInvalid.
[[nodiscard]] Result<HashiItem> hashi_item(std::string_view item);

// What list() is given: vault://PATH, with a slash at its end for a folder.
[[nodiscard]] Result<std::string> hashi_folder(std::string_view text);

}  // namespace av::source
