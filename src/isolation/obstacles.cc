#include "isolation/obstacles.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "core/fs.h"

namespace av::isolation {
namespace {

std::optional<long> read_number(const char* path) {
  const auto text = fs::read_file(path, 64);
  if (!text) {
    return std::nullopt;
  }
  char* end = nullptr;
  const long value = std::strtol(text->c_str(), &end, 10);
  return end == text->c_str() ? std::nullopt : std::optional<long>(value);
}

bool may_pass(int error_number) {
  return error_number == ENOSPC || error_number == EAGAIN || error_number == ENOMEM ||
         error_number == EMFILE || error_number == ENFILE || error_number == EINTR;
}

}  // namespace

SystemFacts read_system_facts() {
  SystemFacts facts;
  facts.apparmor_restrict = read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  facts.max_user_namespaces = read_number("/proc/sys/user/max_user_namespaces");
  facts.unprivileged_userns_clone = read_number("/proc/sys/kernel/unprivileged_userns_clone");
  facts.container = ::access("/.dockerenv", F_OK) == 0 || ::access("/run/.containerenv", F_OK) == 0;
  facts.root = ::geteuid() == 0;
  return facts;
}

Error explain_obstacle(std::string_view step, int error_number, const SystemFacts& facts) {
  const std::string other_way = ", or choose --isolation off";
  if (step == kStepLandlock) {
    return make_error(ErrorCode::kUnsupported,
                      "this kernel has no Landlock that can hide files, or it is switched off",
                      "start a kernel of 6.2 or newer with landlock among its lsm=" + other_way);
  }
  const bool refused = error_number == EPERM || error_number == EACCES;
  if (facts.max_user_namespaces == 0L && (error_number == ENOSPC || refused)) {
    return make_error(ErrorCode::kUnsupported,
                      "user namespaces are switched off (user.max_user_namespaces is 0)",
                      "sudo sysctl user.max_user_namespaces=10000" + other_way);
  }
  if (step == kStepCreate && error_number == ENOSPC) {
    return make_error(ErrorCode::kNoSpace,
                      "no more user namespaces may be made (user.max_user_namespaces, or nested "
                      "too deeply)",
                      "end other sandboxes and try again" + other_way);
  }
  if (may_pass(error_number)) {
    Error error = errno_error(error_number, "cannot " + std::string(step));
    error.hint = "end other programs and try again" + other_way;
    return error;
  }
  if (refused && !facts.root && facts.unprivileged_userns_clone == 0L) {
    return make_error(ErrorCode::kUnsupported,
                      "user namespaces are kept for root (kernel.unprivileged_userns_clone is 0)",
                      "sudo sysctl kernel.unprivileged_userns_clone=1" + other_way);
  }
  if (refused && !facts.root && facts.apparmor_restrict.value_or(0) != 0) {
    return make_error(
        ErrorCode::kUnsupported,
        "AppArmor forbids user namespaces to programs without a profile "
        "(kernel.apparmor_restrict_unprivileged_userns is 1)",
        "agent-vault doctor --apparmor-profile | sudo tee /etc/apparmor.d/agent-vault && "
        "sudo apparmor_parser -r /etc/apparmor.d/agent-vault" +
            other_way);
  }
  if (refused && step == kStepProc) {
    return make_error(ErrorCode::kUnsupported,
                      "a private /proc cannot be mounted: parts of /proc are masked, as in a "
                      "container",
                      "start the container with unmasked paths (docker run --security-opt "
                      "systempaths=unconfined)" +
                          other_way);
  }
  if (refused && facts.container) {
    return make_error(ErrorCode::kUnsupported, "this container may not " + std::string(step),
                      "start it with --security-opt seccomp=unconfined" + other_way);
  }
  return make_error(
      ErrorCode::kUnsupported,
      "cannot " + std::string(step) + ": " + std::generic_category().message(error_number),
      "run as an ordinary user on a kernel with user namespaces" + other_way);
}

}  // namespace av::isolation
