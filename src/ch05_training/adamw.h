// Chapter 5.1 - AdamW: Adam with decoupled weight decay
//
//   m = b1 m + (1-b1) g        v = b2 v + (1-b2) g^2
//   w = w - lr ( (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps) + decay w )
//
// Source: Loshchilov and Hutter (arXiv 1711.05101). Only matrices decay; norms, biases and the
// embedding do not (our choice, and the usual one). State: 16 bytes per parameter (w, g, m, v).
// The fast version is 4.5 times as fast as the plain one (`ramoe bench --only=ideas`,
// docs/speed.md): factors computed once, vectors, and clipping in the same pass. On the bench's
// model it runs at the speed of copying memory.
//
// A step is done completely or not at all: no weight, m or v is written unless the losses, the norm
// of the gradient and all new values are finite. The check runs where the values live.
// Tests: tests/ch05_training/adamw_test.cpp
#pragma once

#include <memory>
#include <vector>

#include "ch01_tensor/tensor.h"

namespace ramoe {

struct AdamWConfig {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1;
};

/// Consecutive values of one parameter, updated as one block of work.
template <class T>
struct AdamWChunk {
  T *w, *m, *v;
  const T* g;
  int count;
  bool decays;
  bool operator==(const AdamWChunk&) const = default;
};

/// The settings that all chunks of a step share.
struct AdamWRule {
  double rate, clip;  // clip: max norm of the gradient; 0: no limit
  int t;              // number of the step, from 1
  AdamWConfig config;
};

/// The result of a step, written where the values live. Once a step has failed, later ones do
/// nothing until the host clears `stopped`: it may read the outcome several steps later.
struct AdamWOutcome {
  double norm = 0;     // of the gradient before clipping
  int spoilt = -1;     // the first chunk whose new values would not be finite; -1: none
  bool done = false;   // whether anything was written
  bool stopped = false;
  bool small = false;  // for the next step: whether w, m and v are small (src/fast/adamw.cpp)
};

/// One step over all chunks. The gradients are first scaled down to a norm of at most `clip`. If
/// one of the `count` losses, the norm or a new value is not finite, only the outcome is written.
/// The list of chunks and the rule lie where the values live.
template <class T>
void adamw_step(Beside<T, AdamWOutcome>* outcome, const Beside<T, AdamWChunk<T>>* chunks, int n,
                const Beside<T, AdamWRule>* rule, const T* losses, int count);

template <class T>
class AdamW {
 public:
  using Parameters = std::vector<std::unique_ptr<Parameter<T>>>;

  /// Moments start at zero; only trainable parameters have them. The parameters must outlive this.
  AdamW(const Parameters& parameters, const AdamWConfig& config);

  /// Prepares the next step: places its rule and the list of what is trained.
  void prepare(double rate, double clip);
  /// Updates every trainable parameter, or its trained blocks, with adamw_step. The gradients are
  /// then spent. If a loss, the norm or a new value is not finite, nothing is changed.
  void update(const T* losses = nullptr, int count = 0);
  /// Counts the step, once its update was done or replayed.
  void count_step() { ++steps_; }
  /// Where the outcome of the last step is. Reading it waits for the step.
  const Beside<T, AdamWOutcome>* outcome() const { return outcome_.data(); }
  /// The parameter whose new values or moments would not be finite; nullptr: none.
  const Parameter<T>* spoilt(const AdamWOutcome& outcome) const {
    return outcome.spoilt < 0 ? nullptr : of_[std::size_t(outcome.spoilt)];
  }
  /// How often the list of what is trained was placed: a recorded step holds for one list.
  int lists_placed() const { return lists_placed_; }
  /// Steps so far, those included whose outcome has not been read.
  int steps_done() const { return steps_; }
  /// For resuming a run, with moments and weights read from a file, and after a step that failed.
  void set_steps_done(int steps);
  /// The moments of parameter i, empty if it is not trainable.
  Storage<T>& m(std::size_t i) { return m_[i]; }
  Storage<T>& v(std::size_t i) { return v_[i]; }
  const Storage<T>& m(std::size_t i) const { return m_[i]; }
  const Storage<T>& v(std::size_t i) const { return v_[i]; }

 private:
  std::vector<AdamWChunk<T>> list_chunks();

  const Parameters& parameters_;
  AdamWConfig config_;
  std::vector<Storage<T>> m_, v_;
  template <class Value>
  using Placed = typename Lives<T>::template Vector<Beside<T, Value>>;
  std::vector<AdamWChunk<T>> listed_;    // what was placed last
  std::vector<const Parameter<T>*> of_;  // the parameter of each chunk
  Placed<AdamWChunk<T>> chunks_;
  Placed<AdamWRule> rule_;
  Placed<AdamWOutcome> outcome_;
  int steps_ = 0, lists_placed_ = 0;
};

}  // namespace ramoe
