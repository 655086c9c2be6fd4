// Chapter 7.3 - asking a model questions: greedy answers, and which of them are correct
//
// An answer is correct if the output, up to EOS or the stop text, is the expected one by the rule
// of its example (chapter 6.6). For our own tasks the two texts must be equal after normalisation
// (NFC, lower case, white space). Ours: answers are greedy and compared exactly.
// Tests: tests/ch07_divergence/answers_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch04_moe/model.h"
#include "ch06_languages/parallel_data.h"
#include "ch06_languages/prompts.h"
#include "support/config.h"
#include "support/stop.h"

namespace ramoe {

struct Answer {
  std::string id, output;
  bool correct = false;
};

struct AnswerOptions {
  AnswerOptions(int max_new_tokens_ = 24) : max_new_tokens(max_new_tokens_) {}
  int max_new_tokens;
  int batch = 64;
  int batch_tokens = 8192;
  std::string stop;  // for load_base(): ends an answer; empty: as the base run says
  Watch watch;       // is told how many questions are answered

  void list(FieldList& fields);
};

/// Greedy answers to all examples, in their order; `hook` steers the model (chapter 11.2). Error: a
/// prompt leaves no room for max_new_tokens (the message gives its id).
template <class T>
std::vector<Answer> answer_questions(Model<T>& model, const Prompts& prompts,
                                     const std::vector<Example>& examples,
                                     const AnswerOptions& options = {},
                                     const RouterHook<T>* hook = nullptr);

/// Share of correct answers; 0 if there are none.
double accuracy(const std::vector<Answer>& answers);

}  // namespace ramoe
