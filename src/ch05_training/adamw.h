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
// A step is done whole or not at all: no weight, m or v is written unless all of the new ones are
// finite. While w, m, v, the gradient and the factors are small enough (kSmall in adamw.cpp) this
// is certain beforehand, and the update itself watches that they stay so. Otherwise, as in the
// first step after values came from elsewhere, a pass that writes nothing asks first.
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

/// One update of n values; g stays. `t` >= 1 counts updates.
template <class T>
void adamw_update(T* w, const T* g, T* m, T* v, std::size_t n, double lr, double decay, int t,
                  const AdamWConfig& config);
/// The definition.
template <class T>
void adamw_update_plain(T* w, const T* g, T* m, T* v, std::size_t n, double lr, double decay, int t,
                        const AdamWConfig& config);

/// What a step did.
template <class T>
struct AdamWStep {
  double norm = 0;  // of the gradient before clipping, of what is trained
  /// The parameter whose new values, or moments, would not be finite; nullptr: all are.
  const Parameter<T>* spoilt = nullptr;
  bool done() const { return std::isfinite(norm) && !spoilt; }
};

template <class T>
class AdamW {
 public:
  using Parameters = std::vector<std::unique_ptr<Parameter<T>>>;

  /// Moments start at zero, for trainable parameters alone. The parameters must outlive this.
  AdamW(const Parameters& parameters, const AdamWConfig& config);

  /// Scales the gradients down to a global norm of at most `clip` (0: no limit) and updates every
  /// trainable parameter, or those of its blocks that are trained. The gradients are spent then.
  /// Nothing is changed if the norm or a new value is not finite.
  AdamWStep<T> step(double lr, double clip);

  int steps_done() const { return steps_; }
  /// For a resume, whose moments and weights are read from a file.
  void set_steps_done(int steps) {
    steps_ = steps;
    small_ = false;
  }
  /// The moments of parameter i, empty if it is not trainable.
  Storage<T>& m(std::size_t i) { return m_[i]; }
  Storage<T>& v(std::size_t i) { return v_[i]; }
  const Storage<T>& m(std::size_t i) const { return m_[i]; }
  const Storage<T>& v(std::size_t i) const { return v_[i]; }

 private:
  /// What one thread updates at a time.
  struct Stretch {
    const Parameter<T>* parameter;
    T *w, *m, *v;
    const T* g;
    int count;
    bool decays;
    double squares;  // of g
    bool small;      // of the new w; when asked beforehand, of w, m and v
  };
  void list_stretches();

  const Parameters& parameters_;
  AdamWConfig config_;
  std::vector<Storage<T>> m_, v_;
  std::vector<Stretch> stretches_;  // of the present step
  int steps_ = 0;
  bool small_ = false;  // whether all of w, m and v were small after the last step
};

}  // namespace ramoe
