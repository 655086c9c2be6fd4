// Chapter 7.5 - forced routing: a text is read with a routing that is given to it
//
//   row    z[n,:] = given                              token n is routed as another token was
//   mean   z[n,:] += b  for the rows n of a list,      the text is routed, on the mean over its
//          with b such that  mean_n softmax(z[n,:]+b) = q        tokens, as another text was
//
// b[e] += log q[e] - log mean_n softmax(z[n,:]+b)[e] is repeated until the mean is q. This is
// Sinkhorn's iteration on exp(z): softmax scales each row to sum 1, b scales each column to its
// share q[e]; for positive q it always converges. A layer is matched when it is reached, with the
// layers below it forced already, so one forward pass is enough.
//
// Ours alone: the paper's abstract says nothing of it.
// Tests: tests/ch07_divergence/forced_routing_test.cpp
#pragma once

#include <vector>

#include "ch04_moe/router.h"

namespace ramoe {

/// When the iteration for a mean stops.
struct MatchLimits {
  int rounds = 500;
  double tolerance = 1e-4;  // largest |mean - q| over the experts
};

/// Adds b to each of the rows of z (rows,E), so that the mean of their softmax is q (E). Returns
/// the largest |mean - q| that is left.
double match_mean(std::vector<double>& z, const std::vector<double>& q, const MatchLimits& limits);

/// Forces rows of a batch. The logits of a layer are few, so they are changed on the host, whatever
/// the device: this is the one definition. Layers of which nothing is asked keep their bits.
template <class T>
class ForcedRouting : public RouterHook<T> {
 public:
  ForcedRouting(int layers, const MatchLimits& limits)
      : limits_(limits), rows_(std::size_t(layers)), means_(std::size_t(layers)) {}

  /// Row n of MoE layer i gets the logits z (E), which must live as long as this object.
  void set_row(int i, int n, const Number<T>* z) { rows_[std::size_t(i)].push_back({n, z}); }
  /// The mean routing of the rows becomes q (E), which must live as long as this object.
  void set_mean(int i, std::vector<int> rows, const std::vector<double>& q) {
    means_[std::size_t(i)].push_back({std::move(rows), &q});
  }
  void change(T* z, int i, int N, int E) const override;

  /// The largest |mean - q| that any set_mean() was left with.
  double farthest() const { return farthest_; }

 private:
  struct Row {
    int n;
    const Number<T>* z;
  };
  struct Mean {
    std::vector<int> rows;
    const std::vector<double>* q;
  };
  MatchLimits limits_;
  std::vector<std::vector<Row>> rows_;    // by layer
  std::vector<std::vector<Mean>> means_;  // by layer
  mutable double farthest_ = 0;
};

}  // namespace ramoe
