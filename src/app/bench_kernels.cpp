// The peak, the memory and the matrix products.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <vector>

#include "app/bench.h"
#include "ch01_tensor/gemm.h"
#include "ch01_tensor/parallel.h"
#include "ch01_tensor/philox.h"
#include "ch01_tensor/simd.h"

namespace ramoe {

namespace {
int pool_threads() {
  const ThreadPool* pool = ThreadPool::current();
  return pool ? pool->threads() : 1;
}
}  // namespace

double now_seconds() {
  timespec t{};
  clock_gettime(pool_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// ---- FMA peak -----------------------------------------------------------------------------------

constexpr int kTurns = 20000;  // of the loop below, about 0.1 ms

typedef float Vector16 __attribute__((vector_size(64)));
typedef float Vector8 __attribute__((vector_size(32)));
typedef float Vector4 __attribute__((vector_size(16)));

/// `chains` independent sums, kTurns multiply-adds each. Returning their total keeps them alive.
template <class Vector, int chains>
RAMOE_INLINE float fma_body() {
  const Vector x = Vector{} + 0.999f, y = Vector{} + 0.001f;
  Vector sum[chains];
  for (int c = 0; c < chains; ++c) sum[c] = y * static_cast<float>(c);
  for (int turn = 0; turn < kTurns; ++turn) {
#pragma GCC unroll 24
    for (int c = 0; c < chains; ++c) sum[c] = sum[c] * x + y;
  }
  Vector total = {};
  for (int c = 0; c < chains; ++c) total += sum[c];
  return total[0];
}
#if defined(__x86_64__)
__attribute__((target("arch=x86-64-v4"))) float fma_avx512() {
  return fma_body<Vector16, 24>();
}
__attribute__((target("arch=x86-64-v3"))) float fma_avx2() {
  return fma_body<Vector8, 12>();
}
#endif
float fma_baseline() {
  return fma_body<Vector4, 12>();
}

struct PeakKernel {
  float (*run)();
  double flops;
};
PeakKernel peak_kernel() {
#if defined(__x86_64__)
  if (std::strcmp(gemm_isa(), "avx512") == 0) return {fma_avx512, 2.0 * 16 * 24 * kTurns};
  if (std::strcmp(gemm_isa(), "avx2") == 0) return {fma_avx2, 2.0 * 8 * 12 * kTurns};
#endif
  return {fma_baseline, 2.0 * 4 * 12 * kTurns};
}

}  // namespace

double fma_peak(double seconds) {
  const PeakKernel kernel = peak_kernel();
  const int blocks = 16 * pool_threads();
  std::vector<float> sink(static_cast<std::size_t>(blocks));
  double best = 0;
  const double end = now_seconds() + seconds;
  do {
    const double start = now_seconds();
    parallel_for(blocks, 1, [&](int b, int) { sink[std::size_t(b)] = kernel.run(); });
    best = std::max(best, kernel.flops * blocks / (now_seconds() - start) / 1e9);
  } while (now_seconds() < end);
  return best;
}

namespace {
RAMOE_SIMD void triad_block(float* a, const float* b, const float* c, float s, int n) {
  for (int i = 0; i < n; ++i) a[i] = b[i] + s * c[i];
}
}  // namespace

double triad_bandwidth(double seconds) {
  constexpr int kValues = 1 << 24, kBlock = 1 << 16;
  std::vector<float> a(kValues, 0.0f), b(kValues, 1.0f), c(kValues, 2.0f);
  std::vector<double> rates;
  const double end = now_seconds() + seconds;
  do {
    const double start = now_seconds();
    parallel_for(kValues, kBlock, [&](int begin, int stop) {
      triad_block(a.data() + begin, b.data() + begin, c.data() + begin, 3.0f, stop - begin);
    });
    rates.push_back(3.0 * sizeof(float) * kValues / (now_seconds() - start) / 1e9);
  } while (now_seconds() < end);
  return median(rates);
}

Speed measure(double flops, double seconds, const std::function<void()>& work) {
  constexpr int kRounds = 7;
  constexpr double kSample = 0.01;
  work();  // warm caches and arenas
  std::vector<double> times, shares;
  double before = fma_peak(kSample);
  for (int round = 0; round < kRounds; ++round) {
    const double start = now_seconds();
    int calls = 0;
    double spent;
    do {
      work();
      ++calls;
      spent = now_seconds() - start;
    } while (spent < seconds / kRounds);
    const double after = fma_peak(kSample);
    times.push_back(spent / calls);
    shares.push_back(flops * calls / spent / 1e9 / (0.5 * (before + after)));
    before = after;
  }
  const double one = median(times);
  return {one, flops / one / 1e9, median(shares)};
}

Json bench_peak(const BenchOptions& options, int) {
  std::vector<double> peaks;
  for (int i = 0; i < 9; ++i) peaks.push_back(fma_peak(options.seconds / 9));
  const double peak = median(peaks), bandwidth = triad_bandwidth(options.seconds);
  std::printf("FMA peak %8.1f GFLOP/s     triad %6.1f GB/s\n", peak, bandwidth);
  return {{"fma_gflops", peak}, {"triad_gb_per_s", bandwidth}};
}

// ---- Matrix products ----------------------------------------------------------------------------

namespace {

/// Products of the standard configuration (bench_step.cpp), forward; the other forms follow.
struct LinearShape {
  const char* name;
  int count, rows, in, out;
};
constexpr LinearShape kLinear[] = {
    {"q, k, v, o", 1, 2048, 128, 128},      {"router", 1, 2048, 128, 16},
    {"experts gate_up", 16, 256, 128, 256}, {"experts down", 16, 256, 128, 128},
    {"lm_head", 1, 2048, 128, 512},         {"attention scores", 128, 64, 64, 32},
};

struct Operands {
  std::vector<float> a, b, c;
};

Gemm<float> product(GemmForm form, const LinearShape& s, Operands& o, int index) {
  const int N = s.rows, I = s.in, O = s.out;
  const std::size_t i = static_cast<std::size_t>(index);
  float* x = o.a.data() + i * std::size_t(N) * std::size_t(I);
  float* w = o.b.data() + i * std::size_t(I) * std::size_t(O);
  float* y = o.c.data() + i * std::size_t(N) * std::size_t(O);
  if (form == GemmForm::NN) return {form, N, O, I, x, I, w, O, y, O, false};
  if (form == GemmForm::NT) return {form, N, I, O, y, O, w, O, x, I, false};
  return {form, I, O, N, x, I, y, O, w, O, false};
}

}  // namespace

Json bench_gemm(const BenchOptions& options, int) {
  Json table = Json::array();
  std::printf("%-18s %5s %5s %5s %5s  %14s %14s %14s\n", "GEMM, rows in out", "count", "rows", "in",
              "out", "x W (NN)", "dy W' (NT)", "x' dy (TN)");
  for (const LinearShape& s : kLinear) {
    const double flops = 2.0 * s.count * s.rows * s.in * s.out;
    Json line = {
        {"name", s.name}, {"count", s.count}, {"rows", s.rows}, {"in", s.in}, {"out", s.out}};
    std::printf("%-18s %5d %5d %5d %5d ", s.name, s.count, s.rows, s.in, s.out);
    for (const auto& [form, name] :
         {std::pair{GemmForm::NN, "NN"}, {GemmForm::NT, "NT"}, {GemmForm::TN, "TN"}}) {
      Operands o;
      Random random(options.seed);
      const auto fill = [&](std::vector<float>& values, int rows, int columns) {
        values.resize(std::size_t(s.count) * std::size_t(rows) * std::size_t(columns));
        for (float& value : values) value = static_cast<float>(random.uniform() - 0.5);
      };
      fill(o.a, s.rows, s.in);
      fill(o.b, s.in, s.out);
      fill(o.c, s.rows, s.out);
      std::vector<Gemm<float>> products;
      for (int i = 0; i < s.count; ++i) products.push_back(product(form, s, o, i));
      const Speed speed = measure(flops, options.seconds, [&] {
        if (s.count == 1)
          gemm(products[0]);
        else
          gemm_grouped(products.data(), s.count);
      });
      std::printf("  %6.1f %4.0f %% ", speed.gflops, 100 * speed.share);
      line[name] = {{"gflops", speed.gflops}, {"share", speed.share}};
    }
    std::printf("\n");
    table.push_back(line);
  }
  return table;
}

}  // namespace ramoe
