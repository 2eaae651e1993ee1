#pragma once
// What `doctor` tries from inside of a run, as a hostile command would: each way in one function.
// The same program is started in the run for it, with the internal option --doctor-attack.

#include <string>
#include <string_view>
#include <vector>

#include "isolation/level.h"

namespace av::cmd {

// Where there is something to attack. Holds no secret: it is passed in argv.
struct AttackFacts {
  std::string store;  // the directory
  std::string key;    // a file in it, or any
  std::string home;
  long broker = 0;       // the process that started the run
  unsigned tcp = 0;      // a port of 127.0.0.1 outside
  std::string abstract;  // the name of an abstract socket outside
};
[[nodiscard]] std::vector<std::string> to_arguments(const AttackFacts& facts);

struct AttackInfo {
  std::string_view name;
  std::string_view about;  // "read the key file"
  isolation::Level closed_from;
  bool closed_by_landlock = false;  // at Level::kLandlock as well, which is beside the others

  [[nodiscard]] bool closed_at(isolation::Level level) const {
    return level == isolation::Level::kLandlock ? closed_by_landlock : level >= closed_from;
  }
};
[[nodiscard]] std::vector<AttackInfo> attack_list();

// Tries all and prints the names of those that worked, one in a line. The exit code.
int run_attacks(const std::vector<std::string>& arguments);

inline constexpr std::string_view kDoctorAttack = "--doctor-attack";

}  // namespace av::cmd
