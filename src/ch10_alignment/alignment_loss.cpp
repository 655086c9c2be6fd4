#include "ch10_alignment/alignment_loss.h"

#include <algorithm>

namespace ramoe {

template <class T>
void alignment_backward(T* dz, const T* p, const T* g, const int* rows, int count, T scale, int E) {
  for (int i = 0; i < count; ++i) {
    const T* p_t = row(p, rows[i], E);
    T* dz_t = row(dz, rows[i], E);
    T mean = 0;  // sum_k p[t,k] g[k]
    for (int e = 0; e < E; ++e) mean += p_t[e] * g[e];
    for (int e = 0; e < E; ++e) dz_t[e] += scale / T(count) * p_t[e] * (g[e] - mean);
  }
}

namespace {

/// One (sequence, layer) of the loss, as backward needs it.
template <class T>
struct Part {
  Tensor<T> z;
  const T* p;
  const T* g;       // (E)
  const int* rows;  // (count) rows of the batch
  int count, E;
};

/// The rows of a sequence that count within its span.
std::vector<int> counted_rows(const TokenBatch& batch, const AlignedSequence& sequence) {
  std::vector<int> rows;
  for (int t = std::max(0, sequence.span.begin); t < std::min(batch.T, sequence.span.end); ++t)
    if (batch.scored[std::size_t(sequence.b * batch.T + t)])
      rows.push_back(sequence.b * batch.T + t);
  check(!rows.empty(), "sequence ", sequence.b,
        " of the batch has no token to align in its span; is the question empty?");
  return rows;
}

template <class T>
std::vector<double> mean_probabilities(const T* p, const int* rows, int count, int E) {
  std::vector<double> q(static_cast<std::size_t>(E), 0.0);
  for (int i = 0; i < count; ++i)
    for (int e = 0; e < E; ++e) q[std::size_t(e)] += double(row(p, rows[i], E)[e]) / count;
  return q;
}

}  // namespace

template <class T>
Tensor<T> alignment_loss(Tape<T>& tape, const std::vector<Routing<T>>& routing,
                         const TokenBatch& batch, const std::vector<AlignedSequence>& sequences,
                         const std::vector<int>& layers, const AlignmentMeasure& measure) {
  if (sequences.empty()) return {};
  check(!layers.empty(), "alignment over no layer at all was asked for.");
  const int parts = static_cast<int>(sequences.size() * layers.size());
  Part<T>* part = tape.template keep<Part<T>>(std::size_t(parts));
  int made = 0;
  double total = 0;
  Tensor<T> any;
  std::vector<double> g;
  for (const AlignedSequence& sequence : sequences) {
    const std::vector<int> found = counted_rows(batch, sequence);
    const int count = static_cast<int>(found.size());
    check(sequence.support->size() == routing.size(), "alignment with support for ",
          sequence.support->size(), " of ", routing.size(), " layers.");
    int* rows = tape.template keep<int>(found.size());
    std::copy(found.begin(), found.end(), rows);
    for (const int l : layers) {
      const Routing<T>& r = routing[std::size_t(l)];
      const T* p = r.probabilities.p;
      total += alignment_divergence(measure, (*sequence.q_star)[std::size_t(l)],
                                    mean_probabilities(p, rows, count, r.E),
                                    (*sequence.support)[std::size_t(l)], g);
      T* kept = tape.template keep<T>(g.size());
      std::transform(g.begin(), g.end(), kept, [](double value) { return static_cast<T>(value); });
      part[made++] = {r.logits.z, p, kept, rows, count, r.E};
      if (r.logits.z.node >= 0) any = r.logits.z;
    }
  }
  const Tensor<T> loss = tape.output(Shape{}, any);
  loss.data[0] = static_cast<T>(total / parts);
  tape.record(loss, [&tape = tape, part, parts, loss] {
    // loss = mean over parts of D, q = mean over rows of p, p = softmax(z)
    const T scale = tape.grad(loss)[0] / static_cast<T>(parts);
    for (int i = 0; i < parts; ++i)
      if (T* dz = tape.grad(part[i].z))
        alignment_backward(dz, part[i].p, part[i].g, part[i].rows, part[i].count, scale, part[i].E);
  });
  return loss;
}

#define RAMOE_INSTANTIATE(T)                                                                      \
  template void alignment_backward(T*, const T*, const T*, const int*, int, T, int);              \
  template Tensor<T> alignment_loss(Tape<T>&, const std::vector<Routing<T>>&, const TokenBatch&,  \
                                    const std::vector<AlignedSequence>&, const std::vector<int>&, \
                                    const AlignmentMeasure&);
RAMOE_INSTANTIATE(float)
RAMOE_INSTANTIATE(double)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
