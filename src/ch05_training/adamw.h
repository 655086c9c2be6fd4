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
// Tests: tests/ch05_training/adamw_test.cpp
#pragma once

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

class AdamW {
 public:
  using Parameters = std::vector<std::unique_ptr<Parameter<float>>>;

  /// Moments start at zero, for trainable parameters alone. The parameters must outlive this.
  AdamW(const Parameters& parameters, const AdamWConfig& config);

  /// Scales the gradients by `scale`, then down to a global norm of at most `clip` (0: no limit),
  /// and updates every trainable parameter, or those of its blocks that are trained. The gradients
  /// are spent then. Returns the norm before clipping, of what is trained; if it is not finite
  /// nothing is updated.
  double step(double lr, double scale, double clip);

  int steps_done() const { return steps_; }
  void set_steps_done(int steps) { steps_ = steps; }
  /// The moments of parameter i, empty if it is not trainable.
  std::vector<float>& m(std::size_t i) { return m_[i]; }
  std::vector<float>& v(std::size_t i) { return v_[i]; }

 private:
  /// What one thread updates at a time.
  struct Stretch {
    float *w, *m, *v;
    const float* g;
    int count;
    bool decays;
    double squares;  // of g
  };
  void list_stretches();

  const Parameters& parameters_;
  AdamWConfig config_;
  std::vector<std::vector<float>> m_, v_;
  std::vector<Stretch> stretches_;  // of the present step
  int steps_ = 0;
};

}  // namespace ramoe
