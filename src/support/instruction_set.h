// Support - which instructions of the processor the fast kernels use, chosen at run time
//
// The best that the processor has, or what RAMOE_ISA in the environment asks for, such as
// RAMOE_ISA=avx2: so one machine tests, and times, the kernels of another.
// Tests: tests/support/instruction_set_test.cpp
#pragma once

#include <array>
#include <atomic>
#include <vector>

#include "support/choices.h"

namespace ramoe {

/// The sets that kernels are compiled for, the best first.
#if defined(__x86_64__)
enum class InstructionSet { avx512, avx2, baseline };  // x86-64-v4, x86-64-v3, x86-64
constexpr auto names(InstructionSet) {
  return std::array{"avx512", "avx2", "baseline"};
}
#elif defined(__aarch64__)
enum class InstructionSet { neon };
constexpr auto names(InstructionSet) {
  return std::array{"neon"};
}
#else
enum class InstructionSet { baseline };
constexpr auto names(InstructionSet) {
  return std::array{"baseline"};
}
#endif

/// Those that this processor has, the best first.
std::vector<InstructionSet> runnable_instruction_sets();

/// The set that a text asks for; without a text the best. Error: no such set, or not here.
InstructionSet instruction_set_from(const char* text);

namespace detail {
inline std::atomic<int> chosen_set{-1};  // before the first use
InstructionSet choose_instruction_set();
}  // namespace detail

/// The set in use: RAMOE_ISA when it is first asked for. Error: as above.
inline InstructionSet instruction_set() {
  const int chosen = detail::chosen_set.load(std::memory_order_relaxed);
  return chosen >= 0 ? InstructionSet(chosen) : detail::choose_instruction_set();
}

/// Another set for a while, for tests: no operation may be running when it begins or ends.
class InstructionSetScope {
 public:
  explicit InstructionSetScope(InstructionSet set) : before_(instruction_set()) {
    detail::chosen_set = int(set);
  }
  ~InstructionSetScope() { detail::chosen_set = int(before_); }
  InstructionSetScope(const InstructionSetScope&) = delete;
  InstructionSetScope& operator=(const InstructionSetScope&) = delete;

 private:
  InstructionSet before_;
};

}  // namespace ramoe
