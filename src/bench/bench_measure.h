// Bench - how fast work runs, beside what the machine can do in the same moment
//
// Times on a shared machine drift, so every measurement runs in short rounds between samples of the
// machine's ceilings, and a share of a ceiling is the median over the rounds. Two ceilings:
//
//   FMA    independent multiply-adds in registers: binds what computes
//   copy   a copy of as many bytes as the work moves, so from the same level of the caches: binds
//          what moves memory. Work that mostly reads can come above it: writing costs more.
//
// Tests: tests/app/bench_test.cpp
#pragma once

#include <functional>
#include <vector>

#include "support/files.h"

namespace ramoe {

/// Seconds of a clock that never goes back: of this thread's processor time with one thread, so
/// that what others take from a shared machine is not counted, and of the wall with several.
double now_seconds();

/// The value in the middle, the upper one of two; 0 of none.
double median(std::vector<double> values);

/// GFLOP/s of independent multiply-adds in registers, on all threads of the pool: the best within
/// about `seconds`. The instruction set is the one that the fast matrix product uses.
double fma_peak(double seconds);

/// The same of the multiply-adds that the bf16 product uses: of pairs, where AVX512-BF16 is there.
double bf16_peak(double seconds);

/// GB/s of a[i] = b[i] + s c[i] over arrays larger than the caches, three times 4 bytes a value.
double triad_bandwidth(double seconds);

/// Nanoseconds in which a cache line goes from this thread to another one and back: the median
/// within about `seconds`. Some 100 where the cores share a last-level cache, several times that
/// where they do not. A virtual machine's cores may be moved apart at any time; threads that hand
/// work to each other then slow down, while multiply-adds in registers do not.
double line_round_trip_ns(double seconds);

/// Copies between two arrays of its own, again and again.
class CopySample {
 public:
  /// `bytes` are read and written by one copy, half each.
  explicit CopySample(double bytes);
  /// GB/s on all threads of the pool, read and written: the best within about `seconds`. Beyond the
  /// caches ordinary copies first read what they overwrite; there the best of three ways counts.
  double gb_per_s(double seconds);

 private:
  enum class Way {
    copy,
    stream,  // stores that go past the caches
    update,  // of one array in place
  };
  void run(Way way);
  std::vector<char> to_, from_;
};

/// What a piece of work has to do at least. bytes: every input read once and every output written
/// once; what is added to, such as the gradient of a weight, is read and written. 0: not of
/// interest.
struct Work {
  double flops = 0, bytes = 0;
};

/// What repeated work reached: the medians over the rounds. Zero where Work is.
struct Speed {
  double seconds = 0;  // of one call
  double gflops = 0, fma_share = 0;
  double gb_per_s = 0, copy_share = 0;

  /// The ceiling that binds is the one that the work comes nearer to.
  bool copy_binds() const { return copy_share > fma_share; }
  double share() const { return copy_binds() ? copy_share : fma_share; }
};
/// {"seconds", "gflops", "fma_share", "gb_per_s", "copy_share", "bound", "share"}, without what is
/// not of interest.
Json to_json(const Speed& speed);

/// How long to measure: about `seconds` in all, in so many rounds, each of one lap at least.
struct Effort {
  double seconds;
  int rounds;
};

/// Parts that run in turn, each timed apart: lap(spent) runs all of them once and adds to spent[i]
/// the seconds of part i, by now_seconds(). The effort is for all parts together.
std::vector<Speed> measure_parts(const std::vector<Work>& parts, Effort effort,
                                 const std::function<void(double* spent)>& lap);
/// The same for one piece of work.
Speed measure(const Work& work, Effort effort, const std::function<void()>& call);

}  // namespace ramoe
