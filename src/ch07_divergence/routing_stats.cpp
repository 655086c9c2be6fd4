#include "ch07_divergence/routing_stats.h"

#include <algorithm>
#include <numeric>

namespace ramoe {

int mean_routing(std::vector<double>& q, const Routing<float>& routing, const TokenBatch& batch,
                 int b, TokenSpan span) {
  q.assign(static_cast<std::size_t>(routing.E), 0.0);
  int counted = 0;
  for (int t = std::max(0, span.begin); t < std::min(batch.T, span.end); ++t) {
    const int n = b * batch.T + t;
    if (!batch.scored[std::size_t(n)]) continue;
    ++counted;
    for (int e = 0; e < routing.E; ++e)
      q[std::size_t(e)] += double(row(routing.probabilities.p, n, routing.E)[e]);
  }
  for (double& value : q) value /= std::max(1, counted);
  return counted;
}

namespace {

void usage(std::vector<double>& u, const Routing<float>& routing, const TokenBatch& batch, int b,
           TokenSpan span, int counted) {
  u.assign(static_cast<std::size_t>(routing.E), 0.0);
  for (int t = std::max(0, span.begin); t < std::min(batch.T, span.end); ++t) {
    const int n = b * batch.T + t;
    if (!batch.scored[std::size_t(n)]) continue;
    for (int k = 0; k < routing.K; ++k)
      u[std::size_t(row(routing.chosen.expert, n, routing.K)[k])] += 1.0 / counted;
  }
}

/// Whether a batch may have `rows` rows of which `last` is the longest: the routing of every layer
/// and token is in memory at once.
bool fits(std::size_t rows, const std::vector<int>& last) {
  constexpr std::size_t kRows = 64, kTokens = 8192;
  return rows == 1 || (rows <= kRows && rows * last.size() <= kTokens);
}

}  // namespace

std::vector<SequenceRouting> sequence_routing(Model<float>& model,
                                              const std::vector<std::vector<int>>& sequences,
                                              const std::vector<TokenSpan>& spans,
                                              const Watch& watch) {
  check(spans.empty() || spans.size() == sequences.size(), "sequence_routing: ", spans.size(),
        " spans for ", sequences.size(), " sequences.");
  std::vector<int> order(sequences.size());  // similar lengths together
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return sequences[std::size_t(a)].size() < sequences[std::size_t(b)].size();
  });
  Arena arena;
  Tape<float> tape(arena);
  const Tape<float>::NoGrad no_grad(tape);
  const ModelConfig& config = model.config();
  std::vector<SequenceRouting> result(sequences.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    std::vector<std::vector<int>> members;
    for (end = begin;
         end < order.size() && fits(end - begin + 1, sequences[std::size_t(order[end])]); ++end)
      members.push_back(sequences[std::size_t(order[end])]);
    const TokenBatch batch = make_batch(members, config.pad_token_id, config.bos_token_id);
    tape.reset();
    const ForwardResult<float> forward = model.forward(tape, batch, {.routing_only = true});
    for (int b = 0; b < batch.B; ++b) {
      const std::size_t i = std::size_t(order[begin + std::size_t(b)]);
      const TokenSpan span = spans.empty() ? TokenSpan{} : spans[i];
      result[i].q.resize(forward.routing.size());
      result[i].u.resize(forward.routing.size());
      for (std::size_t l = 0; l < forward.routing.size(); ++l) {
        const int counted = mean_routing(result[i].q[l], forward.routing[l], batch, b, span);
        check(counted > 0, "sequence ", i, " has no token besides BOS in the span looked at.");
        usage(result[i].u[l], forward.routing[l], batch, b, span, counted);
      }
    }
    if (watch) watch(batch.B);
  }
  return result;
}

PerLayer mean_of(const std::vector<SequenceRouting>& routings, PerLayer SequenceRouting::*which) {
  check(!routings.empty(), "the mean routing of no sequence at all was asked for.");
  PerLayer mean = routings[0].*which;
  for (std::vector<double>& layer : mean) std::fill(layer.begin(), layer.end(), 0.0);
  const double share = 1.0 / static_cast<double>(routings.size());
  for (const SequenceRouting& routing : routings)
    for (std::size_t l = 0; l < mean.size(); ++l)
      for (std::size_t e = 0; e < mean[l].size(); ++e) mean[l][e] += share * (routing.*which)[l][e];
  return mean;
}

}  // namespace ramoe
