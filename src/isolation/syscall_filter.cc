#include "isolation/syscall_filter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <initializer_list>

#include "isolation/obstacles.h"
#include "isolation/syscall_table.h"

namespace av::isolation {
namespace {

constexpr std::uint32_t kTiocsti = 0x5412;
constexpr std::uint32_t kTioclinux = 0x541C;
constexpr std::uint32_t kNetlinkRoute = 0;
// Every CLONE_NEW* but CLONE_NEWTIME, whose bit is one of clone()'s signal.
constexpr std::uint32_t kNewNamespace = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                        CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr std::uint32_t kNewTime = 0x80;

constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t refuse(int error_number) {
  return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error_number);
}

constexpr sock_filter statement(std::uint16_t code, std::uint32_t value) {
  return {code, 0, 0, value};
}
constexpr sock_filter answer(std::uint32_t action) {
  return statement(BPF_RET | BPF_K, action);
}

// Rules one after the other. Each jumps over its own answer only, so no jump is longer than eight
// bits can say, however many rules there are.
class Program {
 public:
  void load_number() { load(offsetof(seccomp_data, nr)); }
  void load_arch() { load(offsetof(seccomp_data, arch)); }
  void mask(std::uint32_t bits) { add(statement(BPF_ALU | BPF_AND | BPF_K, bits)); }
  void answer_all(std::uint32_t action) { add(answer(action)); }

  void when(std::uint32_t number, std::uint32_t action) {
    add({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number});
    add(answer(action));
  }
  void when_any(std::initializer_list<std::uint32_t> numbers, std::uint32_t action) {
    for (const std::uint32_t number : numbers) {
      when(number, action);
    }
  }
  void when_bits(std::uint32_t bits, std::uint32_t action) {
    add({BPF_JMP | BPF_JSET | BPF_K, 0, 1, bits});
    add(answer(action));
  }
  // What `rules` add holds for this call alone; `else_action` ends them.
  template <typename Rules>
  void in(std::uint32_t number, unsigned argument, std::uint32_t else_action, Rules rules) {
    const std::size_t jump = code_.size();
    add({BPF_JMP | BPF_JEQ | BPF_K, 0, 0, number});
    load_argument(argument);
    rules();
    add(answer(else_action));
    code_[jump].jf = static_cast<std::uint8_t>(code_.size() - jump - 1);
  }
  // The kernel looks at the low half alone of the arguments that we ask for.
  void load_argument(unsigned index) {
    constexpr std::size_t kLow = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4;
    load(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t) + kLow);
  }
  // Goes on after the block when the loaded word is another.
  template <typename Rules>
  void block(std::uint32_t value, Rules rules) {
    const std::size_t jump = code_.size();
    add({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, value});
    add(statement(BPF_JMP | BPF_JA, 0));
    rules();
    code_[jump + 1].k = static_cast<std::uint32_t>(code_.size() - jump - 2);
  }
  std::vector<sock_filter> take() { return std::move(code_); }

