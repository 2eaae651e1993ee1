#include "isolation/syscall_filter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>

#include "isolation/syscall_table.h"

using namespace av::isolation;  // NOLINT: a test

namespace {

struct Call {
  std::uint32_t number = 0;
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  std::uint64_t third = 0;
  std::uint32_t arch = nr::kArch;
};

// What the kernel does with a filter, of the instructions that ours has (linux/filter.h).
std::uint32_t run(const std::vector<sock_filter>& program, const Call& call) {
  seccomp_data data{};
  data.nr = static_cast<int>(call.number);
  data.arch = call.arch;
  data.args[0] = call.first;
  data.args[1] = call.second;
  data.args[2] = call.third;
  std::uint32_t word = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const sock_filter& one = program[at];
    switch (one.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        REQUIRE(one.k + sizeof word <= sizeof data);
        std::memcpy(&word, reinterpret_cast<const char*>(&data) + one.k, sizeof word);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        word &= one.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += word == one.k ? one.jt : one.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        at += (word & one.k) != 0 ? one.jt : one.jf;
        break;
      case BPF_JMP | BPF_JA:
        at += one.k;
        break;
      case BPF_RET | BPF_K:
        return one.k;
      default:
        FAIL("an instruction that no rule uses");
    }
  }
  FAIL("the program runs out");
  return 0;
}

std::uint32_t refused(int error) {
  return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}

constexpr std::uint64_t kTiocsti = 0x5412;

}  // namespace

TEST_CASE("filter: nobody types into the terminal, at any level and in any ABI") {
  for (const Level level : {Level::kStore, Level::kNetwork, Level::kStrict}) {
    const auto program = system_call_filter(level);
    CHECK(run(program, {__NR_ioctl, 0, kTiocsti}) == refused(EPERM));
    CHECK(run(program, {__NR_ioctl, 0, 0x541C}) == refused(EPERM));
    // The kernel looks at the low half alone.
    CHECK(run(program, {__NR_ioctl, 0, kTiocsti | std::uint64_t{7} << 32}) == refused(EPERM));
    CHECK(run(program, {__NR_ioctl, 0, 0x5413}) == SECCOMP_RET_ALLOW);
    Call other{nr::kIoctl32, 0, kTiocsti};
    other.arch = nr::kArch32;
    CHECK(run(program, other) == refused(EPERM));
    if (nr::kOtherAbi != 0) {
      CHECK(run(program, {nr::kOtherIoctl | nr::kOtherAbi, 0, kTiocsti}) != SECCOMP_RET_ALLOW);
      CHECK(run(program, {__NR_ioctl | nr::kOtherAbi, 0, kTiocsti}) != SECCOMP_RET_ALLOW);
    }
  }
}

TEST_CASE("filter: families of sockets that no namespace holds back are closed from network on") {
  const auto store = system_call_filter(Level::kStore);
  CHECK(run(store, {__NR_socket, AF_VSOCK}) == SECCOMP_RET_ALLOW);
  for (const Level level : {Level::kNetwork, Level::kStrict}) {
    const auto program = system_call_filter(level);
    for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
      CHECK(run(program, {__NR_socket, static_cast<std::uint64_t>(family)}) == SECCOMP_RET_ALLOW);
    }
    for (const int family : {AF_VSOCK, AF_PACKET, AF_KEY, AF_ALG, AF_BLUETOOTH, AF_TIPC, 0, 255}) {
      CHECK(run(program, {__NR_socket, static_cast<std::uint64_t>(family)}) ==
            refused(EAFNOSUPPORT));
    }
    Call other{nr::kSocket32, AF_VSOCK};
    other.arch = nr::kArch32;
    CHECK(run(program, other) != SECCOMP_RET_ALLOW);
    other.number = nr::kSocketcall32;
    CHECK(run(program, other) != SECCOMP_RET_ALLOW);
    // What it makes sockets by is no system call.
    for (const std::uint32_t number :
         {nr::kIoUringSetup, nr::kIoUringEnter, nr::kIoUringRegister}) {
      CHECK(run(program, {number}) == refused(ENOSYS));
      other.number = number;
      CHECK(run(program, other) == refused(ENOSYS));
    }
  }
  const auto strict = system_call_filter(Level::kStrict);
  CHECK(run(strict, {__NR_socket, AF_NETLINK, SOCK_RAW, 16}) == refused(EPERM));
}

