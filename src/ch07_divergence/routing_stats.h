// Chapter 7.1 - what a model's routers do with a text: q and u per layer
//
//   q_l(x)[e] = 1/T sum_t p_l[t,e]         routing: mean router probability over the tokens of x
//   u_l(x)[e] = share of the tokens of x whose top-K contains e        usage
//
// Padding and BOS never enter. Tests: tests/ch07_divergence/routing_stats_test.cpp
#pragma once

#include <vector>

#include "ch04_moe/model.h"
#include "support/watch.h"

namespace ramoe {

/// One vector of E values per layer.
using PerLayer = std::vector<std::vector<double>>;

struct SequenceRouting {
  PerLayer q;  // (L,E) sums to 1 over E
  PerLayer u;  // (L,E) sums to K over E
};

/// Which tokens of a sequence are looked at: [begin, end); BOS is left out in any case.
struct TokenSpan {
  int begin = 0, end = 1 << 30;
};

/// q of one row b of a batch from a layer's probabilities over the counted tokens in the span.
/// Returns how many tokens that were; with none q is left zero.
int mean_routing(std::vector<double>& q, const Routing<float>& routing, const TokenBatch& batch,
                 int b, TokenSpan span);

/// The routing of each sequence (BOS + text), in order. `spans`: one per sequence, or empty for
/// all. `watch` is told of the sequences done. Error: a sequence without any counted token.
std::vector<SequenceRouting> sequence_routing(Model<float>& model,
                                              const std::vector<std::vector<int>>& sequences,
                                              const std::vector<TokenSpan>& spans = {},
                                              const Watch& watch = {});

/// The mean over sequences of q (or u).
PerLayer mean_of(const std::vector<SequenceRouting>& routings, PerLayer SequenceRouting::*which);

}  // namespace ramoe
