// The operations of chapter 2.3 for float.
#include "ch02_autograd/basic_ops.h"

namespace ramoe {

template <>
void weighted_sum_forward(float* out, const ScalarTerms<float>& terms) {
  double total = 0;
  for (int i = 0; i < terms.count; ++i) total += terms.weight[i] * double(terms.value[i][0]);
  out[0] = static_cast<float>(total);
}

template <>
void weighted_sum_backward(const ScalarTerms<float>& dterms, const float* dout) {
  for (int i = 0; i < dterms.count; ++i)
    if (float* dvalue = dterms.value[i])
      *dvalue = (dterms.fresh[i] ? 0 : *dvalue) + static_cast<float>(dterms.weight[i]) * dout[0];
}

}  // namespace ramoe
