// Our products beside cuBLAS, at 4096^3 and at the model's sizes: fp32 beside cublasSgemm,
// tf32 and bf16 beside cublasGemmEx with fp32 sums. cuBLAS gets its matrices in bf16; our rungs in
// bf16 get fp32 and their time holds the rounding, whose own time is the row "packing". What cuBLAS
// takes for such inputs, both rounded in one launch before, is the row "rounding, cuBLAS".
#include <cublas_v2.h>

#include <array>
#include <random>

#include "bench/cuda_bench.h"
#include "cuda/ch01_tensor/gemm_grouped.h"
#include "cuda/ch01_tensor/gemm_ladder.h"
#include "cuda/ch01_tensor/gemm_packed.cuh"
#include "cuda/ch01_tensor/gemm_packed.h"
#include "cuda/support/mma.cuh"

namespace ramoe::bench {
namespace {

using cuda::raw;

struct Shape {
  const char* name;
  GemmForm form;
  int M, N, K;
};
constexpr Shape shapes[] = {
    {"square", GemmForm::NN, 4096, 4096, 4096},    {"square NT", GemmForm::NT, 4096, 4096, 4096},
    {"square TN", GemmForm::TN, 4096, 4096, 4096}, {"qkv", GemmForm::NN, 2048, 384, 128},
    {"projection", GemmForm::NN, 2048, 128, 128},  {"d input", GemmForm::NT, 2048, 128, 384},
    {"d weight", GemmForm::TN, 128, 384, 2048},    {"d weight long", GemmForm::TN, 128, 384, 16384},
};

void must_blas(cublasStatus_t status) {
  check(status == CUBLAS_STATUS_SUCCESS, "cuBLAS: ", cublasGetStatusString(status));
}

std::vector<float> random_values(std::size_t n) {
  std::mt19937 random(std::random_device{}());
  std::vector<float> values(n);
  for (float& v : values) v = float(random() >> 8) * 0x1p-23f - 1.0f;
  return values;
}

/// Four values a thread, first those of the one matrix, then those of the other; n and m are
/// multiples of 4.
__global__ void round_kernel(__nv_bfloat16* to, const float* from, std::size_t n,
                             __nv_bfloat16* to_2, const float* from_2, std::size_t m) {
  wait_for_earlier_kernels();
  std::size_t i = 4 * (std::size_t(blockIdx.x) * blockDim.x + threadIdx.x);
  if (i >= n) i -= n, n = m, to = to_2, from = from_2;
  if (i >= n) return;
  const float4 x = *reinterpret_cast<const float4*>(from + i);
  *reinterpret_cast<uint2*>(to + i) =
      make_uint2(cuda::pack_bf16(x.x, x.y), cuda::pack_bf16(x.z, x.w));
}
void round_both(Gpu<__nv_bfloat16>* to, const GpuFloat* from, std::size_t n,
                Gpu<__nv_bfloat16>* to_2, const GpuFloat* from_2, std::size_t m) {
  cuda::launch<round_kernel>({cuda::blocks_for(n + m, 4 * 256), 256}, to, from, n, to_2, from_2, m);
}

/// Matrices of a shape, several times, in fp32 and in bf16: together more than an L2 cache holds.
struct Buffers {
  std::size_t a, b, c;  // values of one matrix
  int count;
  GpuVector<GpuFloat> A, B, C;
  GpuVector<Gpu<__nv_bfloat16>> A16, B16;

