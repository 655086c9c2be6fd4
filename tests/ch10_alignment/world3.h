// Stage 3 in small: examples of every type, a base model, and what the stages before found.
#pragma once

#include <vector>

#include "ch07_divergence/small_world.h"
#include "ch10_alignment/alignment_term.h"
#include "ch10_alignment/finetune.h"

namespace ramoe {

/// Four examples cc, ci, ic, ii of the small world with a base model and stages 1 and 2.
template <class T>
struct World3Of {
  Model<T> model;
  std::vector<FinetuneExample> examples;
  StageResults stages{{1, 2}, {{"sums", {{0}, {0, 2}, {1, 3}}}}};
  explicit World3Of(const ModelConfig& config = small_model_config()) : model(config, 1) {
    CachedEncoder encoder(small_tokenizer());
    int i = 0;
    for (const ExamplePair& pair : small_pairs()) {
      FinetuneExample e{pair.target.id, "sums", every<PairType>()[std::size_t(i)], {}, {}};
      e.target =
          Prompts(small_tokenizer()).example(encoder, pair.target.question, pair.target.answer);
      e.target.example = i++;
      e.english =
          Prompts(small_tokenizer()).example(encoder, pair.english.question, pair.english.answer);
      e.target_prompt = prompt_tokens(small_tokenizer(), e.target, small_tokenizer().bos());
      e.english_prompt = prompt_tokens(small_tokenizer(), e.english, small_tokenizer().bos());
      examples.push_back(e);
    }
  }
  TrainingBatch batch_of(const std::vector<int>& members) const {
    std::vector<TrainingSequence> sequences;
    for (const int i : members) sequences.push_back(examples[std::size_t(i)].target);
    return make_training_batch(sequences, small_tokenizer().pad(), small_tokenizer().bos());
  }
  AlignmentTerm<T> term(const AlignmentConfig& config, int steps = 10) {
    return {model, config, stages, examples, steps, 1};
  }
};
using World3 = World3Of<float>;

}  // namespace ramoe
