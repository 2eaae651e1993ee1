#pragma once
// The system calls that syscall_filter.cc knows, as each architecture numbers them. Those since
// Linux 5.1 have one number everywhere; headers of the distribution may be older than the kernel.

#include <linux/audit.h>
#include <sys/syscall.h>

#include <cstdint>

namespace av::isolation::nr {

// What a kernel for this architecture may run beside it: its 32-bit brother, and x32.
#if defined(__x86_64__)
inline constexpr std::uint32_t kArch = AUDIT_ARCH_X86_64;
inline constexpr std::uint32_t kArch32 = AUDIT_ARCH_I386;
inline constexpr std::uint32_t kOtherAbi = 1U << 30;  // the mark of x32 in the number
inline constexpr std::uint32_t kOtherIoctl = 514;     // of x32
inline constexpr std::uint32_t kIoctl32 = 54;
inline constexpr std::uint32_t kSocket32 = 359;
inline constexpr std::uint32_t kSocketcall32 = 102;
#elif defined(__aarch64__)
inline constexpr std::uint32_t kArch = AUDIT_ARCH_AARCH64;
inline constexpr std::uint32_t kArch32 = AUDIT_ARCH_ARM;
inline constexpr std::uint32_t kOtherAbi = 0;
inline constexpr std::uint32_t kOtherIoctl = __NR_ioctl;
inline constexpr std::uint32_t kIoctl32 = 54;
inline constexpr std::uint32_t kSocket32 = 281;
inline constexpr std::uint32_t kSocketcall32 = 102;
#elif defined(__riscv) && __riscv_xlen == 64
inline constexpr std::uint32_t kArch = AUDIT_ARCH_RISCV64;
inline constexpr std::uint32_t kArch32 = AUDIT_ARCH_RISCV32;
inline constexpr std::uint32_t kOtherAbi = 0;
inline constexpr std::uint32_t kOtherIoctl = __NR_ioctl;
inline constexpr std::uint32_t kIoctl32 = 29;
inline constexpr std::uint32_t kSocket32 = 198;
inline constexpr std::uint32_t kSocketcall32 = 198;
#else
#error "say how this architecture numbers its system calls"
#endif

inline constexpr std::uint32_t kPidfdGetfd = 438;
inline constexpr std::uint32_t kClone3 = 435;
inline constexpr std::uint32_t kOpenTree = 428;
inline constexpr std::uint32_t kMoveMount = 429;
inline constexpr std::uint32_t kFsopen = 430;
inline constexpr std::uint32_t kFsconfig = 431;
inline constexpr std::uint32_t kFsmount = 432;
inline constexpr std::uint32_t kFspick = 433;
inline constexpr std::uint32_t kIoUringSetup = 425;
inline constexpr std::uint32_t kIoUringEnter = 426;
inline constexpr std::uint32_t kIoUringRegister = 427;
inline constexpr std::uint32_t kProcessMadvise = 440;
inline constexpr std::uint32_t kMountSetattr = 442;
inline constexpr std::uint32_t kQuotactlFd = 443;
inline constexpr std::uint32_t kOpenTreeAttr = 467;

}  // namespace av::isolation::nr
