// A tokenizer, a model and a few questions, small enough to be learnt by heart within a test.
#pragma once

#include <string>
#include <vector>

#include "ch05_training/trainer.h"
#include "ch06_languages/batches.h"
#include "ch06_languages/bpe_train.h"

namespace ramoe {

inline const Tokenizer& small_tokenizer() {
  static const Tokenizer shared =
      train_bpe(std::vector<std::string>{"one two three four five", "one two three four five",
                                         "moja mbili tatu nne tano", "moja mbili tatu nne tano"},
                280);
  return shared;
}

/// C=16, L=3, E=4, K=2, H=16.
inline ModelConfig small_model_config() {
  ModelConfig c;
  c.vocab_size = small_tokenizer().vocab_size();
  c.hidden_size = 16;
  c.num_hidden_layers = 3;
  c.num_attention_heads = c.num_key_value_heads = 2;
  c.num_experts = 4;
  c.num_experts_per_tok = 2;
  c.moe_intermediate_size = 16;
  c.max_position_embeddings = 64;
  c.initializer_range = 0.2;
  c.bos_token_id = small_tokenizer().bos();
  c.eos_token_id = small_tokenizer().eos();
  c.pad_token_id = small_tokenizer().pad();
  return c;
}

inline Example small_example(const std::string& id, const std::string& lang,
                             const std::string& question, const std::string& answer) {
  return {id, "sums", lang, question, answer};
}

/// Pairs in English and Swahili, by the number they ask for.
inline std::vector<ExamplePair> small_pairs() {
  const std::vector<std::string> english = {"one", "two", "three", "four", "five"},
                                 swahili = {"moja", "mbili", "tatu", "nne", "tano"};
  std::vector<ExamplePair> pairs;
  for (std::size_t i = 0; i + 1 < english.size(); ++i) {
    const std::string id = cat("sums/", i + 1, "+1");
    pairs.push_back({small_example(id, "en", english[i] + " ?", english[i + 1]),
                     small_example(id, "sw", swahili[i] + " ?", swahili[i + 1])});
  }
  return pairs;
}

/// Trains until the examples are known by heart.
inline void teach(Model<float>& model, const std::vector<Example>& examples, int steps = 80) {
  CachedEncoder encoder(small_tokenizer());
  std::vector<TrainingSequence> sequences;
  for (const Example& e : examples)
    sequences.push_back(Prompts(small_tokenizer()).example(encoder, e.question, e.answer));
  TrainConfig config;
  config.steps = steps;
  config.learning_rate = 0.01;
  Trainer<float> trainer(model, config);
  while (trainer.steps_done() < steps)
    trainer.step([&](int) {
      return make_training_batch(sequences, small_tokenizer().pad(), small_tokenizer().bos());
    });
}

}  // namespace ramoe
