// Namespaces: a process tree, a network and a view of the files of its own.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "plan.h"

namespace guard {

namespace fs = std::filesystem;

inline std::string why() {
  return std::strerror(errno);
}

inline bool write_text(const std::string& file, const std::string& text) {
  std::ofstream out(file);
  out << text;
  out.flush();
  return out.good();
}

/// Gives up being root of the machine for a user namespace, where that is needed for the others. As
/// a user that is not 0 inside, exec drops all capabilities.
inline void enter_user_namespace(Held& held) {
  const auto uid = std::to_string(geteuid()), gid = std::to_string(getegid());
  if (unshare(CLONE_NEWUSER) != 0) {
    held["user namespace"] = why();
    return;
  }
  write_text("/proc/self/setgroups", "deny");
  const bool mapped = write_text("/proc/self/uid_map", "1000 " + uid + " 1") &&
                      write_text("/proc/self/gid_map", "1000 " + gid + " 1");
  held["user namespace"] = mapped ? "on" : "not mapped: " + why();
}

/// Before the fork whose child is the first process of the new tree.
inline void enter_namespaces(const Plan& plan, Held& held) {
  // Root of the machine needs no user namespace, unless it is the reduced root of a container.
  const bool root = geteuid() == 0;
  bool tried_user = false;
  const auto enter = [&](const std::string& name, int flag) {
    if (!wanted(plan, held, name)) return;
    if (!root && !tried_user) {
      enter_user_namespace(held);
      tried_user = true;
    }
    if (unshare(flag) == 0) return;
    if (root && !tried_user) {
      enter_user_namespace(held);
      tried_user = true;
      if (unshare(flag) == 0) return;
    }
    held[name] = why();
  };
  enter("process tree", CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS);
  enter("no network", CLONE_NEWNET);
  enter("view of files", CLONE_NEWNS);
}

/// A mount and all below it become unwritable.
inline bool make_read_only(const std::string& at) {
  struct {
    unsigned long long set, clear, propagation, user;
  } attributes = {1 /* MOUNT_ATTR_RDONLY */, 0, 0, 0};
  constexpr long mount_setattr_call = 442;
  if (syscall(mount_setattr_call, AT_FDCWD, at.c_str(), 0x8000 /* AT_RECURSIVE */, &attributes,
              sizeof attributes) == 0)
    return true;
  return mount(nullptr, at.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0;
}

/// Shows a file or folder of the machine below `root`, under the same path.
inline bool show(const std::string& root, const std::string& path, bool writable = false) {
  std::error_code ignored;
  const fs::path target = root + path;
  if (!fs::exists(fs::symlink_status(path, ignored))) return true;  // not on this machine
  fs::create_directories(target.parent_path(), ignored);
  if (fs::is_symlink(path, ignored)) {
    fs::copy_symlink(path, target, ignored);
    return true;
  }
  if (fs::is_directory(path, ignored))
    fs::create_directories(target, ignored);
  else if (!fs::exists(target, ignored))
    write_text(target.string(), "");
  if (mount(path.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) return false;
  return writable || make_read_only(target.string());
}

inline bool build_view(const Plan& plan, const std::string& root) {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  mkdir(root.c_str(), 0755);
  if (mount("tmpfs", root.c_str(), "tmpfs", MS_NOSUID, "size=4m,mode=755") != 0) return false;
  for (const char* path : {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store",
                           "/etc/ld.so.cache", "/etc/alternatives", "/sys/devices/system/cpu"})
    if (!show(root, path)) return false;
  for (const char* path : {"/dev/null", "/dev/zero", "/dev/urandom"})
    if (!show(root, path, true)) return false;
  mkdir((root + "/tmp").c_str(), 01777);
  // Before what is read: that may lie below /tmp.
  if (mount("tmpfs", (root + "/tmp").c_str(), "tmpfs", MS_NOSUID | MS_NODEV,
            "size=64m,mode=1777") != 0)
    return false;
  for (const std::string& path : plan.read)
    if (!show(root, path)) return false;
  if (!show(root, plan.command[0])) return false;
  // Inside a container /proc is often refused; little is lost without.
  mkdir((root + "/proc").c_str(), 0555);
  mount("proc", (root + "/proc").c_str(), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  return true;
}

/// Afterwards only the system's libraries, what is read, the program and an empty /tmp exist.
inline bool enter_view(const Plan& plan, Held& held) {
  if (held["view of files"] != "on") return false;
  const std::string root = plan.scratch + "/.view";
  const bool built = build_view(plan, root);
  if (built && chdir(root.c_str()) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
      umount2(".", MNT_DETACH) == 0 && chdir("/tmp") == 0) {
    make_read_only("/dev");
    mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr);
    return true;
  }
  held["view of files"] = why();
  return false;
}

}  // namespace guard
