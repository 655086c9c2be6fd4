// ramoe bench: speed against the machine's own peak, measured in the same minute
//
// Times on a shared machine drift, so every measurement runs in short rounds between samples of the
// FMA peak, and the share of the peak is the median over the rounds. Nothing here asserts a time.
#pragma once

#include <functional>
#include <string>

#include "support/files.h"

namespace ramoe {

/// Seconds of a clock that never goes back: of this thread's processor time with one thread, so
/// that what others take from a shared machine is not counted, and of the wall with several.
double now_seconds();

/// GFLOP/s of independent multiply-adds in registers, on all threads of the pool, for about
/// `seconds`. The instruction set is the one that the fast matrix product uses.
double fma_peak(double seconds);

/// GB/s of a[i] = b[i] + s c[i] over arrays larger than the caches, three times 4 bytes a value.
double triad_bandwidth(double seconds);

/// What repeated work reached: the medians over the rounds.
struct Speed {
  double seconds;  // of one call
  double gflops;   // flops / seconds / 1e9
  double share;    // of the FMA peak sampled before and after each round
};
Speed measure(double flops, double seconds, const std::function<void()>& work);

struct BenchOptions {
  double seconds = 1;
  std::uint64_t seed = 1;
};

/// Each prints a table and returns the same numbers. `threads` is only a label: the pool in force
/// on this thread does the work.
Json bench_peak(const BenchOptions& options, int threads);
Json bench_gemm(const BenchOptions& options, int threads);
/// One training step of the standard configuration, with its memory.
Json bench_step(const BenchOptions& options, int threads);
/// Greedy generation with the cache.
Json bench_generate(const BenchOptions& options, int threads);

}  // namespace ramoe
