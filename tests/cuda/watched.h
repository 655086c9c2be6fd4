// The fixture of tests that need every access to memory watched (cuda_check_test).
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "cuda/emulation/memory_check.h"
#include "cuda/faulty.h"

namespace ramoe {

class Watched : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(emulation::watching) << "not compiled with -fsanitize=thread";
    copy_in(reinterpret_cast<GpuFloat*>(x_.data()), std::vector<float>(4096, 1).data(), 4096);
  }
  GpuVector<float> x_{4096}, y_{4096};
  GpuVector<int> n_{64};
  float* const x = x_.data();
  float* const y = y_.data();
  int* const n = n_.data();
};

}  // namespace ramoe