TEST_CASE("filter: at landlock no Unix socket leads to another program") {
  const auto program = system_call_filter(Level::kLandlock);
  for (const std::uint64_t type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    CHECK(run(program, {__NR_socket, AF_UNIX, type}) == refused(EACCES));
    CHECK(run(program, {__NR_socket, AF_INET, type}) == SECCOMP_RET_ALLOW);
  }
  CHECK(run(program, {__NR_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC}) == SECCOMP_RET_ALLOW);
  CHECK(run(program, {__NR_socketpair, AF_UNIX, SOCK_SEQPACKET}) == SECCOMP_RET_ALLOW);
  // From one of these a datagram goes to any address.
  CHECK(run(program, {__NR_socketpair, AF_UNIX, SOCK_DGRAM}) == refused(EACCES));
  CHECK(run(program, {__NR_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK}) == refused(EACCES));
  // The kernel makes the one of the other.
  CHECK(run(program, {__NR_socketpair, AF_UNIX, SOCK_RAW}) == refused(EACCES));
  CHECK(run(program, {__NR_socketpair, AF_UNIX, 0}) == refused(EACCES));
  CHECK(run(program, {nr::kIoUringSetup}) == refused(ENOSYS));
  CHECK(run(program, {__NR_ioctl, 0, kTiocsti}) == refused(EPERM));
  CHECK(run(program, {__NR_connect, 3}) == SECCOMP_RET_ALLOW);
  CHECK(run(program, {__NR_prlimit64, 0}) == SECCOMP_RET_ALLOW);
  CHECK(run(program, {__NR_prlimit64, 4711}) == refused(EPERM));
  Call other{nr::kSocket32, AF_UNIX};
  other.arch = nr::kArch32;
  CHECK(run(program, other) != SECCOMP_RET_ALLOW);
  for (const std::uint32_t number : {nr::kSocketcall32, 360U, 288U, 1U}) {
    other.number = number;
    CHECK(run(program, other) == refused(ENOSYS));
  }
  other.arch = 0x12345678;
  CHECK(run(program, other) == refused(ENOSYS));
  if (nr::kOtherAbi != 0) {
    CHECK(run(program, {__NR_socket | nr::kOtherAbi, AF_UNIX}) == refused(ENOSYS));
  }
}

TEST_CASE("filter: at strict no namespace is made, whichever call is used for it") {
  const auto program = system_call_filter(Level::kStrict);
  constexpr std::uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                    CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS;
  CHECK(run(program, {__NR_clone, kThread}) == SECCOMP_RET_ALLOW);
  CHECK(run(program, {__NR_clone, 17 /* SIGCHLD */}) == SECCOMP_RET_ALLOW);
  CHECK(run(program, {nr::kClone3}) == refused(ENOSYS));  // libraries then use the old one
  for (const std::uint64_t flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID,
                                   CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP}) {
    CHECK(run(program, {__NR_clone, flag | 17}) == refused(EPERM));
    CHECK(run(program, {__NR_unshare, flag}) == refused(EPERM));
  }
  CHECK(run(program, {__NR_unshare, 0x80}) == refused(EPERM));
  CHECK(run(program, {__NR_unshare, CLONE_FILES}) == SECCOMP_RET_ALLOW);
  for (const std::uint32_t number :
       {static_cast<std::uint32_t>(__NR_setns), static_cast<std::uint32_t>(__NR_mount),
        static_cast<std::uint32_t>(__NR_ptrace), static_cast<std::uint32_t>(__NR_process_vm_readv),
        static_cast<std::uint32_t>(__NR_keyctl), static_cast<std::uint32_t>(__NR_bpf),
        nr::kOpenTree, nr::kMountSetattr, nr::kPidfdGetfd}) {
    CHECK(run(program, {number}) != SECCOMP_RET_ALLOW);
    CHECK(run(system_call_filter(Level::kNetwork), {number}) == SECCOMP_RET_ALLOW);
  }
}

TEST_CASE("filter: at strict nothing runs that it does not know") {
  const auto program = system_call_filter(Level::kStrict);
  Call other{1};
  other.arch = nr::kArch32;
  CHECK(run(program, other) == refused(ENOSYS));
  other.arch = 0x12345678;
  CHECK(run(program, other) == refused(ENOSYS));
  CHECK(run(system_call_filter(Level::kStore), other) == SECCOMP_RET_ALLOW);
  if (nr::kOtherAbi != 0) {
    CHECK(run(program, {nr::kOtherAbi | 1}) == refused(ENOSYS));
  }
}
