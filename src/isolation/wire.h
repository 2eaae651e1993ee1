#pragma once
// Messages between the broker and its launcher: a fixed header and a payload over a socket pair.

#include <cstdint>
#include <string>

#include "core/expected.h"
#include "core/secret.h"
#include "isolation/launcher.h"

namespace av::isolation {

enum class MessageType : std::uint32_t {
  // to the launcher
  kMapped,    // value 1: the broker has written the id maps; 0: the launcher must
  kSpec,      // payload: LaunchSpec
  kSignal,    // value: send this to the child
  kContinue,  // value 1: hand over the terminal as well
  // to the broker
  kReady,
  kFailed,  // value: errno; payload: what was tried
  kStarted,
  kExecFailed,  // value: errno
  kStopped,     // value: signal
  kContinued,
  kExited,  // value: exit code
  kKilled,  // value: signal
};

struct Message {
  MessageType type = MessageType::kFailed;
  int value = 0;
  SecretBuffer payload;
};

// Both return false when the other side is gone, which the next receive_message() will say too.
bool send_message(int fd, MessageType type, int value, std::string_view payload = {});
[[nodiscard]] bool receive_message(int fd, Message& message);

[[nodiscard]] SecretBuffer encode(const LaunchSpec& spec);
// False when the bytes are not those of encode().
[[nodiscard]] bool decode(std::string_view bytes, LaunchSpec& spec);

}  // namespace av::isolation
