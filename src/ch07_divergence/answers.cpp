#include "ch07_divergence/answers.h"

#include <algorithm>
#include <cmath>

#include "ch05_training/memory.h"

namespace ramoe {
namespace {

/// Error if one batch of questions cannot fit: its keys and values, and the pass over its prompts.
template <class T>
void check_cache(const Model<T>& model, const std::vector<std::vector<int>>& inputs,
                 const AnswerOptions& options) {
  const ModelConfig& config = model.config();
  std::size_t longest = 0;
  for (const std::vector<int>& input : inputs) longest = std::max(longest, input.size());
  const double row = double(longest) + options.max_new_tokens;
  const double rows = std::min({double(inputs.size()), double(options.batch),
                                std::max(1.0, std::floor(options.batch_tokens / row))});
  const double prompts = count_forward(config, static_cast<int>(longest), memory_of<T>)
                             .bytes(rows * double(longest), rows, model.weights());
  check_memory_for<T>(rows * row * cache_bytes_per_token(config) + prompts,
                      cat("answering ", rows, " questions together"),
                      "lower --answer_tokens or --answer_batch");
}

}  // namespace

void AnswerOptions::list(FieldList& f) {
  f.add("max_new_tokens", &max_new_tokens, "longest answer in tokens", {1, 1 << 20});
  f.add("answer_batch", &batch, "most questions answered together", {1, 1 << 16});
  f.add("answer_tokens", &batch_tokens,
        "most tokens of such a batch, prompts and answers; bounds the memory", {1, 1 << 30});
  f.add("stop", &stop,
        "text that ends an answer besides EOS, such as \\n or <|im_end|>; empty: as the base run "
        "says");
}

template <class T>
std::vector<Answer> answer_questions(Model<T>& model, const Prompts& prompts,
                                     const std::vector<Example>& examples,
                                     const AnswerOptions& options, const RouterHook<T>* hook) {
  CachedEncoder encoder(prompts.tokenizer());
  const int room = model.config().max_position_embeddings - options.max_new_tokens;
  std::vector<std::vector<int>> inputs;
  for (const Example& example : examples) {
    inputs.push_back(prompts.prompt(encoder, example.question));
    check(static_cast<int>(inputs.back().size()) <= room, "the prompt of ", example.id, " in ",
          example.lang, " has ", inputs.back().size(), " tokens; with ", options.max_new_tokens,
          " new ones it exceeds the model's maximum of ", model.config().max_position_embeddings,
          " positions. Shorten it, or lower --max_new_tokens.");
  }
  check_cache(model, inputs, options);
  CachedMoe<T> cached(model, hook);
  GenerateOptions generation;
  generation.max_new_tokens = options.max_new_tokens;
  generation.batch = options.batch;
  generation.batch_tokens = options.batch_tokens;
  generation.eos = prompts.format().eos;
  generation.vocabulary = prompts.tokenizer().vocab_size();
  if (!prompts.format().stop.empty())
    generation.has_stopped = [&](const auto& output) { return prompts.has_stopped(output); };
  double told = 0;
  generation.watch = [&](std::size_t done) {
    if (!options.watch) return;
    const double questions = static_cast<double>(done) / options.max_new_tokens;
    options.watch(questions - told);
    told = questions;
  };
  const std::vector<std::vector<int>> outputs = generate(cached, inputs, generation);
  std::vector<Answer> answers;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    Answer answer{examples[i].id, prompts.answer_text(outputs[i]), false};
    answer.correct = examples[i].is_answered_by(answer.output);
    answers.push_back(std::move(answer));
  }
  return answers;
}

#define RAMOE_INSTANTIATE(T)                                                                       \
  template std::vector<Answer> answer_questions(Model<T>&, const Prompts&,                         \
                                                const std::vector<Example>&, const AnswerOptions&, \
                                                const RouterHook<T>*);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

double accuracy(const std::vector<Answer>& answers) {
  std::size_t correct = 0;
  for (const Answer& answer : answers) correct += answer.correct;
  return answers.empty() ? 0.0 : static_cast<double>(correct) / static_cast<double>(answers.size());
}

}  // namespace ramoe
