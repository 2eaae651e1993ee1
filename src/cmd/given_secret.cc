#include "cmd/given_secret.h"

#include <string_view>

namespace av::cmd {

void drop_final_newline(Secret& secret) {
  if (secret.reveal([](std::string_view bytes) { return bytes.ends_with('\n'); })) {
    secret.truncate(secret.size() - 1);
  }
}

void drop_final_newlines(Secret& secret) {
  while (secret.reveal(
      [](std::string_view bytes) { return bytes.ends_with('\n') || bytes.ends_with('\r'); })) {
    secret.truncate(secret.size() - 1);
  }
}

}  // namespace av::cmd
