// Chapter 2.3 on the GPU - weighted sums of scalars: one thread
#include "ch02_autograd/basic_ops.h"

#include "cuda/support/launch.h"

namespace ramoe {
namespace {

__global__ void weighted_sum_kernel(float* out, ScalarTerms<float> terms) {
  wait_for_earlier_kernels();
  double sum = 0;
  for (int i = 0; i < terms.count; ++i) sum += terms.weight[i] * double(terms.value[i][0]);
  out[0] = float(sum);
}

__global__ void weighted_sum_backward_kernel(ScalarTerms<float> dterms, const float* dout) {
  wait_for_earlier_kernels();
  for (int i = 0; i < dterms.count; ++i)
    if (float* dvalue = dterms.value[i])
      *dvalue = (dterms.fresh[i] ? 0 : *dvalue) + float(dterms.weight[i]) * dout[0];
}

__global__ void gather_scalars_kernel(float* out, ScalarTerms<float> terms) {
  wait_for_earlier_kernels();
  for (int i = 0; i < terms.count; ++i) out[i] = terms.value[i] ? terms.value[i][0] : 0;
}

ScalarTerms<float> raw(const ScalarTerms<GpuFloat>& terms) {
  ScalarTerms<float> out;
  out.count = terms.count;
  for (int i = 0; i < terms.count; ++i) {
    out.value[i] = cuda::raw(terms.value[i]);
    out.weight[i] = terms.weight[i];
    out.fresh[i] = terms.fresh[i];
  }
  return out;
}

}  // namespace

template <>
void weighted_sum_forward(GpuFloat* out, const ScalarTerms<GpuFloat>& terms) {
  cuda::launch<weighted_sum_kernel>({1, 1}, out, raw(terms));
}

template <>
void weighted_sum_backward(const ScalarTerms<GpuFloat>& dterms, const GpuFloat* dout) {
  cuda::launch<weighted_sum_backward_kernel>({1, 1}, raw(dterms), dout);
}

template <>
void gather_scalars(GpuFloat* out, const ScalarTerms<GpuFloat>& terms) {
  cuda::launch<gather_scalars_kernel>({1, 1}, out, raw(terms));
}

}  // namespace ramoe
