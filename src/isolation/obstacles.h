#pragma once
// Why a level cannot be had on this machine, in words that lead to a remedy.

#include <optional>
#include <string_view>

#include "core/error.h"

namespace av::isolation {

// What the kernel's settings say about user namespaces; nullopt: no such setting.
struct SystemFacts {
  std::optional<long> apparmor_restrict;          // kernel.apparmor_restrict_unprivileged_userns
  std::optional<long> max_user_namespaces;        // user.max_user_namespaces
  std::optional<long> unprivileged_userns_clone;  // kernel.unprivileged_userns_clone (Debian)
  bool container = false;
  bool root = false;
};
[[nodiscard]] SystemFacts read_system_facts();

// What can pass: too many processes or namespaces, no memory. kNoSpace or kIo; the command of an
// earlier run could bring it about, so it is never a reason to go on without isolation.
// What stays: kUnsupported.
// `step`: what was tried when `error_number` came back, as the launcher names it.
[[nodiscard]] Error explain_obstacle(std::string_view step, int error_number,
                                     const SystemFacts& facts);

// Steps that explain_obstacle() knows.
inline constexpr std::string_view kStepCreate = "create a user namespace";
inline constexpr std::string_view kStepProc = "mount /proc";
inline constexpr std::string_view kStepMounts = "read the mount table";
inline constexpr std::string_view kStepLandlock = "hide files by Landlock";
inline constexpr std::string_view kStepFilter = "filter system calls";
inline constexpr std::string_view kStepReadOnly = "make files read-only";
// Beginnings of steps, a path follows.
inline constexpr std::string_view kStepFind = "find ";
inline constexpr std::string_view kStepStartIn = "start in ";
inline constexpr std::string_view kStepEnter = "enter ";

}  // namespace av::isolation
