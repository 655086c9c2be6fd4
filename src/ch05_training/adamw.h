// Chapter 5.1 - AdamW: Adam with decoupled weight decay
//
//   m = b1 m + (1-b1) g        v = b2 v + (1-b2) g^2
//   w = w - lr ( (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps) + decay w )
//
// Source: Loshchilov and Hutter (arXiv 1711.05101). Decay is for matrices alone: norms, biases and
// the embedding are left out (our choice, and the usual one). State: 16 bytes per parameter (w, g,
// m, v). The fast version is 4.5 times the plain one (`ramoe bench --only=ideas`, docs/speed.md):
// factors made once, vectors, and clipping in the same pass. Over the parameters of the bench's
// model it runs as fast as memory is copied.
//
// A step is done whole or not at all: no weight, m or v is written unless the losses, the norm of
// the gradient and all new values are finite. This is found out where the values lie.
// Tests: tests/ch05_training/adamw_test.cpp
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "ch01_tensor/tensor.h"

namespace ramoe {

struct AdamWConfig {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1;
};

/// Consecutive values of one parameter, which one block of work updates.
template <class T>
struct AdamWChunk {
  T *w, *m, *v;
  const T* g;
  int count;
  bool decays;
};

/// What all chunks of a step have in common.
struct AdamWRule {
  double rate, clip;  // the largest norm of the gradient; 0: no limit
  int t;              // counts the steps, from 1
  AdamWConfig config;
};

/// What a step found, written where the values lie.
struct AdamWOutcome {
  double norm = 0;     // of the gradient before clipping
  int spoilt = -1;     // the first chunk whose new values would not be finite; -1: all are
  bool done = false;   // whether anything was written
  bool small = false;  // for the next step: whether w, m and v are small (src/fast/adamw.cpp)
};

/// One step over all chunks. The gradients are scaled down to a norm of at most `clip` first.
/// Nothing but the outcome is written if one of the `count` losses, the norm or a new value is not
/// finite. The lists of chunks lie on the host.
template <class T>
void adamw_step(Beside<T, AdamWOutcome>* outcome, const AdamWChunk<T>* chunks, int n,
                const AdamWRule& rule, const T* losses, int count);

/// What a step did.
template <class T>
struct AdamWStep {
  double norm = 0;  // of the gradient before clipping, of what is trained
  /// The parameter whose new values, or moments, would not be finite; nullptr: all are.
  const Parameter<T>* spoilt = nullptr;
  bool done = false;
};

template <class T>
class AdamW {
 public:
  using Parameters = std::vector<std::unique_ptr<Parameter<T>>>;

  /// Moments start at zero, for trainable parameters alone. The parameters must outlive this.
  AdamW(const Parameters& parameters, const AdamWConfig& config);

  /// Updates every trainable parameter, or those of its blocks that are trained, by adamw_step. The
  /// gradients are spent then. Nothing is changed if a loss, the norm or a new value is not finite.
  AdamWStep<T> step(double rate, double clip, const T* losses = nullptr, int count = 0);

  int steps_done() const { return steps_; }
  /// For a resume, whose moments and weights are read from a file.
  void set_steps_done(int steps);
  /// The moments of parameter i, empty if it is not trainable.
  Storage<T>& m(std::size_t i) { return m_[i]; }
  Storage<T>& v(std::size_t i) { return v_[i]; }
  const Storage<T>& m(std::size_t i) const { return m_[i]; }
  const Storage<T>& v(std::size_t i) const { return v_[i]; }

 private:
  void list_chunks();

  const Parameters& parameters_;
  AdamWConfig config_;
  std::vector<Storage<T>> m_, v_;
  std::vector<AdamWChunk<T>> chunks_;    // of the present step
  std::vector<const Parameter<T>*> of_;  // whose they are
  typename Lives<T>::template Vector<Beside<T, AdamWOutcome>> outcome_;
  int steps_ = 0;
};

}  // namespace ramoe
