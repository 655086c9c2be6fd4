// Chapter 7.4 - divergence and gap of every language, which fact 1 relates          [paper fact 1]
//
//   Div_l(lang)         on general parallel text; its mean over the languages gives the zone
//   Div_l(lang, task)   on the prompts of a task
//   gap(lang, task)     accuracy in English - accuracy in the language, on the same items
//   correlation         of the gap with the mean Div of the layers in the zone, and outside it
//
// Fact: divergence in the zone predicts the gap. Ours: the items are the training pairs of both
// parts, learning and validation, so that nothing depends on the test split.
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

/// Div_l of parallel general text.
template <class T>
std::vector<double> general_divergence(Model<T>& model, const Prompts& prompts,
                                       const std::vector<TextPair>& lines, const Watch& watch = {});
/// Its mean over the target languages, from which the zone is read.
template <class T>
std::vector<double> general_curve(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                                  int names, const Watch& watch = {});
/// How many texts general_curve() reads.
std::size_t general_texts(const ParallelData& data, int names);

/// Routes and answers the texts of the data in every target language and in English. `names`: emoji
/// names per line of general text, if that text is made of emoji names.
template <class T>
LanguageGaps measure_gaps(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                          int names, const AnswerOptions& options);
/// How many texts measure_gaps() routes or answers, including the English sides of each language.
std::size_t texts_to_measure(const ParallelData& data, int names);

/// Pearson's correlation of gap and divergence over languages and tasks; NaN for fewer than 3
/// points.
struct ZoneCorrelation {
  double zone, outside;
  std::size_t points;
};
ZoneCorrelation gap_correlation(const std::vector<TaskGap>& tasks, Zone zone);

}  // namespace ramoe
