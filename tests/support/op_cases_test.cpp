// Every operation of op_cases.h: its gradient in double against finite differences, the fast
// version against the plain one for every instruction set here, and the same bits for any number of
// threads.
#include "support/op_cases.h"

#include <gtest/gtest.h>

#include "support/compare.h"
#include "support/instruction_set.h"
#include "support/parallel.h"

namespace ramoe {

namespace {

class OpCases : public testing::TestWithParam<OpCase> {};

std::vector<OpSize> all_sizes(const OpCase& op) {
  std::vector<OpSize> sizes = op.sizes;
  sizes.insert(sizes.end(), op.large_sizes.begin(), op.large_sizes.end());
  return sizes;
}

TEST_P(OpCases, GradientAgreesWithDifferences) {
  for (const OpSize& at : GetParam().sizes)
    EXPECT_EQ(op_gradient_error(GetParam(), at), "") << text_of(at);
}

TEST_P(OpCases, FastAgreesWithPlain) {
  const OpCase& op = GetParam();
  ASSERT_GT(op.tolerance, 0) << "within() says how far float may be off";
  ThreadPool pool(3);
  const PoolScope scope(pool);
  for (const OpSize& at : all_sizes(op)) {
    const OpResult<double> plain = run_op<double>(op, at);
    for (const InstructionSet set : runnable_instruction_sets()) {
      const InstructionSetScope set_scope(set);
      const OpResult<float> fast = run_op<float>(op, at);
      ASSERT_EQ(fast.size(), plain.size());
      for (std::size_t i = 0; i < plain.size(); ++i)
        EXPECT_EQ(difference(fast[i], plain[i], op.tolerance, op.tolerance), "")
            << name_of(set) << ", " << text_of(at)
            << (i == 0 ? ": the output" : cat(": gradient ", i - 1)) << "\n"
            << op.reason;
    }
  }
}

TEST_P(OpCases, SameBitsForAnyThreads) {
  for (const OpSize& at : all_sizes(GetParam())) {
    const OpResult<float> alone = run_op<float>(GetParam(), at);
    ThreadPool pool(3);
    const PoolScope scope(pool);
    EXPECT_EQ(run_op<float>(GetParam(), at), alone) << text_of(at);
  }
}

INSTANTIATE_TEST_SUITE_P(All, OpCases, testing::ValuesIn(op_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ramoe
