// Chapter 2.3 - the operations that chapter 2 adds: the definitions
#include "ch02_autograd/basic_ops.h"

namespace ramoe {

template <>
void weighted_sum_forward(double* out, const ScalarTerms<double>& terms) {
  out[0] = 0;
  for (int i = 0; i < terms.count; ++i) out[0] += terms.weight[i] * terms.value[i][0];
}

template <>
void weighted_sum_backward(const ScalarTerms<double>& dterms, const double* dout) {
  // out = sum_i weight[i] value[i]
  for (int i = 0; i < dterms.count; ++i)
    if (double* dvalue = dterms.value[i])
      *dvalue = (dterms.fresh[i] ? 0 : *dvalue) + dterms.weight[i] * dout[0];
}

}  // namespace ramoe
