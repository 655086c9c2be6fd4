#include "ch10_alignment/alignment_loss.h"

#include <algorithm>

#include "ch02_autograd/basic_ops.h"
#include "ch05_training/training_batch.h"

namespace ramoe {
namespace {

/// The aligned sequences as arrays on the host.
struct Layout {
  std::vector<int> rows, begin = {0};  // (rows of all sequences), (S+1)
  std::vector<double> q_star;          // (M,S,E)
  std::vector<unsigned char> in_support;
};

/// Adds the rows of a sequence that are scored and lie in its span.
void add_rows(Layout& layout, const TokenBatch& batch, const AlignedSequence& sequence) {
  for (int t = std::max(0, sequence.span.begin); t < std::min(batch.T, sequence.span.end); ++t)
    if (const int n = sequence.b * batch.T + t; batch.scored[std::size_t(n)])
      layout.rows.push_back(n);
  check(static_cast<int>(layout.rows.size()) > layout.begin.back(), "sequence ", sequence.b,
        " of the batch has no token to align in its span; is the question empty?");
  layout.begin.push_back(static_cast<int>(layout.rows.size()));
}

/// Adds q* and the support of a sequence in one layer.
void add_english_side(Layout& layout, const std::vector<double>& q_star,
                      const std::vector<int>& support, int E) {
  check(static_cast<int>(q_star.size()) == E && !support.empty(), "alignment of ", E,
        " experts with ", q_star.size(), " over a support of ", support.size(),
        "; expected equal numbers and a support.");
  layout.q_star.insert(layout.q_star.end(), q_star.begin(), q_star.end());
  layout.in_support.resize(layout.q_star.size(), 0);
  for (const int k : support) {
    check(k >= 0 && k < E, "support expert ", k, " is not one of ", E, ".");
    *(layout.in_support.end() - E + k) = 1;
  }
}

/// A copy in the memory where the tape's values are.
template <class T, class Value>
const Beside<T, Value>* kept(Tape<T>& tape, const std::vector<Value>& values) {
  Beside<T, Value>* there = tape.template keep<Beside<T, Value>>(values.size());
  copy_in(there, values.data(), values.size());
  return there;
}

/// With room for S sequences.
Layout layout_of(const TokenBatch& batch, const std::vector<AlignedSequence>& sequences,
                 const std::vector<int>& layers, int L, int E, int S) {
  check(!layers.empty(), "alignment over no layer at all was asked for.");
  Layout layout;
  for (const AlignedSequence& sequence : sequences) {
    add_rows(layout, batch, sequence);
    check(static_cast<int>(sequence.support->size()) == L, "alignment with support for ",
          sequence.support->size(), " of ", L, " layers.");
  }
  layout.begin.resize(std::size_t(S) + 1, layout.begin.back());
  for (std::size_t m = 0; m < layers.size(); ++m) {
    const std::size_t l = std::size_t(layers[m]);
    for (const AlignedSequence& sequence : sequences)
      add_english_side(layout, (*sequence.q_star)[l], (*sequence.support)[l], E);
    layout.q_star.resize((m + 1) * std::size_t(S) * std::size_t(E));
    layout.in_support.resize(layout.q_star.size());
  }
  return layout;
}

}  // namespace

template <class T>
PlacedAlignment<T> place(Tape<T>& tape, const TokenBatch& batch,
                         const std::vector<AlignedSequence>& sequences,
                         const std::vector<int>& layers, int L, int E) {
  if (sequences.empty()) return {};
  const int count = static_cast<int>(sequences.size());
  // Room for one in every row costs little, and then the number of ci examples needs no recording
  // of its own.
  const int S = Lives<T>::on_gpu ? common_size(std::max(count, batch.B)) : count;
  Layout layout = layout_of(batch, sequences, layers, L, E, S);
  if (Lives<T>::on_gpu)  // no row is in two sequences
    layout.rows.resize(std::size_t(batch.B) * std::size_t(batch.T));
  return {S,
          tape.keep_count(static_cast<int>(layers.size()) * count),
          kept(tape, layout.rows),
          kept(tape, layout.begin),
          kept(tape, layout.q_star),
          kept(tape, layout.in_support)};
}

/// What backward needs of one layer.
template <class T>
struct AlignedLayer {
  Tensor<T> z;
  const T* p;
  T* g;  // (S,E)
};

template <class T>
Tensor<T> alignment_loss(Tape<T>& tape, const std::vector<Routing<T>>& routing,
                         const PlacedAlignment<T>& placed, const std::vector<int>& layers,
                         const AlignmentMeasure& measure) {
  if (placed.S == 0) return {};
  const auto [S, parts, rows, begin, q_star, in_support] = placed;
  const int M = static_cast<int>(layers.size()), E = routing[std::size_t(layers[0])].E;
  const std::size_t all = std::size_t(S) * std::size_t(E);
  auto* q = tape.template keep<Beside<T, double>>(all);
  auto* D = tape.template keep<Beside<T, double>>(std::size_t(M) * std::size_t(S));
  auto* aligned = tape.template keep_host<AlignedLayer<T>>(std::size_t(M));
  Tensor<T> any;
  for (int m = 0; m < M; ++m) {
    const Routing<T>& r = routing[std::size_t(layers[std::size_t(m)])];
    aligned[m] = {r.logits.z, r.probabilities.p, tape.template keep<T>(all)};
    sequence_mean_forward(q, aligned[m].p, rows, begin, S, E);
    alignment_divergence_forward(D + m * S, aligned[m].g, q_star + std::size_t(m) * all, q,
                                 in_support + std::size_t(m) * all, measure, S, E);
    if (r.logits.z.node >= 0) any = r.logits.z;
  }
  const Tensor<T> loss = tape.output(Shape{}, any);
  alignment_mean_forward(loss.data, D, parts, M, S);
  tape.record(loss, [&tape = tape, aligned, placed, loss, M, E] {
    const T* dloss = tape.grad(loss);
    for (int m = 0; m < M; ++m)
      if (T* dz = tape.grad(aligned[m].z))
        sequence_mean_backward(dz, aligned[m].p, aligned[m].g, placed.rows, placed.begin, dloss,
                               placed.parts, placed.S, E);
  });
  return loss;
}

template <class T>
Tensor<T> alignment_loss(Tape<T>& tape, const std::vector<Routing<T>>& routing,
                         const TokenBatch& batch, const std::vector<AlignedSequence>& sequences,
                         const std::vector<int>& layers, const AlignmentMeasure& measure) {
  const int E = layers.empty() ? 0 : routing[std::size_t(layers[0])].E;
  const int L = static_cast<int>(routing.size());
  return alignment_loss(tape, routing, place(tape, batch, sequences, layers, L, E), layers,
                        measure);
}

namespace {

/// (S,N): 1/T_s at the T_s rows of sequence s, so that the product with h (N,C) is its means.
template <class T>
Tensor<T> averaging(Tape<T>& tape, const Layout& layout, int S, int N) {
  std::vector<Number<T>> weights(std::size_t(S) * std::size_t(N));
  for (int s = 0; s < S; ++s) {
    const int begin = layout.begin[std::size_t(s)], end = layout.begin[std::size_t(s) + 1];
    for (int i = begin; i < end; ++i)
      row(weights.data(), s, N)[layout.rows[std::size_t(i)]] =
          Number<T>(1) / Number<T>(end - begin);
  }
  return tape.constant(const_cast<T*>(kept(tape, weights)), {S, N});
}

/// -h* (S,C) of a layer.
template <class T>
Tensor<T> negative_states(Tape<T>& tape, const std::vector<AlignedSequence>& sequences, int l,
                          int C) {
  std::vector<Number<T>> states;
  for (const AlignedSequence& sequence : sequences) {
    const std::vector<double>& h_star = (*sequence.q_star)[std::size_t(l)];
    check(static_cast<int>(h_star.size()) == C, "alignment of states of ", C, " values with ",
          h_star.size(), ".");
    for (const double value : h_star) states.push_back(static_cast<Number<T>>(-value));
  }
  return tape.constant(const_cast<T*>(kept(tape, states)), {static_cast<int>(sequences.size()), C});
}

/// The sum of the squares of x, in fp32 as the routing losses are.
template <class T>
Tensor<T> sum_of_squares(Tape<T>& tape, const Tensor<T>& x) {
  const typename Tape<T>::InPrecision exact(tape, Precision::fp32);
  const Tensor<T> flat = tape.reshape(x, {1, static_cast<int>(x.count())});
  return linear_transposed(tape, flat, flat);
}

}  // namespace

template <class T>
Tensor<T> hidden_loss(Tape<T>& tape, const std::vector<Routing<T>>& routing,
                      const TokenBatch& batch, const std::vector<AlignedSequence>& sequences,
                      const std::vector<int>& layers) {
  if (sequences.empty()) return {};
  check(!layers.empty(), "alignment over no layer at all was asked for.");
  Layout layout;
  for (const AlignedSequence& sequence : sequences) add_rows(layout, batch, sequence);
  const int S = static_cast<int>(sequences.size());
  const Tensor<T> mean_of = averaging(tape, layout, S, batch.B * batch.T);
  Tensor<T> loss;
  for (const int l : layers) {
    const Tensor<T>& h = routing[std::size_t(l)].input;
    const Tensor<T> difference =
        add(tape, linear_fp32(tape, mean_of, h), negative_states(tape, sequences, l, h.columns()));
    const double share = 1.0 / (double(layers.size()) * double(difference.count()));
    loss = weighted_sum<T>(tape, {{loss, 1.0}, {sum_of_squares(tape, difference), share}});
  }
  return loss;
}

#define RAMOE_INSTANTIATE(T)                                                                      \
  template PlacedAlignment<T> place(Tape<T>&, const TokenBatch&,                                  \
                                    const std::vector<AlignedSequence>&, const std::vector<int>&, \
                                    int, int);                                                    \
  template Tensor<T> alignment_loss(Tape<T>&, const std::vector<Routing<T>>&,                     \
                                    const PlacedAlignment<T>&, const std::vector<int>&,           \
                                    const AlignmentMeasure&);                                     \
  template Tensor<T> hidden_loss(Tape<T>&, const std::vector<Routing<T>>&, const TokenBatch&,     \
                                 const std::vector<AlignedSequence>&, const std::vector<int>&);   \
  template Tensor<T> alignment_loss(Tape<T>&, const std::vector<Routing<T>>&, const TokenBatch&,  \
                                    const std::vector<AlignedSequence>&, const std::vector<int>&, \
                                    const AlignmentMeasure&);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
