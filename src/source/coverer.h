#pragma once
// Coverer: how a program of a store is kept from what its store is not about. A program loads more
// than its own file (its configuration, modules of its language), all of which the user, and so an
// agent, may have written: it is run where it can do no more than the agent itself.
//
// What runs in the place of the program is another one, which this process trusts. It is told what
// to do in a frame at the head of its standard input, never in its arguments or its environment,
// and says how that went over a descriptor of its own.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fs.h"
#include "core/secret.h"
#include "source/provider.h"

namespace av::source {

// A program that is about to run. The descriptors have their numbers in the new process, too.
struct Covered {
  const std::vector<std::string>& arguments;  // with argv[0]
  std::string_view environment;               // "NAME=value", each ended by NUL
  int program = -1;                           // what is executed; -1: the path argv[0]
  int verdict = -1;                           // where the end is told
};

struct Cover {
  UniqueFd program;  // what runs instead
  std::vector<std::string> arguments;
  SecretBuffer told;  // the frame's content
};

class Coverer {
 public:
  virtual ~Coverer() = default;
  // From any thread. The program is not run when this fails.
  virtual Result<Cover> cover(const Covered& program) const = 0;
};

// The frame: its length, little-endian in 8 bytes, and the content.
inline constexpr std::size_t kMostTold = std::size_t{4} << 20;
void append_frame(SecretBuffer& out, std::string_view content);
// Reads exactly the frame: what follows belongs to the program. Empty when there is none.
[[nodiscard]] std::optional<SecretBuffer> read_frame(int fd);

// What has become of a covered program: one line, and for kRefused a second one, the hint.
struct Verdict {
  enum class What : std::uint8_t {
    kExited,   // value: the exit code, 128 + signal for one that was killed
    kNotRun,   // value: errno of exec
    kRefused,  // there are no covers; text: why
  };
  What what = What::kRefused;
  int value = 0;
  std::string text;
  std::string hint;
};
[[nodiscard]] std::string to_text(const Verdict& verdict);
// nullopt for what is none: whoever should have told it is gone.
[[nodiscard]] std::optional<Verdict> verdict_of(std::string_view text);

}  // namespace av::source
