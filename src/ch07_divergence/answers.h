// Chapter 7.3 - asking a model questions: greedy answers, and which of them are correct
//
// correct = the output, up to EOS or the stop text, and the expected answer share a reading of the
// example's extractor (chapter 6.7): for our own tasks the same text after normalisation (NFC,
// lower case, white space). Tests: tests/ch07_divergence/answers_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch04_moe/model.h"
#include "ch06_languages/parallel_data.h"
#include "ch06_languages/prompts.h"
#include "support/config.h"
#include "support/watch.h"

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
  const RouterHook<float>* hook = nullptr;  // steers the model while it answers (chapter 11.2)
  std::string title;  // of the progress shown on stderr when it takes long; empty: none
  Watch watch;        // is told of the questions answered, and then nothing is shown here

  void list(FieldList& fields);
};

/// Greedy answers to all examples, in their order. Error: a prompt that leaves no room for
/// max_new_tokens, with its id.
std::vector<Answer> answer_questions(Model<float>& model, const Prompts& prompts,
                                     const std::vector<Example>& examples,
                                     const AnswerOptions& options = {});

/// Share of correct answers; 0 of none.
double accuracy(const std::vector<Answer>& answers);

}  // namespace ramoe
