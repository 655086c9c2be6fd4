// Chapter 8.1 - asking a model questions: greedy answers and exact match
//
// correct = the output equals the expected answer after normalisation (NFC, lower case, white
// space). Tests: tests/ch08_taxonomy/answers_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch04_moe/model.h"
#include "ch06_languages/bpe.h"
#include "ch06_languages/tasks.h"

namespace ramoe {

struct Answer {
  std::string id, output;
  bool correct = false;
};

/// Greedy answers to all examples, in their order, of at most max_new_tokens tokens.
std::vector<Answer> answer_questions(Model<float>& model, const Tokenizer& tokenizer,
                                     const std::vector<Example>& examples, int max_new_tokens = 24);

/// Share of correct answers; 0 of none.
double accuracy(const std::vector<Answer>& answers);

}  // namespace ramoe
