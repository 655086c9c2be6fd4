// Every operation of op_cases.h on the GPU, or emulated: against the definition in double, and
// with the same bits whoever comes first.
#define RAMOE_GPU_CASES
#include "support/op_cases.h"

#include <gtest/gtest.h>

#include "cuda/orders.h"
#include "support/compare.h"

namespace ramoe {

namespace {

class GpuOpCases : public testing::TestWithParam<OpCase> {};

/// Emulated, the large sizes take too long, unless there are no others.
std::vector<OpSize> sizes_of(const OpCase& op) {
  std::vector<OpSize> sizes = op.sizes;
#ifdef RAMOE_CUDA_EMULATION
  if (!sizes.empty()) return sizes;
#endif
  sizes.insert(sizes.end(), op.large_sizes.begin(), op.large_sizes.end());
  return sizes;
}

TEST_P(GpuOpCases, AgreesWithPlain) {
  const OpCase& op = GetParam();
  for (const OpSize& at : sizes_of(op)) {
    const OpResult<double> plain = run_op<double>(op, at);
    const OpResult<GpuFloat> gpu = run_op<GpuFloat>(op, at);
    ASSERT_EQ(gpu.size(), plain.size());
    // A thread may add a long sum one value after the other, where a processor's vectors have eight
    // partial sums: twice the rounding.
    for (std::size_t i = 0; i < plain.size(); ++i)
      EXPECT_EQ(difference(gpu[i], plain[i], 2 * op.tolerance, 2 * op.tolerance), "")
          << text_of(at) << (i == 0 ? ": the output" : cat(": gradient ", i - 1)) << "\n"
          << op.reason;
  }
}

TEST_P(GpuOpCases, SameBitsInAnyOrder) {
  const OpSize at = sizes_of(GetParam()).back();
  const OpResult<GpuFloat> once = run_op<GpuFloat>(GetParam(), at);
  in_each_order([&] { EXPECT_EQ(run_op<GpuFloat>(GetParam(), at), once) << text_of(at); });
}

INSTANTIATE_TEST_SUITE_P(All, GpuOpCases, testing::ValuesIn(op_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ramoe