  explicit Buffers(const Shape& s)
      : a(std::size_t(s.M) * std::size_t(s.K)),
        b(std::size_t(s.K) * std::size_t(s.N)),
        c(std::size_t(s.M) * std::size_t(s.N)) {
    const std::size_t bytes = 4 * (a + b + c);
    count = int(std::max<std::size_t>(1, std::min<std::size_t>(64, (160u << 20) / bytes)));
    fill(A, A16, a * unsigned(count)), fill(B, B16, b * unsigned(count));
    C.resize(c * unsigned(count));
  }
  static void fill(GpuVector<GpuFloat>& to, GpuVector<Gpu<__nv_bfloat16>>& rounded, std::size_t n) {
    to.resize(n), rounded.resize(n);
    copy_in(to.data(), random_values(n).data(), n);
    round_both(rounded.data(), to.data(), n, nullptr, nullptr, 0);
  }
  Gemm<GpuFloat> product(const Shape& s, int call) {
    const std::size_t i = std::size_t(call % count);
    auto* to = C.data() + i * c;
    return {s.form,
            s.M,
            s.N,
            s.K,
            A.data() + i * a,
            s.form == GemmForm::TN ? s.M : s.K,
            B.data() + i * b,
            s.form == GemmForm::NT ? s.K : s.N,
            to,
            s.N,
            false};
  }
};

double cublas_us(cublasHandle_t handle, const Shape& s, Buffers& buffers, Rounding rounding,
                 bool with_rounding = false) {
  return median_us([&](int call) {
    const Gemm<GpuFloat> g = buffers.product(s, call);
    const cublasOperation_t op_a = s.form == GemmForm::TN ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t op_b = s.form == GemmForm::NT ? CUBLAS_OP_T : CUBLAS_OP_N;
    const float one = 1, zero = 0;
    if (rounding == Rounding::none)
      return must_blas(cublasSgemm(handle, op_b, op_a, g.N, g.M, g.K, &one, raw(g.B), g.ldb,
                                   raw(g.A), g.lda, &zero, raw(g.C), g.ldc));
    const bool bf16 = rounding == Rounding::bf16;
    const std::size_t i = std::size_t(call % buffers.count);
    if (with_rounding)
      round_both(buffers.A16.data() + i * buffers.a, g.A, buffers.a,
                 buffers.B16.data() + i * buffers.b, g.B, buffers.b);
    const void* a = bf16 ? static_cast<const void*>(buffers.A16.data() + i * buffers.a) : g.A;
    const void* b = bf16 ? static_cast<const void*>(buffers.B16.data() + i * buffers.b) : g.B;
    const cudaDataType_t type = bf16 ? CUDA_R_16BF : CUDA_R_32F;
    must_blas(cublasGemmEx(handle, op_b, op_a, g.N, g.M, g.K, &one, b, type, g.ldb, a, type, g.lda,
                           &zero, raw(g.C), CUDA_R_32F, g.ldc,
                           bf16 ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32F_FAST_TF32,
                           CUBLAS_GEMM_DEFAULT));
  });
}

/// One shape: the judge's times, then ours and what share of the judge's speed they reach.
void bench_shape(Results& results, cublasHandle_t handle, const Shape& s) {
  Buffers buffers(s);
  const double flops = 2.0 * s.M * s.N * s.K;
  std::array<double, 3> judge{};
  const auto add = [&](const std::string& name, Rounding rounding, double us) {
    results.add(
        "gemm",
        {{{"shape", s.name}, {"kernel", name}, {"inputs", names(rounding)[std::size_t(rounding)]}},
         {{"us", us},
          {"TFLOP/s", flops / us * 1e-6},
          {"% of cuBLAS", 100 * judge[std::size_t(rounding)] / us}}});
  };
  for (const Rounding rounding : {Rounding::none, Rounding::tf32, Rounding::bf16}) {
    judge[std::size_t(rounding)] = cublas_us(handle, s, buffers, rounding);
    add("cuBLAS", rounding, judge[std::size_t(rounding)]);
  }
  add("rounding, cuBLAS", Rounding::bf16, cublas_us(handle, s, buffers, Rounding::bf16, true));
  for (const GpuGemmRung& rung : gpu_gemm_ladder()) {
    if (rung.capability == 90 && !cuda::has_wgmma()) continue;
    add(rung.name, rung.inputs,
        median_us([&](int call) { rung.multiply(buffers.product(s, call)); }));
  }
  add("packing", Rounding::bf16, median_us([&](int call) {
        cuda::Scratch scratch;
        cuda::pack_operands(buffers.product(s, call), scratch);
      }));
  for (const Precision precision : {Precision::fp32, Precision::bf16})  // as the program runs it
    add("gemm", precision == Precision::bf16 ? Rounding::bf16 : Rounding::none,
        median_us([&](int call) {
          Gemm<GpuFloat> g = buffers.product(s, call);
          g.precision = precision;
          gemm(g);
        }));
}

/// 16 experts, 4096 slots with random numbers of rows: products of all of them in one launch.
void bench_grouped(Results& results) {
  constexpr int E = 16, slots = 4096, C = 128, H = 128;
  std::mt19937 random(std::random_device{}());
  std::vector<int> offset(E + 1), token(slots);
  for (int s = 0; s < slots; ++s) ++offset[1 + random() % E];
  for (int e = 0; e < E; ++e) offset[std::size_t(e + 1)] += offset[std::size_t(e)];
  for (int& t : token) t = int(random() % (slots / 2));
  GpuVector<GpuInt> offsets(E + 1), tokens(slots);
  copy_in(offsets.data(), offset.data(), E + 1), copy_in(tokens.data(), token.data(), slots);
  GpuVector<GpuFloat> x(slots / 2 * C), w(E * C * 2 * H), y(slots * 2 * H);
  copy_in(x.data(), random_values(x.size()).data(), x.size());
  copy_in(w.data(), random_values(w.size()).data(), w.size());
  copy_in(y.data(), random_values(y.size()).data(), y.size());
  GpuVector<GpuFloat> out(slots * 2 * H), dw(w.size());
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    const cuda::GroupedRows at{offsets.data(), E, slots, tokens.data(), precision};
    const cuda::GroupedRows plain{offsets.data(), E, slots, nullptr, precision};
    const auto add = [&](const char* name, double us) {
      results.add("grouped",
                  {{{"product", name}, {"inputs", names(precision)[std::size_t(precision)]}},
                   {{"us", us}, {"TFLOP/s", 2.0 * slots * C * 2 * H / us * 1e-6}}});
    };
    add("gate_up", median_us([&](int) {
          cuda::grouped_forward(out.data(), at, x.data(), w.data(), C, 2 * H);
        }));
    add("d rows", median_us([&](int) {
          cuda::grouped_backward(out.data(), plain, y.data(), w.data(), C, 2 * H);
        }));
    add("d weights", median_us([&](int) {
          cuda::grouped_weights(dw.data(), plain, x.data(), tokens.data(), y.data(), nullptr, C,
                                2 * H, false);
        }));
  }
}

}  // namespace

void bench_gemm(Results& results) {
  cublasHandle_t handle;
  must_blas(cublasCreate(&handle));
  must_blas(cublasSetStream(handle, cuda::stream()));
  for (const Shape& s : shapes) bench_shape(results, handle, s);
  must_blas(cublasDestroy(handle));
  bench_grouped(results);
}

}  // namespace ramoe::bench
