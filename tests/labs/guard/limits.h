// Limits of resources, and no rights: another user where we are root, no capability.
#pragma once

#include <grp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>

#include "walls.h"

namespace guard {

constexpr unsigned nobody = 65534;

inline void limit(int what, rlim_t least) {
  rlimit now{};
  getrlimit(static_cast<__rlimit_resource>(what), &now);
  if (now.rlim_max != RLIM_INFINITY && now.rlim_max < least) least = now.rlim_max;
  const rlimit wanted = {least, least};
  setrlimit(static_cast<__rlimit_resource>(what), &wanted);
}

/// Whether user 65534 could start the program and read the files: tried in a process of its own.
inline bool nobody_can_read(const Plan& plan) {
  const pid_t child = fork();
  if (child == 0) {
    bool can = setgroups(0, nullptr) == 0 && setresgid(nobody, nobody, nobody) == 0 &&
               setresuid(nobody, nobody, nobody) == 0 && access(plan.command[0].c_str(), X_OK) == 0;
    for (const std::string& path : plan.read) can = can && access(path.c_str(), R_OK) == 0;
    _exit(can ? 0 : 1);
  }
  int status = 1;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/// As root: the process becomes nobody; its scratch folder becomes nobody's.
inline void give_up_rights(const Plan& plan, Held& held, bool in_view) {
  if (!wanted(plan, held, "no rights")) return;
  if (geteuid() == 0) {
    if (nobody_can_read(plan)) {
      if (!in_view && chown(plan.scratch.c_str(), nobody, nobody) != 0)
        held["no rights"] = "the scratch folder stays root's: " + why();
      if (setgroups(0, nullptr) != 0 || setresgid(nobody, nobody, nobody) != 0 ||
          setresuid(nobody, nobody, nobody) != 0)
        held["no rights"] = why();
    } else {
      held["no rights"] = "root without capabilities: nobody (65534) cannot read the program";
      for (int capability = 0; capability < 64; ++capability)
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
      prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
    }
  }
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

inline void limit_resources(const Plan& plan, Held& held) {
  if (wanted(plan, held, "memory limit")) {
    if (!plan.reserves)
      limit(RLIMIT_AS, static_cast<rlim_t>(plan.memory_mib) << 20);
    else
      held["memory limit"] = "the program reserves addresses: its memory is watched";
  }
  if (wanted(plan, held, "processor limit"))
    limit(RLIMIT_CPU, static_cast<rlim_t>(std::ceil(plan.seconds)) + 1);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, 128);
  if (wanted(plan, held, "file size limit")) limit(RLIMIT_FSIZE, 64 << 20);
  // The limit counts a user's processes: of the namespace, only ours; of nobody, later.
  if (wanted(plan, held, "process limit")) {
    const auto space = held.find("user namespace");
    if (geteuid() != 0 && space != held.end() && space->second == "on")
      limit(RLIMIT_NPROC, 64);
    else
      held["process limit"] = "this user has other processes, or is root";
  }
}

}  // namespace guard
