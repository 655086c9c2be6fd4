// seccomp: system calls that no lab needs are refused with EPERM.
#pragma once

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <vector>

namespace guard {

#if defined(__x86_64__)
constexpr unsigned this_machine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned this_machine = AUDIT_ARCH_AARCH64;
#else
constexpr unsigned this_machine = 0;  // the filter is not known for others
#endif

inline sock_filter statement(int code, unsigned value) {
  return {static_cast<unsigned short>(code), 0, 0, value};
}
inline sock_filter jump(int code, unsigned value, int yes, int no) {
  return {static_cast<unsigned short>(code), static_cast<unsigned char>(yes),
          static_cast<unsigned char>(no), value};
}
constexpr unsigned refuse = SECCOMP_RET_ERRNO | EPERM;

inline void refuse_call(std::vector<sock_filter>& program, long number) {
  program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
  program.push_back(statement(BPF_RET | BPF_K, refuse));
}

/// Refused unless the low half of the argument, under the mask, is the value.
inline void refuse_unless(std::vector<sock_filter>& program, long number, int argument,
                          unsigned mask, unsigned value) {
  const unsigned at = static_cast<unsigned>(offsetof(seccomp_data, args) +
                                            sizeof(long long) * static_cast<unsigned>(argument));
  program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 5));
  program.push_back(statement(BPF_LD | BPF_W | BPF_ABS, at));
  program.push_back(statement(BPF_ALU | BPF_AND | BPF_K, mask));
  program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  program.push_back(statement(BPF_RET | BPF_K, refuse));
}

inline std::vector<sock_filter> filter_start() {
  std::vector<sock_filter> program = {
      statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      jump(BPF_JMP | BPF_JEQ | BPF_K, this_machine, 1, 0),
      statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
#if defined(__x86_64__)  // the numbers of x32
  program.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1));
  program.push_back(statement(BPF_RET | BPF_K, refuse));
#endif
  return program;
}

/// False, with errno, where the system has no seccomp.
inline bool install(std::vector<sock_filter> program) {
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog all = {static_cast<unsigned short>(program.size()), program.data()};
  if (this_machine == 0) {
    errno = ENOSYS;
    return false;
  }
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all, 0, 0) == 0;
}

/// No network, no new process (threads are allowed), no signal to others, nothing of the system's.
/// exec stays allowed here: it starts the program, whose first act is to refuse it as well.
inline bool refuse_system_calls() {
  auto program = filter_start();
  for (const long number : {SYS_socket,
                            SYS_socketpair,
                            SYS_connect,
                            SYS_bind,
                            SYS_listen,
                            SYS_accept,
                            SYS_accept4,
                            SYS_sendto,
                            SYS_sendmsg,
                            SYS_ptrace,
                            SYS_process_vm_readv,
                            SYS_process_vm_writev,
                            SYS_kill,
                            SYS_tkill,
                            SYS_rt_sigqueueinfo,
                            SYS_rt_tgsigqueueinfo,
                            SYS_pidfd_send_signal,
                            SYS_pidfd_open,
                            SYS_setsid,
                            SYS_setpgid,
                            SYS_mount,
                            SYS_umount2,
                            SYS_pivot_root,
                            SYS_chroot,
                            SYS_unshare,
                            SYS_setns,
                            SYS_bpf,
                            SYS_perf_event_open,
                            SYS_keyctl,
                            SYS_add_key,
                            SYS_request_key,
                            SYS_io_uring_setup,
                            SYS_userfaultfd,
                            SYS_reboot,
                            SYS_swapon,
                            SYS_swapoff,
                            SYS_init_module,
                            SYS_finit_module,
                            SYS_delete_module,
                            SYS_kexec_load,
                            SYS_sethostname,
                            SYS_setdomainname,
                            SYS_mknodat,
                            SYS_name_to_handle_at,
                            SYS_open_by_handle_at,
                            SYS_shmget,
                            SYS_msgget,
                            SYS_semget,
                            SYS_memfd_create,
                            SYS_personality,
                            SYS_settimeofday,
                            SYS_clock_settime,
                            SYS_quotactl,
                            SYS_acct})
    refuse_call(program, number);
#if defined(__x86_64__)
  for (const long number : {SYS_fork, SYS_vfork, SYS_mknod}) refuse_call(program, number);
#endif
  // glibc falls back to clone, whose flags can be looked at.
  program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, 435 /* clone3 */, 0, 1));
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
  refuse_unless(program, SYS_clone, 0, CLONE_THREAD, CLONE_THREAD);
  refuse_unless(program, SYS_tgkill, 0, ~0u, static_cast<unsigned>(getpid()));  // abort()
  refuse_unless(program, SYS_prlimit64, 0, ~0u, 0);
  return install(std::move(program));
}

/// The second step, by the program itself.
inline bool refuse_exec() {
  auto program = filter_start();
  for (const long number : {SYS_execve, SYS_execveat}) refuse_call(program, number);
  return install(std::move(program));
}

}  // namespace guard
