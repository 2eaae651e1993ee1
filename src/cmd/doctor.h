#pragma once
// The checks of `doctor`: what a person would look at, one after the other, when something does not
// work or is to be trusted. None changes anything.

#include <string>
#include <string_view>
#include <vector>

#include "cmd/command.h"
#include "isolation/level.h"

namespace av::cmd {

enum class CheckState : std::uint8_t { kOk, kWarning, kFailed, kSkipped };

struct Check {
  std::string name;  // "isolation strict"
  CheckState state = CheckState::kOk;
  std::string detail;
  std::string fix;  // what to do or type; empty where there is nothing to be done
};
[[nodiscard]] std::string_view to_string(CheckState state);

// What a level keeps from a command, found out by attacking it from one. Forks: before there is
// anything secret in this process, or a second thread. `off` is the control for all: what fails
// there cannot be tried here.
[[nodiscard]] std::vector<Check> check_isolation(Context& context);
// The machine: what the kernel offers, memory that can be locked, swap, the clock.
[[nodiscard]] std::vector<Check> check_machine(const Context& context);
// Who could change the program that is running.
[[nodiscard]] Check check_program();
// The store, its key and its files, without asking anybody for a passphrase. Leaves the store open
// in the context when it can be.
[[nodiscard]] std::vector<Check> check_store(Context& context);
// Each external store of each vault is asked.
[[nodiscard]] std::vector<Check> check_external(Context& context);
// A run of our own program, whose command asks for what `run` promises.
[[nodiscard]] Check check_proxy(const Context& context);

inline constexpr std::string_view kDoctorReach = "--doctor-reach";
// In the run that check_proxy() starts: 0 when the broker answers here.
int reach_broker();

}  // namespace av::cmd
