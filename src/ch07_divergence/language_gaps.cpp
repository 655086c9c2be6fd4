#include "ch07_divergence/language_gaps.h"

#include <cmath>

namespace ramoe {
namespace {

/// The training pairs of a language and task: the learning part, then the validation part.
std::vector<ExamplePair> adapt_pairs(const ParallelData& data, const std::string& lang,
                                     const std::string& task) {
  std::vector<ExamplePair> pairs = data.pairs(lang, task, Split::adapt_train);
  const std::vector<ExamplePair> more = data.pairs(lang, task, Split::adapt_valid);
  pairs.insert(pairs.end(), more.begin(), more.end());
  return pairs;
}

/// Div_l between two lists of parallel sequences.
template <class T>
std::vector<double> divergence_between(Model<T>& model,
                                       const std::vector<std::vector<int>>& in_english,
                                       const std::vector<std::vector<int>>& in_target,
                                       const Watch& watch) {
  const std::vector<SequenceRouting> english_side = sequence_routing(model, in_english, {}, watch);
  return mean_divergence(english_side, sequence_routing(model, in_target, {}, watch));
}

template <class T>
TaskGap task_gap(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                 const std::string& lang, const std::string& task, const AnswerOptions& options) {
  CachedEncoder encoder(prompts.tokenizer());
  std::vector<std::vector<int>> in_english, in_target;
  std::vector<Example> english_side, target_side;
  for (const ExamplePair& pair : adapt_pairs(data, lang, task)) {
    in_english.push_back(prompts.prompt(encoder, pair.english.question));
    in_target.push_back(prompts.prompt(encoder, pair.target.question));
    english_side.push_back(pair.english);
    target_side.push_back(pair.target);
  }
  TaskGap result{lang, task, divergence_between(model, in_english, in_target, options.watch), 0};
  result.gap = accuracy(answer_questions(model, prompts, english_side, options)) -
               accuracy(answer_questions(model, prompts, target_side, options));
  return result;
}

/// Mean over the layers of the zone, or over the others; NaN if there are none.
double mean_over(const std::vector<double>& divergence, Zone zone, bool inside) {
  double sum = 0;
  int count = 0;
  for (int l = 0; l < static_cast<int>(divergence.size()); ++l)
    if (zone.contains(l) == inside) sum += divergence[std::size_t(l)], ++count;
  return count ? sum / count : std::nan("");
}

}  // namespace

template <class T>
std::vector<double> general_divergence(Model<T>& model, const Prompts& prompts,
                                       const std::vector<TextPair>& lines, const Watch& watch) {
  CachedEncoder encoder(prompts.tokenizer());
  std::vector<std::vector<int>> in_english, in_target;
  for (const TextPair& line : lines) {
    in_english.push_back(prompts.text(encoder, line.english));
    in_target.push_back(prompts.text(encoder, line.target));
  }
  return divergence_between(model, in_english, in_target, watch);
}

template <class T>
std::vector<double> general_curve(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                                  int names, const Watch& watch) {
  std::vector<double> mean(static_cast<std::size_t>(model.config().moe_layer_count()), 0.0);
  const std::vector<std::string> targets = data.targets();
  for (const std::string& lang : targets) {
    const std::vector<double> curve =
        general_divergence(model, prompts, data.general_text(lang, names), watch);
    for (std::size_t l = 0; l < curve.size(); ++l) mean[l] += curve[l] / double(targets.size());
  }
  return mean;
}

std::size_t general_texts(const ParallelData& data, int names) {
  std::size_t texts = 0;
  for (const std::string& lang : data.targets()) texts += 2 * data.general_text(lang, names).size();
  return texts;
}

template <class T>
LanguageGaps measure_gaps(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                          int names, const AnswerOptions& options) {
  LanguageGaps gaps;
  gaps.mean.assign(static_cast<std::size_t>(model.config().moe_layer_count()), 0.0);
  const std::vector<std::string> targets = data.targets();
  for (const std::string& lang : targets) {
    const std::vector<TextPair> lines = data.general_text(lang, names);
    const std::vector<double>& curve = gaps.general[lang] =
        general_divergence(model, prompts, lines, options.watch);
    for (std::size_t l = 0; l < curve.size(); ++l)
      gaps.mean[l] += curve[l] / double(targets.size());
    gaps.texts[lang] = lines.size();
    for (const std::string& task : data.tasks_by_name())
      gaps.tasks.push_back(task_gap(model, prompts, data, lang, task, options));
  }
  return gaps;
}

std::size_t texts_to_measure(const ParallelData& data, int names) {
  std::size_t texts = general_texts(data, names);
  for (const std::string& lang : data.targets())
    for (const std::string& task : data.tasks_by_name())
      texts += 4 * adapt_pairs(data, lang, task).size();  // both sides routed and answered
  return texts;
}

ZoneCorrelation gap_correlation(const std::vector<TaskGap>& tasks, Zone zone) {
  std::vector<double> inside, outside, gaps;
  for (const TaskGap& task : tasks) {
    inside.push_back(mean_over(task.divergence, zone, true));
    outside.push_back(mean_over(task.divergence, zone, false));
    gaps.push_back(task.gap);
  }
  return {correlation(inside, gaps), correlation(outside, gaps), gaps.size()};
}

#define RAMOE_INSTANTIATE(T)                                                                      \
  template std::vector<double> general_divergence(Model<T>&, const Prompts&,                      \
                                                  const std::vector<TextPair>&, const Watch&);    \
  template std::vector<double> general_curve(Model<T>&, const Prompts&, const ParallelData&, int, \
                                             const Watch&);                                       \
  template LanguageGaps measure_gaps(Model<T>&, const Prompts&, const ParallelData&, int,         \
                                     const AnswerOptions&);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
