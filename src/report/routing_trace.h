// Report - one pair seen from inside: which experts each token visits, before and after
//
// The English prompt goes through the frozen base model, the target prompt through the base model
// ("before") and through the fine-tuned one ("after"). Per layer: D(q*, q) of chapter 7 against the
// English side, and the routing mass m = sum over S_l of q. One pair illustrates; it proves
// nothing: which pair is shown is decided before the fine-tuned model has seen it.
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
  std::vector<std::vector<std::vector<int>>> chosen;  // (L,T,K), likeliest first
  PerLayer q;                                         // (L,E)
};
/// `sequence` is BOS + text, or text alone where the model has no BOS. Error: nothing but BOS.
PassageRouting passage_routing(Model<float>& model, const std::vector<int>& sequence);

/// A token for the eye: a leading blank as U+2423, bytes that are no character as <E0>.
std::string visible_token(const Tokenizer& tokenizer, int id);

/// The pair that is shown: the first of the list that the model answers in English but not in the
/// target language; the first of all if there is none. Error: no pair.
ExamplePair pair_to_show(Model<float>& base, const Prompts& prompts,
                         const std::vector<ExamplePair>& pairs, const AnswerOptions& options);

/// What is common to the traces of a fine-tuned model.
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
