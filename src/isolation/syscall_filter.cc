#include "isolation/syscall_filter.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace av::isolation {
namespace {

constexpr std::uint32_t kTiocsti = 0x5412;
constexpr std::uint32_t kTioclinux = 0x541C;

// ioctl as each architecture numbers it that a kernel for this one may run programs of.
#if defined(__x86_64__)
constexpr std::uint32_t kArch = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kIoctl = 16;
constexpr std::uint32_t kOtherIoctl = 514;          // of x32
constexpr std::uint32_t kNumberBits = ~(1U << 30);  // the mark of x32
constexpr std::uint32_t kArch32 = AUDIT_ARCH_I386;
constexpr std::uint32_t kIoctl32 = 54;
#elif defined(__i386__)
constexpr std::uint32_t kArch = AUDIT_ARCH_I386;
constexpr std::uint32_t kIoctl = 54;
constexpr std::uint32_t kOtherIoctl = kIoctl;
constexpr std::uint32_t kNumberBits = ~0U;
constexpr std::uint32_t kArch32 = kArch;
constexpr std::uint32_t kIoctl32 = kIoctl;
#elif defined(__aarch64__)
constexpr std::uint32_t kArch = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kIoctl = 29;
constexpr std::uint32_t kOtherIoctl = kIoctl;
constexpr std::uint32_t kNumberBits = ~0U;
constexpr std::uint32_t kArch32 = AUDIT_ARCH_ARM;
constexpr std::uint32_t kIoctl32 = 54;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::uint32_t kArch = AUDIT_ARCH_RISCV64;
constexpr std::uint32_t kIoctl = 29;
constexpr std::uint32_t kOtherIoctl = kIoctl;
constexpr std::uint32_t kNumberBits = ~0U;
constexpr std::uint32_t kArch32 = AUDIT_ARCH_RISCV32;
constexpr std::uint32_t kIoctl32 = 29;
#else
#error "say how this architecture numbers ioctl"
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
constexpr std::uint32_t kRequest = offsetof(seccomp_data, args[1]);
#else
constexpr std::uint32_t kRequest = offsetof(seccomp_data, args[1]) + 4;
#endif

constexpr sock_filter load(std::uint32_t offset) {
  return {BPF_LD | BPF_W | BPF_ABS, 0, 0, offset};
}
// Steps to leave out when equal, and when not.
constexpr sock_filter equal(std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
  return {BPF_JMP | BPF_JEQ | BPF_K, yes, no, value};
}
constexpr sock_filter answer(std::uint32_t action) {
  return {BPF_RET | BPF_K, 0, 0, action};
}

constexpr std::array kFilter{
    /*  0 */ load(offsetof(seccomp_data, arch)),
    /*  1 */ equal(kArch, 3, 0),
    /*  2 */ equal(kArch32, 0, 9),
    /*  3 */ load(offsetof(seccomp_data, nr)),
    /*  4 */ equal(kIoctl32, 4, 7),
    /*  5 */ load(offsetof(seccomp_data, nr)),
    /*  6 */ sock_filter{BPF_ALU | BPF_AND | BPF_K, 0, 0, kNumberBits},
    /*  7 */ equal(kIoctl, 1, 0),
    /*  8 */ equal(kOtherIoctl, 0, 3),
    // The kernel looks at the low half of the request alone.
    /*  9 */ load(kRequest),
    /* 10 */ equal(kTiocsti, 2, 0),
    /* 11 */ equal(kTioclinux, 1, 0),
    /* 12 */ answer(SECCOMP_RET_ALLOW),
    /* 13 */ answer(SECCOMP_RET_ERRNO | EPERM),
};

}  // namespace

Step filter_system_calls() {
  std::array filter = kFilter;
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  // The flag spares the command a mitigation that older kernels tie to filters and that costs much;
  // this filter keeps nothing from the command that speculation could leak.
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) !=
          0 &&
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    return Obstacle{"filter system calls", errno};
  }
  return std::nullopt;
}

}  // namespace av::isolation
