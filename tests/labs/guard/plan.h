// What a guarded process may do, and which guards hold on this machine.
//
// A guard that the system refuses is no error: the others stand, and the grade says which held.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace guard {

struct Plan {
  double seconds = 10;            // of the wall clock; the processor's time is limited too
  long memory_mib = 2048;         // address space of a process, and memory of all together
  bool reserves = false;          // addresses without memory, as the emulation does: watched alone
  std::string scratch;            // the only folder that may be written
  std::vector<std::string> read;  // what may be read besides the system's libraries
  std::set<std::string> without;  // guards that are switched off, to try the others alone
  int report = 3, facts = 4;      // descriptors
  std::vector<std::string> command;
};

/// Guard -> "on", "off" (switched off), or why the system refused it.
using Held = std::map<std::string, std::string>;

/// Whether the plan wants a guard; the answer is kept.
inline bool wanted(const Plan& plan, Held& held, const std::string& name) {
  const bool off = plan.without.contains(name);
  held[name] = off ? "off" : "on";
  return !off;
}

}  // namespace guard
