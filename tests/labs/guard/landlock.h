// Landlock: files outside the scratch folder cannot be written, nor read if they are not listed.
// It needs no rights, and holds where namespaces are refused. Numbers are Linux's own: the headers
// of a system are often older than its kernel.
#pragma once

#include <array>

#include "walls.h"

namespace guard {

struct Ruleset {
  unsigned long long files, network, scoped;
};
struct [[gnu::packed]] PathRule {
  unsigned long long allowed;
  int parent;
};

constexpr unsigned long long execute = 1, write_file = 2, read_file = 4, read_folder = 8,
                             truncate_file = 1 << 14, device_control = 1 << 15;
/// All rights of files that a version of Landlock knows: 13, then one more each.
inline unsigned long long known_rights(long version) {
  unsigned long long rights = (1ull << 13) - 1;
  if (version >= 2) rights |= 1ull << 13;
  if (version >= 3) rights |= truncate_file;
  if (version >= 5) rights |= device_control;
  return rights;
}

inline void allow(int ruleset, const std::string& path, unsigned long long rights) {
  const int parent = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (parent < 0) return;
  struct stat facts {};
  fstat(parent, &facts);
  if (!S_ISDIR(facts.st_mode)) rights &= execute | write_file | read_file | truncate_file;
  const PathRule rule = {rights, parent};
  constexpr long add_rule = 445;
  syscall(add_rule, ruleset, 1, &rule, 0);
  close(parent);
}

inline void enter_landlock(const Plan& plan, Held& held, const std::string& scratch) {
  if (!wanted(plan, held, "landlock")) return;
  constexpr long create = 444, restrict_self = 446;
  const long version = syscall(create, nullptr, 0, 1);
  if (version < 1) {
    held["landlock"] = why();
    return;
  }
  const unsigned long long all = known_rights(version);
  Ruleset rules = {all, version >= 4 ? 3ull : 0, version >= 6 ? 3ull : 0};
  const std::size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
  const int ruleset = static_cast<int>(syscall(create, &rules, size, 0));
  if (ruleset < 0) {
    held["landlock"] = why();
    return;
  }
  constexpr unsigned long long look = read_file | read_folder;
  for (const char* path :
       {"/usr", "/bin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache"})
    allow(ruleset, path, look | execute);
  for (const char* path : {"/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup", "/dev/urandom"})
    allow(ruleset, path, look);
  for (const char* path : {"/dev/null", "/dev/zero"})
    allow(ruleset, path, (look | write_file | truncate_file) & all);
  for (const std::string& path : plan.read) allow(ruleset, path, look);
  allow(ruleset, plan.command[0], look | execute);
  allow(ruleset, scratch, all & ~execute);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);  // without it, Landlock is for root alone
  if (syscall(restrict_self, ruleset, 0) != 0) held["landlock"] = why();
  close(ruleset);
}

}  // namespace guard
