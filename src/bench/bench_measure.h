// Bench - how fast work runs, compared with what the machine can do at the same moment
//
// Times on a shared machine drift, so every measurement runs in short rounds between samples of the
// machine's ceilings, and a share of a ceiling is the median over the rounds. Two ceilings:
//
//   FMA    independent multiply-adds in registers: the limit of work that computes
//   copy   a copy of as many bytes as the work moves, and so from the same level of the caches: the
//          limit of work that moves memory. Work that mostly reads can exceed it, because writing
//          costs more than reading
//
// Tests: tests/app/bench_test.cpp
#pragma once

#include <functional>
#include <vector>

#include "support/files.h"

namespace ramoe {

/// Seconds of a clock that never goes back. With one thread it is the processor time of this
/// thread, so that the load of others on a shared machine does not count; with several threads it
/// is wall time.
double now_seconds();

/// The middle value, the upper one of two; 0 if there are none.
double median(std::vector<double> values);

/// GFLOP/s of independent multiply-adds in registers, on all threads of the pool: the best within
/// about `seconds`. It uses the same instruction set as the fast matrix product.
double fma_peak(double seconds);

/// The same for the multiply-adds of the bf16 product, which are those of pairs with AVX512-BF16.
double bf16_peak(double seconds);

/// GB/s of a[i] = b[i] + s c[i] over arrays larger than the caches; each i counts 3 times 4 bytes.
double triad_bandwidth(double seconds);

/// Nanoseconds that a cache line takes from this thread to another and back: the median within
/// about `seconds`. About 100 if the cores share a last-level cache, several times that if not. The
/// cores of a virtual machine may be moved apart at any time; then threads that hand work to each
/// other slow down, but multiply-adds in registers do not.
double line_round_trip_ns(double seconds);

/// Copies repeatedly between two arrays of its own.
class CopySample {
 public:
  /// `bytes` are read and written by one copy, half each.
  explicit CopySample(double bytes);
  /// GB/s on all threads of the pool, read and written: the best within about `seconds`. Beyond the
  /// caches an ordinary copy first reads what it overwrites; there the best of three ways counts.
  double gb_per_s(double seconds);

 private:
  enum class Way {
    copy,
    stream,  // with stores that bypass the caches
    update,  // one array, in place
  };
  void run(Way way);
  std::vector<char> to_, from_;
};

/// The min that a piece of work has to do. bytes: every input is read once and every output is
/// written once; an output that is added to, such as the gradient of a weight, is read and written.
/// 0: not measured.
struct Work {
  double flops = 0, bytes = 0;
};

/// The speed of repeated work: medians over the rounds. A number is 0 if that of Work is.
struct Speed {
  double seconds = 0;  // of one call
  double gflops = 0, fma_share = 0;
  double gb_per_s = 0, copy_share = 0;

  /// The limiting ceiling is the one of which the work reaches the larger share.
  bool copy_binds() const { return copy_share > fma_share; }
  double share() const { return copy_binds() ? copy_share : fma_share; }
};
/// {"seconds", "gflops", "fma_share", "gb_per_s", "copy_share", "bound", "share"}, without those
/// that were not measured.
Json to_json(const Speed& speed);

/// How long to measure: about `seconds` in all, in `rounds` rounds of at least one lap.
struct Effort {
  double seconds;
  int rounds;
};

/// Measures parts that run in turn, each timed separately: lap(spent) runs all of them once and
/// adds the seconds of part i, by now_seconds(), to spent[i]. The effort is for all parts together.
std::vector<Speed> measure_parts(const std::vector<Work>& parts, Effort effort,
                                 const std::function<void(double* spent)>& lap);
/// The same for one piece of work.
Speed measure(const Work& work, Effort effort, const std::function<void()>& call);

}  // namespace ramoe
