// The ceilings, and the rounds of measurement between their samples.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <ctime>
#include <memory>
#include <thread>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "bench/bench_measure.h"
#include "fast/gemm_bf16.h"
#include "fast/simd.h"
#include "support/json.h"
#include "support/parallel.h"

namespace ramoe {

double now_seconds() {
  timespec t{};
  clock_gettime(threads_in_force() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

namespace {

// ---- FMA peak -----------------------------------------------------------------------------------

constexpr int kTurns = 20000;  // of the loop below, about 0.1 ms

typedef float Vector16 __attribute__((vector_size(64)));
typedef float Vector8 __attribute__((vector_size(32)));
typedef float Vector4 __attribute__((vector_size(16)));

/// `chains` independent sums, kTurns multiply-adds each. Their total is returned so that the
/// compiler cannot remove them.
template <class Vector, int chains>
RAMOE_INLINE float fma_body() {
  const Vector x = Vector{} - 1e-4f;  // after all turns a sum is still e^-2 of what it was
  Vector sum[chains];
  for (int c = 0; c < chains; ++c) sum[c] = x * static_cast<float>(c);
  for (int turn = 0; turn < kTurns; ++turn) {
#pragma GCC unroll 24
    for (int c = 0; c < chains; ++c) sum[c] += sum[c] * x;
  }
  Vector total = {};
  for (int c = 0; c < chains; ++c) total += sum[c];
  return total[0];
}
#if defined(__x86_64__)
RAMOE_AVX512 float fma_avx512() {
  return fma_body<Vector16, 24>();
}
RAMOE_AVX2 float fma_avx2() {
  return fma_body<Vector8, 12>();
}
#endif
// NEON's 32 registers hold as many chains as four units of four cycles keep busy, and more.
#if defined(__aarch64__)
constexpr int kChains = 24;
#else
constexpr int kChains = 12;
#endif
float fma_baseline() {
  return fma_body<Vector4, kChains>();
}

struct PeakKernel {
  float (*run)();
  double flops;
};
#if defined(__x86_64__)
__attribute__((target("arch=x86-64-v4,avx512bf16"))) float bf16_pairs() {
  const __m512bh x = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3f00));  // 0.5
  __m512 sum[24], total = _mm512_setzero_ps();
  for (int c = 0; c < 24; ++c) sum[c] = _mm512_set1_ps(static_cast<float>(c));
  for (int turn = 0; turn < kTurns; ++turn) {
#pragma GCC unroll 24
    for (int c = 0; c < 24; ++c) sum[c] = _mm512_dpbf16_ps(sum[c], x, x);
  }
  for (int c = 0; c < 24; ++c) total = _mm512_add_ps(total, sum[c]);
  return _mm512_cvtss_f32(total);
}
#endif
PeakKernel peak_kernel() {
#if defined(__x86_64__)
  if (instruction_set() == InstructionSet::avx512) return {fma_avx512, 2.0 * 16 * 24 * kTurns};
  if (instruction_set() == InstructionSet::avx2) return {fma_avx2, 2.0 * 8 * 12 * kTurns};
#endif
  return {fma_baseline, 2.0 * 4 * kChains * kTurns};
}

/// GFLOP/s: the best within about `seconds`.
double peak_of(const PeakKernel& kernel, double seconds) {
  const int blocks = 16 * threads_in_force();
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
}  // namespace

double fma_peak(double seconds) {
  return peak_of(peak_kernel(), seconds);
}

double bf16_peak(double seconds) {
#if defined(__x86_64__)
  if (std::strcmp(gemm_bf16_isa(), "avx512bf16") == 0)
    return peak_of({bf16_pairs, 4.0 * 16 * 24 * kTurns}, seconds);
#endif
  return fma_peak(seconds);
}

// ---- From core to core --------------------------------------------------------------------------

/// Waits for a value other than `now` and returns it. Yields at times, in case both threads share a
/// core.
static int wait_until_not(const std::atomic<int>& line, int now) {
  for (int turns = 1;; ++turns) {
    const int seen = line.load(std::memory_order_acquire);
    if (seen != now) return seen;
    if (turns % 10000 == 0) std::this_thread::yield();
  }
}

double line_round_trip_ns(double seconds) {
  constexpr int kTrips = 1000, kStop = 2;
  using Clock = std::chrono::steady_clock;
  alignas(64) std::atomic<int> line{0};
  std::thread other([&line] {
    for (;;) {
      const int seen = wait_until_not(line, 0);
      if (seen == kStop) return;
      line.store(0, std::memory_order_release);
    }
  });
  std::vector<double> trips;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  do {
    const auto start = Clock::now();
    for (int i = 0; i < kTrips; ++i) {
      line.store(1, std::memory_order_release);
      wait_until_not(line, 1);
    }
    trips.push_back(std::chrono::duration<double>(Clock::now() - start).count() / kTrips);
  } while (Clock::now() < end);
  line.store(kStop);
  other.join();
  return 1e9 * median(trips);
}

// ---- Memory -------------------------------------------------------------------------------------

RAMOE_INLINE static void triad_block(float* a, const float* b, const float* c, float s, int n) {
  for (int i = 0; i < n; ++i) a[i] = b[i] + s * c[i];
}

double triad_bandwidth(double seconds) {
  constexpr int kValues = 1 << 24, kBlock = 1 << 16;
  std::vector<float> a(kValues, 0.0f), b(kValues, 1.0f), c(kValues, 2.0f);
  std::vector<double> rates;
  const double end = now_seconds() + seconds;
  do {
    const double start = now_seconds();
    parallel_for(kValues, kBlock, [&](int begin, int stop) {
      simd<triad_block>(a.data() + begin, b.data() + begin, c.data() + begin, 3.0f, stop - begin);
    });
    rates.push_back(3.0 * sizeof(float) * kValues / (now_seconds() - start) / 1e9);
  } while (now_seconds() < end);
  return median(rates);
}

CopySample::CopySample(double bytes) {
  const double least = 1 << 14, most = 1 << 28;
  const auto half = static_cast<std::size_t>(std::clamp(bytes, least, most) / 2);
  to_.assign(half, 0);
  from_.assign(half, 1);
}

/// Copies without reading the old values of `to` into a cache, if the processor can.
static void stream_copy(char* to, const char* from, std::size_t bytes) {
#if defined(__x86_64__)
  const auto* source = reinterpret_cast<const float*>(from);
  auto* target = reinterpret_cast<float*>(to);
  const std::size_t whole = reinterpret_cast<std::uintptr_t>(to) % 16 == 0 ? bytes / 16 * 4 : 0;
  for (std::size_t i = 0; i < whole; i += 4) _mm_stream_ps(target + i, _mm_loadu_ps(source + i));
  _mm_sfence();
  std::memcpy(to + 4 * whole, from + 4 * whole, bytes - 4 * whole);
#else
  std::memcpy(to, from, bytes);
#endif
}

RAMOE_INLINE static void scale_block(float* x, float s, int n) {
  for (int i = 0; i < n; ++i) x[i] *= s;
}

void CopySample::run(Way way) {
  constexpr int kBlock = 1 << 16;  // bytes, as in the blocks of loops over rows
  parallel_for(static_cast<int>(from_.size()), kBlock, [&](int begin, int end) {
    char* to = to_.data() + begin;
    const char* from = from_.data() + begin;
    const auto bytes = static_cast<std::size_t>(end - begin);
    if (way == Way::copy) std::memcpy(to, from, bytes);
    if (way == Way::stream) stream_copy(to, from, bytes);
    if (way == Way::update)
      simd<scale_block>(reinterpret_cast<float*>(to), 1.0f,
                        static_cast<int>(bytes / sizeof(float)));
  });
}

double CopySample::gb_per_s(double seconds) {
  const double size = static_cast<double>(from_.size());
  // Small copies are repeated, so that the cost of reading the clock does not count.
  const int repeats = std::max(1, static_cast<int>((1 << 20) / size));
  const bool beyond_caches = from_.size() >= std::size_t{1} << 23;
  std::vector<Way> ways{Way::copy};
  if (beyond_caches) ways = {Way::copy, Way::stream, Way::update};
  double best = 0;
  run(Way::copy);  // after other work the arrays may have left the cache
  for (const Way way : ways) {
    const double end = now_seconds() + seconds / double(ways.size());
    do {
      const double start = now_seconds();
      for (int i = 0; i < repeats; ++i) run(way);
      best = std::max(best, 2.0 * size * repeats / (now_seconds() - start) / 1e9);
    } while (now_seconds() < end);
  }
  return best;
}

// ---- Rounds -------------------------------------------------------------------------------------

namespace {

/// The ceilings of several pieces of work, sampled together.
class Ceilings {
 public:
  explicit Ceilings(const std::vector<Work>& parts) {
    for (const Work& work : parts) {
      flops_ = flops_ || work.flops > 0;
      copies_.push_back(work.bytes > 0 ? std::make_unique<CopySample>(work.bytes) : nullptr);
    }
  }
  struct Sample {
    double fma = 0;
    std::vector<double> copy;  // for each part
  };
  Sample take() {
    Sample sample;
    if (flops_) sample.fma = fma_peak(kSeconds);
    for (const auto& copy : copies_) sample.copy.push_back(copy ? copy->gb_per_s(kSeconds) : 0);
    return sample;
  }

 private:
  static constexpr double kSeconds = 0.01;
  bool flops_ = false;
  std::vector<std::unique_ptr<CopySample>> copies_;
};

}  // namespace

std::vector<Speed> measure_parts(const std::vector<Work>& parts, Effort effort,
                                 const std::function<void(double*)>& lap) {
  struct Rounds {
    std::vector<double> seconds, fma, copy;
  };
  std::vector<Rounds> rounds(parts.size());
  std::vector<double> spent(parts.size());
  Ceilings ceilings(parts);
  lap(spent.data());  // warm caches and arenas
  Ceilings::Sample before = ceilings.take();
  for (int round = 0; round < effort.rounds; ++round) {
    std::fill(spent.begin(), spent.end(), 0.0);
    const double start = now_seconds();
    int laps = 0;
    do {
      lap(spent.data());
      ++laps;
    } while (now_seconds() - start < effort.seconds / effort.rounds);
    const Ceilings::Sample after = ceilings.take();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const double one = spent[i] / laps;
      const auto share = [&](double work, double low, double high) {
        return work > 0 ? work / one / 1e9 / (0.5 * (low + high)) : 0;
      };
      rounds[i].seconds.push_back(one);
      rounds[i].fma.push_back(share(parts[i].flops, before.fma, after.fma));
      rounds[i].copy.push_back(share(parts[i].bytes, before.copy[i], after.copy[i]));
    }
    before = after;
  }
  std::vector<Speed> speeds;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const double one = median(rounds[i].seconds);
    speeds.push_back({one, parts[i].flops / one / 1e9, median(rounds[i].fma),
                      parts[i].bytes / one / 1e9, median(rounds[i].copy)});
  }
  return speeds;
}

Speed measure(const Work& work, Effort effort, const std::function<void()>& call) {
  return measure_parts({work}, effort, [&](double* spent) {
    const double start = now_seconds();
    call();
    *spent += now_seconds() - start;
  })[0];
}

Json to_json(const Speed& speed) {
  Json json = {{"seconds", speed.seconds}};
  if (speed.gflops > 0) json.update({{"gflops", speed.gflops}, {"fma_share", speed.fma_share}});
  if (speed.gb_per_s > 0)
    json.update({{"gb_per_s", speed.gb_per_s}, {"copy_share", speed.copy_share}});
  if (speed.share() > 0)
    json.update({{"bound", speed.copy_binds() ? "copy" : "fma"}, {"share", speed.share()}});
  return json;
}

}  // namespace ramoe
