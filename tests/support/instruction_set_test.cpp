#include "support/instruction_set.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/vector_ops.h"
#include "fast/gemm_bf16.h"
#include "support/texts.h"

namespace ramoe {
namespace {

TEST(InstructionSet, IsTheBestUnlessATextAsksForAnother) {
  const std::vector<InstructionSet> here = runnable_instruction_sets();
  ASSERT_FALSE(here.empty());
  EXPECT_EQ(here.back(), every<InstructionSet>().back());  // what every processor has
  EXPECT_EQ(instruction_set_from(nullptr), here.front());
  EXPECT_EQ(instruction_set_from(""), here.front());
  for (const InstructionSet set : here) EXPECT_EQ(instruction_set_from(name_of(set).c_str()), set);
}

TEST(InstructionSet, WhatIsNotHereIsAnErrorThatNamesWhatIs) {
  const std::string last = name_of(every<InstructionSet>().back());
  const std::string unknown = error_of([] { instruction_set_from("sse9"); });
  for (const std::string& part :
       {std::string("RAMOE_ISA = \"sse9\""), std::string("no such"), last})
    expect_contains(unknown, part);
  const std::vector<InstructionSet> here = runnable_instruction_sets();
  for (const InstructionSet set : every<InstructionSet>()) {
    if (std::find(here.begin(), here.end(), set) != here.end()) continue;
    const std::string missing = error_of([&] { instruction_set_from(name_of(set).c_str()); });
    expect_contains(missing, "does not have it");
    expect_contains(missing, last);
  }
}

#if defined(__x86_64__)
TEST(InstructionSet, OperationsAndProductsUseTheOneInForce) {
  for (const InstructionSet set : runnable_instruction_sets()) {
    const InstructionSetScope scope(set);
    EXPECT_EQ(instruction_set(), set);
    // -1 + 0.1 * 10 is 0 if the product is rounded by itself; fused, its rounding error is left.
    const float ten = 10;
    float y = -1;
    axpy(&y, 0.1, &ten, 1);
#ifdef NDEBUG  // what is not optimised is not fused
    EXPECT_EQ(y != 0.0f, set != InstructionSet::baseline) << name_of(set);
#endif
    EXPECT_EQ(gemm_isa(), name_of(set));
    if (set != InstructionSet::avx512) {
      EXPECT_EQ(gemm_bf16_isa(), std::string("fp32"));
    }
  }
}
#endif

}  // namespace
}  // namespace ramoe
