// Chapter 7.4 - divergence and gap of every language: what fact 1 relates           [paper fact 1]
//
//   Div_l(lang)         on general parallel text; its mean over the languages gives the zone
//   Div_l(lang, task)   on the prompts of a task
//   gap(lang, task)     accuracy in English - accuracy in the language, on the same items
//   correlation         of gap with Div, mean over the layers of the zone and over those outside
//
// Fact: divergence in the zone predicts the gap. Ours: the items are the training pairs, learning
// and validation part, so that nothing is read off test.
// Tests: tests/ch07_divergence/language_gaps_test.cpp
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ch07_divergence/answers.h"
#include "ch07_divergence/divergence.h"

namespace ramoe {

struct TaskGap {
  std::string lang, task;
  std::vector<double> divergence;  // (L)
  double gap = 0;
};

struct LanguageGaps {
  std::map<std::string, std::vector<double>> general;  // (L) by language
  std::vector<double> mean;                            // (L) over the languages
  std::map<std::string, std::size_t> texts;            // general texts of each language
  std::vector<TaskGap> tasks;                          // by language, then by task
};

/// Routes and answers the data's texts in every target language and in English. `names`: emoji
/// names per line of general text, where that is made of them.
template <class T>
LanguageGaps measure_gaps(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                          int names, const AnswerOptions& options);
/// How many texts that routes or answers, each language's English sides too.
std::size_t texts_to_measure(const ParallelData& data, int names);

/// Pearson's correlation of gap and divergence over languages and tasks; NaN of fewer than 3.
struct ZoneCorrelation {
  double zone, outside;
  std::size_t points;
};
ZoneCorrelation gap_correlation(const std::vector<TaskGap>& tasks, Zone zone);

}  // namespace ramoe
