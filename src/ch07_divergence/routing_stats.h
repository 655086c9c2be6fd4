// Chapter 7.1 - what a model's routers do with a text: q and u of each layer
//
//   q_l(x)[e] = 1/T sum_t p_l[t,e]                     routing: mean router probability over x
//   u_l(x)[e] = share of the tokens of x whose top-K contains e                        usage
//
// T counts the scored tokens of x: neither padding nor BOS. q sums to 1 over the experts, u to K.
// Both are doubles on the host, whatever the type of the model.
// Tests: tests/ch07_divergence/routing_stats_test.cpp
#pragma once

#include <functional>
#include <vector>

#include "ch04_moe/model.h"
#include "support/stop.h"

namespace ramoe {

/// One vector of E values per MoE layer: (L,E).
using PerLayer = std::vector<std::vector<double>>;

struct SequenceRouting {
  PerLayer q, u;  // (L,E)
};

/// Which tokens of a sequence count: [begin, end). BOS never counts.
struct TokenSpan {
  int begin = 0, end = 1 << 30;
};

/// What a layer's router decided, on the host.
template <class T>
struct FetchedRouting {
  explicit FetchedRouting(const Routing<T>& routing);
  int E, K;
  std::vector<Number<T>> p;  // (N,E)
  std::vector<int> chosen;   // (N,K)
};

/// The mean of the rows of `values` (N,width) that are scored tokens of sequence b in the span.
/// Returns the number of these tokens; if it is 0, the mean is zero.
template <class Value>
int mean_of_rows(std::vector<double>& mean, const std::vector<Value>& values, int width,
                 const TokenBatch& batch, int b, TokenSpan span);
/// The same of p: q of sequence b.
template <class T>
int mean_routing(std::vector<double>& q, const FetchedRouting<T>& routing, const TokenBatch& batch,
                 int b, TokenSpan span);

/// Reads the sequences (BOS + text) in batches of similar length. `visit` gets each batch, the
/// indices of its sequences, and their routing, valid until it returns; the router's inputs have
/// data only if they are asked for.
template <class T>
using RoutingVisit = std::function<void(const TokenBatch& batch, const std::vector<int>& members,
                                        const std::vector<Routing<T>>& routing)>;
template <class T>
void read_routing(Model<T>& model, const std::vector<std::vector<int>>& sequences,
                  const RoutingVisit<T>& visit, RoutingLeft left = RoutingLeft::decisions);

/// The routing of each sequence, in order. `spans`: one per sequence, or empty for all
/// tokens. `watch` is told how many sequences are done. Error: a sequence without a scored token in
/// its span.
template <class T>
std::vector<SequenceRouting> sequence_routing(Model<T>& model,
                                              const std::vector<std::vector<int>>& sequences,
                                              const std::vector<TokenSpan>& spans = {},
                                              const Watch& watch = {});

/// The mean of q (or u) over the sequences. Error: no sequences.
PerLayer mean_of(const std::vector<SequenceRouting>& routings, PerLayer SequenceRouting::*which);

}  // namespace ramoe