 private:
  void load(std::size_t offset) {
    add(statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
  }
  void add(sock_filter instruction) { code_.push_back(instruction); }
  std::vector<sock_filter> code_;
};

// Whether programs for another system call table than this one's run at all.
constexpr bool is_closed_to_others(Level level) {
  return level >= Level::kStrict || level == Level::kLandlock;
}

void no_typing(Program& program, std::uint32_t ioctl_number) {
  program.in(ioctl_number, 1, kAllow, [&] {
    program.when_any({kTiocsti, kTioclinux}, refuse(EPERM));
  });
}

void only_known_families(Program& program, Level level) {
  program.in(__NR_socket, 0, refuse(EAFNOSUPPORT), [&] {
    program.when_any({AF_UNIX, AF_INET, AF_INET6}, kAllow);
    if (level < Level::kStrict) {
      program.when(AF_NETLINK, kAllow);
      return;
    }
    program.block(AF_NETLINK, [&] {
      program.load_argument(2);
      program.when(kNetlinkRoute, kAllow);  // getifaddrs(3) and its kin
      program.answer_all(refuse(EPERM));
    });
  });
}

void no_other_processes(Program& program) {
  program.when_any({__NR_ptrace, __NR_process_vm_readv, __NR_process_vm_writev, __NR_kcmp,
                    nr::kPidfdGetfd, nr::kProcessMadvise},
                   refuse(EPERM));
}

// Of all the processes of the user, which are in sight here, the broker too: its limits could be
// set so that it fails.
void no_limits_of_others(Program& program) {
  program.in(__NR_prlimit64, 0, refuse(EPERM), [&] { program.when(0, kAllow); });
}

// Unix sockets that lead to other programs: where nothing can be laid over their places, none is to
// be had. Pairs that are connected for good lead nowhere, and are; from others (datagrams, and
// "raw" ones, which are the same) something can be sent to any address.
void no_unix_sockets(Program& program) {
  constexpr std::uint32_t kTypeBits = 0xF;  // without SOCK_CLOEXEC and SOCK_NONBLOCK
  program.in(__NR_socket, 0, kAllow, [&] { program.when(AF_UNIX, refuse(EACCES)); });
  program.in(__NR_socketpair, 1, refuse(EACCES), [&] {
    program.mask(kTypeBits);
    program.when_any({SOCK_STREAM, SOCK_SEQPACKET}, kAllow);
  });
}

// Its operations are no system calls, and make and connect sockets of any family.
void no_io_uring(Program& program) {
  program.when_any({nr::kIoUringSetup, nr::kIoUringEnter, nr::kIoUringRegister}, refuse(ENOSYS));
}

// The new mount calls are missing rather than forbidden: programs try the old ones then.
void no_namespaces(Program& program) {
  program.in(__NR_clone, 0, kAllow, [&] { program.when_bits(kNewNamespace, refuse(EPERM)); });
  program.in(__NR_unshare, 0, kAllow,
             [&] { program.when_bits(kNewNamespace | kNewTime, refuse(EPERM)); });
  program.when(nr::kClone3, refuse(ENOSYS));  // its flags are in memory, where no filter looks
  program.when_any({__NR_setns, __NR_mount, __NR_umount2, __NR_pivot_root, __NR_chroot},
                   refuse(EPERM));
  program.when_any({nr::kOpenTree, nr::kMoveMount, nr::kFsopen, nr::kFsconfig, nr::kFsmount,
                    nr::kFspick, nr::kMountSetattr, nr::kOpenTreeAttr},
                   refuse(ENOSYS));
}

void no_deep_kernel(Program& program) {
  program.when_any({__NR_add_key, __NR_request_key, __NR_keyctl}, refuse(EPERM));
  program.when_any({__NR_bpf,
                    __NR_perf_event_open,
                    __NR_userfaultfd,
                    __NR_fanotify_init,
                    __NR_name_to_handle_at,
                    __NR_open_by_handle_at,
                    __NR_syslog,
                    __NR_acct,
                    __NR_quotactl,
                    nr::kQuotactlFd,
                    __NR_swapon,
                    __NR_swapoff,
                    __NR_reboot,
                    __NR_kexec_load,
                    __NR_init_module,
                    __NR_finit_module,
                    __NR_delete_module,
                    __NR_settimeofday,
                    __NR_clock_settime,
                    __NR_sethostname,
                    __NR_setdomainname,
                    __NR_vhangup,
                    __NR_move_pages,
                    __NR_migrate_pages},
                   refuse(EPERM));
#if defined(__x86_64__)
  program.when_any({__NR_iopl, __NR_ioperm, __NR_modify_ldt, __NR_kexec_file_load}, refuse(EPERM));
#endif
}

void native_rules(Program& program, Level level) {
  program.load_number();
  if (nr::kOtherAbi != 0 && is_closed_to_others(level)) {
    program.when_bits(nr::kOtherAbi, refuse(ENOSYS));
  } else if (nr::kOtherAbi != 0) {
    program.mask(~nr::kOtherAbi);
  }
  no_typing(program, __NR_ioctl);
  if (nr::kOtherIoctl != __NR_ioctl) {
    no_typing(program, nr::kOtherIoctl);
  }
  if (level == Level::kLandlock) {
    no_unix_sockets(program);
    no_limits_of_others(program);
  }
  if (has_network(level)) {
    only_known_families(program, level);
  }
  if (has_network(level) || level == Level::kLandlock) {
    no_io_uring(program);
  }
  if (level >= Level::kStrict) {
    no_other_processes(program);
    no_namespaces(program);
    no_deep_kernel(program);
  }
  program.answer_all(kAllow);
}

// 32-bit programs keep their terminals at `store`. Above it they have no sockets, whose family they
// name in memory; at `strict` and `landlock` nothing of theirs runs.
void rules_for_32_bit(Program& program, Level level) {
  program.load_number();
  no_typing(program, nr::kIoctl32);
  if (has_network(level)) {
    program.when_any({nr::kSocket32, nr::kSocketcall32}, refuse(EAFNOSUPPORT));
    no_io_uring(program);
  }
  program.answer_all(is_closed_to_others(level) ? refuse(ENOSYS) : kAllow);
}

}  // namespace

std::vector<sock_filter> system_call_filter(Level level) {
  Program program;
  program.load_arch();
  program.block(nr::kArch, [&] { native_rules(program, level); });
  program.block(nr::kArch32, [&] { rules_for_32_bit(program, level); });
  // What the kernel runs besides, nobody has looked at.
  program.answer_all(is_closed_to_others(level) ? refuse(ENOSYS) : kAllow);
  return program.take();
}

Step filter_system_calls(Level level) {
  std::vector<sock_filter> filter = system_call_filter(level);
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  // The flag spares the command a mitigation that older kernels tie to filters and that costs much;
  // this filter keeps nothing from the command that speculation could leak.
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) !=
          0 &&
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    return failed(std::string(kStepFilter));
  }
  return std::nullopt;
}

}  // namespace av::isolation
