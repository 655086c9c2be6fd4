#include "support/instruction_set.h"

#include <algorithm>
#include <cstdlib>

#include "support/error.h"

namespace ramoe {
namespace {

bool runs_here([[maybe_unused]] InstructionSet set) {
#if defined(__x86_64__)
  // By the features that every compiler knows to ask for; a processor that has these has the rest
  // of its level too.
  if (set == InstructionSet::baseline) return true;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (set == InstructionSet::avx2) return avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
#else
  return true;
#endif
}

}  // namespace

std::vector<InstructionSet> runnable_instruction_sets() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set : every<InstructionSet>())
    if (runs_here(set)) sets.push_back(set);
  return sets;
}

InstructionSet instruction_set_from(const char* text) {
  const std::vector<InstructionSet> sets = runnable_instruction_sets();
  if (text == nullptr || *text == '\0') return sets.front();
  std::string here;
  for (const InstructionSet set : sets) {
    if (name_of(set) == text) return set;
    here += (here.empty() ? "" : ", ") + name_of(set);
  }
  const std::vector<std::string> all = names_of<InstructionSet>();
  const bool known = contains(all, text);
  fail("RAMOE_ISA = \"", text, "\" in the environment: ",
       known ? "this processor does not have it" : "there is no such instruction set",
       "; here it may be: ", here, ".");
}

InstructionSet detail::choose_instruction_set() {
  const InstructionSet set = instruction_set_from(std::getenv("RAMOE_ISA"));
  chosen_set = int(set);
  return set;
}

}  // namespace ramoe
