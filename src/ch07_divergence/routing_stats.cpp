#include "ch07_divergence/routing_stats.h"

#include <algorithm>

#include "support/order.h"

namespace ramoe {

template <class T>
FetchedRouting<T>::FetchedRouting(const Routing<T>& routing)
    : E(routing.E),
      K(routing.K),
      p(static_cast<std::size_t>(routing.N) * static_cast<std::size_t>(E)),
      chosen(static_cast<std::size_t>(routing.N) * static_cast<std::size_t>(K)) {
  copy_out(p.data(), routing.probabilities.p, p.size());
  copy_out(chosen.data(), routing.chosen.expert, chosen.size());
}

namespace {

/// Calls visit(n) for the scored rows of sequence b within the span.
template <class Visit>
void each_scored_row(const TokenBatch& batch, int b, TokenSpan span, const Visit& visit) {
  for (int t = std::max(0, span.begin); t < std::min(batch.T, span.end); ++t)
    if (const int n = b * batch.T + t; batch.scored[std::size_t(n)]) visit(n);
}

}  // namespace

template <class Value>
int mean_of_rows(std::vector<double>& mean, const std::vector<Value>& values, int width,
                 const TokenBatch& batch, int b, TokenSpan span) {
  int tokens = 0;
  mean.assign(static_cast<std::size_t>(width), 0.0);
  each_scored_row(batch, b, span, [&](int n) {
    ++tokens;
    for (int i = 0; i < width; ++i) mean[std::size_t(i)] += double(row(values.data(), n, width)[i]);
  });
  for (double& value : mean) value /= std::max(1, tokens);
  return tokens;
}

template <class T>
int mean_routing(std::vector<double>& q, const FetchedRouting<T>& routing, const TokenBatch& batch,
                 int b, TokenSpan span) {
  return mean_of_rows(q, routing.p, routing.E, batch, b, span);
}

namespace {

template <class T>
void usage(std::vector<double>& u, const FetchedRouting<T>& routing, const TokenBatch& batch, int b,
           TokenSpan span, int tokens) {
  u.assign(static_cast<std::size_t>(routing.E), 0.0);
  each_scored_row(batch, b, span, [&](int n) {
    for (int k = 0; k < routing.K; ++k)
      u[std::size_t(row(routing.chosen.data(), n, routing.K)[k])] += 1.0 / tokens;
  });
}

/// Limits a batch, because the routing of all its layers and tokens is in memory at once.
bool fits(std::size_t rows, std::size_t longest) {
  constexpr std::size_t kRows = 64, kTokens = 8192;
  return rows <= kRows && rows * longest <= kTokens;
}

}  // namespace

template <class T>
void read_routing(Model<T>& model, const std::vector<std::vector<int>>& sequences,
                  const RoutingVisit<T>& visit, RoutingLeft left) {
  const auto length = [&](int i) { return sequences[std::size_t(i)].size(); };
  ArenaOf<T> arena;
  Tape<T> tape(arena);
  const typename Tape<T>::NoGrad no_grad(tape);
  const ModelConfig& config = model.config();
  for (const std::vector<int>& members : batches_by_length(sequences.size(), length, fits)) {
    std::vector<std::vector<int>> rows;
    for (const int i : members) rows.push_back(sequences[std::size_t(i)]);
    const TokenBatch batch = make_batch(rows, config.pad_token_id, config.bos_token_id);
    tape.reset();
    visit(batch, members,
          model.forward(tape, batch, {.routing_only = true, .left = left}).routing);
  }
}

template <class T>
std::vector<SequenceRouting> sequence_routing(Model<T>& model,
                                              const std::vector<std::vector<int>>& sequences,
                                              const std::vector<TokenSpan>& spans,
                                              const Watch& watch) {
  check(spans.empty() || spans.size() == sequences.size(), "sequence_routing: ", spans.size(),
        " spans for ", sequences.size(), " sequences.");
  std::vector<SequenceRouting> result(sequences.size());
  const RoutingVisit<T> visit = [&](const TokenBatch& batch, const std::vector<int>& members,
                                    const std::vector<Routing<T>>& layers) {
    for (const Routing<T>& layer : layers) {
      const FetchedRouting<T> routing(layer);
      for (int b = 0; b < batch.B; ++b) {
        const std::size_t i = std::size_t(members[std::size_t(b)]);
        const TokenSpan span = spans.empty() ? TokenSpan{} : spans[i];
        std::vector<double>& q = result[i].q.emplace_back();
        const int tokens = mean_routing(q, routing, batch, b, span);
        check(tokens > 0, "sequence ", i, " has no token besides BOS in the span looked at.");
        usage(result[i].u.emplace_back(), routing, batch, b, span, tokens);
      }
    }
    if (watch) watch(batch.B);
  };
  read_routing(model, sequences, visit);
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

#define RAMOE_INSTANTIATE(T)                                                                   \
  template void read_routing(Model<T>&, const std::vector<std::vector<int>>&,                  \
                             const RoutingVisit<T>&, RoutingLeft);                             \
  template struct FetchedRouting<T>;                                                           \
  template int mean_routing(std::vector<double>&, const FetchedRouting<T>&, const TokenBatch&, \
                            int, TokenSpan);                                                   \
  template std::vector<SequenceRouting> sequence_routing(                                      \
      Model<T>&, const std::vector<std::vector<int>>&, const std::vector<TokenSpan>&,          \
      const Watch&);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE
template int mean_of_rows(std::vector<double>&, const std::vector<float>&, int, const TokenBatch&,
                          int, TokenSpan);
template int mean_of_rows(std::vector<double>&, const std::vector<double>&, int, const TokenBatch&,
                          int, TokenSpan);

}  // namespace ramoe
