#include "ch08_taxonomy/answers.h"

#include "ch06_languages/batches.h"
#include "ch06_languages/unicode.h"

namespace ramoe {

std::vector<Answer> answer_questions(Model<float>& model, const Tokenizer& tokenizer,
                                     const std::vector<Example>& examples, int max_new_tokens) {
  CachedEncoder encoder(tokenizer);
  std::vector<std::vector<int>> prompts;
  for (const Example& example : examples)
    prompts.push_back(encode_prompt(encoder, tokenizer, example.question));
  CachedMoe cached(model);
  GenerateOptions options;
  options.max_new_tokens = max_new_tokens;
  options.eos = tokenizer.eos();
  const std::vector<std::vector<int>> outputs = generate(cached, prompts, options);
  std::vector<Answer> answers;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    Answer answer{examples[i].id, tokenizer.decode_text(outputs[i]), false};
    answer.correct = normalise_answer(answer.output) == normalise_answer(examples[i].answer);
    answers.push_back(std::move(answer));
  }
  return answers;
}

double accuracy(const std::vector<Answer>& answers) {
  std::size_t correct = 0;
  for (const Answer& answer : answers) correct += answer.correct;
  return answers.empty() ? 0.0 : static_cast<double>(correct) / static_cast<double>(answers.size());
}

}  // namespace ramoe
