#include "support/text.h"

#include <gtest/gtest.h>

#include <limits>

namespace ramoe {
namespace {

TEST(Text, Numbers) {
  EXPECT_EQ(short_number(1.5), "1.5");
  EXPECT_EQ(short_number(100, 0), "100");
  EXPECT_EQ(short_number(-0.001), "0");
  EXPECT_EQ(short_number(-12.3456, 2), "-12.35");
  EXPECT_EQ(fixed_number(2, 2), "2.00");
  EXPECT_EQ(signed_number(0.5, 1), "+0.5");
  EXPECT_EQ(signed_number(-0.5, 1), "-0.5");
  EXPECT_EQ(signed_number(0.04, 1), "0.0");
  constexpr double inf = std::numeric_limits<double>::infinity();
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), inf, -inf})
    for (const auto text : {fixed_number, short_number, signed_number})
      EXPECT_EQ(text(bad, 2), "n/a");
}

}  // namespace
}  // namespace ramoe
