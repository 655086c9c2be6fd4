// Report - one pair seen from inside: which experts each token visits, before and after
//
// The English prompt goes through the frozen base model, the target prompt through the base model
// ("before") and through the fine-tuned one ("after"). For each layer there are D(q*, q) of chapter
// 7, where q* is the English side, and the routing mass m = sum over S_l of q. One pair is an
// illustration and proves nothing. It is chosen before the fine-tuned model has seen it.
// Tests: tests/report/routing_trace_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch07_divergence/answers.h"
#include "ch07_divergence/divergence.h"
#include "ch12_experiments/run_results.h"

namespace ramoe {

/// What a passage's tokens do in every layer; BOS is left out.
struct PassageRouting {
  std::vector<int> ids;                               // (T)
  std::vector<std::vector<std::vector<int>>> chosen;  // (L,T,K), by falling probability
  PerLayer q;                                         // (L,E)
};
/// `sequence` is BOS + text, or text alone if the model has no BOS. Error: nothing but BOS.
PassageRouting passage_routing(Model<float>& model, const std::vector<int>& sequence);

/// A token in visible form: a leading blank as U+2423, bytes that are not a character as <E0>.
std::string visible_token(const Tokenizer& tokenizer, int id);

/// The pair to show: the first one that the model answers correctly in English but not in the
/// target language; the first of all if there is none. Error: no pairs.
ExamplePair pair_to_show(Model<float>& base, const Prompts& prompts,
                         const std::vector<ExamplePair>& pairs, const AnswerOptions& options);

/// What all traces of a fine-tuned model share.
struct TraceContext {
  const Prompts& prompts;
  Zone zone;
  std::vector<std::vector<int>> experts;  // S_l of every layer, of the pair's task
  AnswerOptions answers;
  std::string method;
};
RoutingTrace trace_pair(Model<float>& base, Model<float>& tuned, const ExamplePair& pair,
                        const TraceContext& context);

}  // namespace ramoe
