#include "ch09_task_experts/task_experts.h"

#include <algorithm>
#include <numeric>

#include "support/error.h"
#include "support/json_place.h"
#include "support/order.h"

namespace ramoe {
namespace {

std::size_t chosen_count(const ExpertConfig& config, const std::vector<double>& score,
                         const std::vector<int>& order) {
  std::size_t count = 0;
  if (config.rule == ExpertRule::esft) {
    const double total = std::accumulate(score.begin(), score.end(), 0.0);
    double sum = 0;
    while (count < order.size() && sum < config.cumulative * total)
      sum += score[std::size_t(order[count++])];
  } else {
    while (count < order.size() && score[std::size_t(order[count])] > config.tau) ++count;
  }
  if (count == 0) count = std::size_t(std::max(1, config.fallback));
  return std::min(count, std::max<std::size_t>(1, order.size() - 1));
}

}  // namespace

void ExpertConfig::list(FieldList& f) {
  f.add("rule", &rule, "how task experts are selected");
  f.add("tau", &tau, "threshold of usage and contrast", {-1, 1});
  f.add("cumulative", &cumulative, "esft: share of the selections to be covered", {0, 1});
  f.add("fallback", &fallback, "experts taken in a layer where none passes", {1, 4096});
}

TaskExperts select_experts(const std::string& task, const ExpertConfig& config,
                           const PerLayer& usage, const PerLayer& reference) {
  const bool difference = config.rule != ExpertRule::esft;
  check(!difference || reference.size() == usage.size(), "the rule ", name_of(config.rule),
        " compares with a second set of texts; ", reference.size(), " layers of it for ",
        usage.size(), " were given.");
  TaskExperts result{task, usage, {}};
  for (std::size_t l = 0; l < usage.size(); ++l) {
    std::vector<double>& score = result.score[l];
    if (difference) {
      check(reference[l].size() == score.size(), "layer ", l, ": the usage of ", score.size(),
            " experts is compared with that of ", reference[l].size(), " experts.");
      for (std::size_t e = 0; e < score.size(); ++e) score[e] -= reference[l][e];
    }
    std::vector<int> order =  // by falling score; the lower expert of a tie first
        order_by(score.size(), [&](int e) { return -score[std::size_t(e)]; });
    order.resize(chosen_count(config, score, order));
    std::sort(order.begin(), order.end());
    result.experts.push_back(std::move(order));
  }
  return result;
}

namespace {

template <class T>
PerLayer mean_usage(Model<T>& model, const std::vector<std::vector<int>>& sequences,
                    const Watch& watch) {
  return mean_of(sequence_routing(model, sequences, {}, watch), &SequenceRouting::u);
}

}  // namespace

template <class T>
TaskExperts find_task_experts(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                              const std::string& task, const ExpertConfig& config, int names,
                              const AnswerOptions& options) {
  const std::vector<Example> examples = data.examples(english, task, Split::adapt_train);
  CachedEncoder encoder(prompts.tokenizer());
  std::vector<Answer> answers;
  if (config.rule == ExpertRule::contrast)
    answers = answer_questions(model, prompts, examples, options);
  std::vector<std::vector<int>> chosen, others;  // prompts, and what they are compared with
  for (std::size_t i = 0; i < examples.size(); ++i)
    (answers.empty() || answers[i].correct ? chosen : others)
        .push_back(prompts.prompt(encoder, examples[i].question));
  if (config.rule == ExpertRule::contrast)
    check(!chosen.empty() && !others.empty(),
          "the rule contrast needs English prompts that are answered correctly and wrongly; of ",
          task, " there are ", chosen.size(), " and ", others.size(),
          ". Use rule=usage or rule=esft.");
  if (config.rule == ExpertRule::usage)
    for (const std::string& text : data.english_text(names))
      others.push_back(prompts.text(encoder, text));
  PerLayer reference;
  if (config.rule != ExpertRule::esft) reference = mean_usage(model, others, options.watch);
  return select_experts(task, config, mean_usage(model, chosen, options.watch), reference);
}

std::size_t texts_to_select(const ParallelData& data, const ExpertConfig& config, int names) {
  const bool answers = config.rule == ExpertRule::contrast;
  const std::size_t general =
      config.rule == ExpertRule::usage ? data.english_text(names).size() : 0;
  std::size_t texts = 0;
  for (const std::string& task : data.tasks_by_name())
    texts += general + (answers ? 2 : 1) * data.examples(english, task, Split::adapt_train).size();
  return texts;
}

#define RAMOE_INSTANTIATE(T)                                                             \
  template TaskExperts find_task_experts(Model<T>&, const Prompts&, const ParallelData&, \
                                         const std::string&, const ExpertConfig&, int,   \
                                         const AnswerOptions&);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

std::vector<double> mass_of(const PerLayer& q, const std::vector<std::vector<int>>& experts) {
  std::vector<double> mass(q.size(), 0.0);
  for (std::size_t l = 0; l < q.size(); ++l)
    for (const int e : experts[l]) mass[l] += q[l][std::size_t(e)];
  return mass;
}

TaskExperts task_experts_from_json(const Json& json, const std::string& where, int layers,
                                   int experts) {
  const JsonAt<Json> at{where, "", json, "; run `ramoe experts` again."};
  TaskExperts result;
  result.task = at["task"].text();
  for (const JsonAt<Json>& layer : at["score"].elements()) {
    result.score.emplace_back();
    for (const JsonAt<Json>& score : layer.elements())
      result.score.back().push_back(score.number());
  }
  for (const JsonAt<Json>& layer : at["experts"].elements()) {
    result.experts.emplace_back();
    for (const JsonAt<Json>& e : layer.elements())
      result.experts.back().push_back(e.whole(0, experts - 1));
    if (layer.list().empty()) layer.expected("at least one expert");
  }
  check(static_cast<int>(result.experts.size()) == layers, where, ": task experts of ",
        result.experts.size(), " layers; the model has ", layers, ".");
  return result;
}

}  // namespace ramoe
