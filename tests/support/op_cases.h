// All operations, one entry each: op_case.h says how one is written, op_cases_test.cpp reads them.
#pragma once

#include "support/op_cases_ch01.h"
#include "support/op_cases_ch03.h"
#include "support/op_cases_ch04.h"
#include "support/op_cases_ch10.h"

namespace ramoe {

inline const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> all = [] {
    std::vector<OpCase> cases;
    for (const auto& chapter : {op_cases_ch01, op_cases_ch03, op_cases_ch04, op_cases_ch10})
      for (OpCase& op : chapter()) cases.push_back(std::move(op));
    return cases;
  }();
  return all;
}

}  // namespace ramoe
