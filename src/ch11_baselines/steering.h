// Chapter 11.2 - Routing Steering: favour the task experts at inference, train nothing
//
// In the layers of the zone, the logits of every token change before the softmax
// (arXiv 2510.04694):
//
//   soft   z'[e] = z[e] + strength * std(z)      for the task experts e of the layer
//   hard   z'[e] = max(z) + 1e-6 noise[e]        the same, so that they are always chosen
//
// The noise orders the forced experts. At most K experts of a layer are steered to: those with the
// largest score of stage 2. Ours: the noise is drawn once per layer and expert, so that an answer
// does not depend on the rest of its batch. Tests: tests/ch11_baselines/steering_test.cpp
#pragma once

#include "ch07_divergence/divergence.h"
#include "ch09_task_experts/task_experts.h"

namespace ramoe {

enum class Steering { none, soft, hard };
constexpr auto names(Steering) {
  return std::array{"none", "soft", "hard"};
}

struct SteeringConfig {
  Steering form = Steering::none;
  double strength = 0.5;   // of soft, in standard deviations of a token's logits
  std::uint64_t seed = 1;  // of hard's noise

  void list(FieldList& fields);
};

/// z[n,e] += strength * std(z[n,:]) for each of the `count` experts.
template <class T>
void steer_soft(T* z, const Index<T>* experts, int count, double strength, int N, int E);
/// z[n,e] = max(z[n,:]) + 1e-6 noise[j] for expert number j of the list. The result is always above
/// the maximum: if rounding loses the small difference, it is the next number above.
template <class T>
void steer_hard(T* z, const Index<T>* experts, const T* noise, int count, int N, int E);

template <class T>
class RoutingSteering : public RouterHook<T> {
 public:
  /// Steers the layers of the zone towards at most K = `most` of their task experts.
  RoutingSteering(const SteeringConfig& config, Zone zone, const TaskExperts& experts, int most);
  void change(T* z, int i, int N, int E) const override;
  /// The experts that are steered to, by MoE layer; none outside the zone.
  const std::vector<std::vector<int>>& experts() const { return experts_; }

 private:
  SteeringConfig config_;
  std::vector<std::vector<int>> experts_;
  // The same experts and the noise of each, in the memory where the logits are.
  std::vector<typename Lives<T>::template Vector<Index<T>>> placed_;
  std::vector<Storage<T>> noise_;
};

}  // namespace ramoe
