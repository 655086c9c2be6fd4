// The operations of chapter 10, through the alignment loss.
#pragma once

#include <cmath>
#include <memory>

#include "ch10_alignment/alignment_loss.h"
#include "support/op_case.h"

namespace ramoe {

/// The alignment loss of logits z (N,E), cut into S sequences of N/S tokens, over the first
/// experts as support. The English sides are drawn.
template <class T>
auto alignment_of(Tape<T>& tape, const Tensor<T>& z, const AlignmentMeasure& measure, int S,
                  int support) {
  const int N = z.rows(), E = z.columns();
  std::vector<std::vector<int>> tokens(std::size_t(S), std::vector<int>(std::size_t(N / S), 1));
  const TokenBatch batch = make_batch(tokens, 0, -1);
  Routing<T> routing;
  routing.N = N, routing.E = E, routing.K = 1;
  routing.logits.z = z;
  {
    const typename Tape<T>::NoGrad no_grad(tape);
    routing.probabilities.p = softmax(tape, tape.detach(z)).data;
  }
  const auto experts = std::make_shared<ExpertSets>(1);
  for (int e = 0; e < support; ++e) (*experts)[0].push_back(e);
  Random random(5, 6);
  const auto q_star = std::make_shared<std::vector<PerLayer>>();
  std::vector<AlignedSequence> sequences;
  for (int s = 0; s < S; ++s) {
    std::vector<double> q;
    double sum = 0;
    for (int e = 0; e < E; ++e) sum += q.emplace_back(std::exp(random.normal()));
    for (double& value : q) value /= sum;
    q_star->push_back({q});
  }
  for (int s = 0; s < S; ++s)
    sequences.push_back({s, {}, &(*q_star)[std::size_t(s)], experts.get()});
  return [=, &tape] {
    (void)q_star, (void)experts;  // the sequences point into them
    return alignment_loss<T>(tape, {routing}, batch, sequences, {0}, measure);
  };
}

/// The loss reads p, and backward reads p and writes dz.
inline std::vector<OpAtStep> alignment_at_step(const StepSizes& s) {
  const double ne = 1.0 * s.N * s.E;
  const Shape z{s.N, s.E};
  return {
      {"alignment_loss", cat(z, ", ", s.B, " examples"), {{z}, {s.B, 1}}, {0, ne}, {0, 2 * ne}}};
}

inline std::vector<OpCase> op_cases_ch10() {
  std::vector<OpCase> cases;
  for (const AlignmentForm form : every<AlignmentForm>())
    cases.push_back(
        OpCase("alignment_loss_" + name_of(form),
               [form](auto& tape, const auto& in, const Dims& d) {
                 return alignment_of(tape, in[0], {form, 0.6, 1.7}, d[0], d[1]);
               })
            .covers({"sequence_mean_forward", "sequence_mean_backward",
                     "alignment_divergence_forward", "alignment_mean_forward"})
            .size({{6, 5}}, {2, 2})
            .size({{1, 1}}, {1, 1})  // one token, one expert: nothing can move
            .size({{4, 3}}, {1, 3})  // a support of all experts
            .size({{12, 17}}, {3, 1})
            .large({{320, 64}}, {64, 8})
            .within(1e-5, "logarithms of quotients of rounded p; q itself is a double"));
  cases[0].at_step(alignment_at_step);
  return cases;
}

}  // namespace ramoe
