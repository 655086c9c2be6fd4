#include "ch12_experiments/evaluation.h"

#include <cmath>

namespace ramoe {
namespace {

/// NaN if whole is 0: 0 of 0 is no accuracy.
double share(int part, int whole) {
  return whole > 0 ? static_cast<double>(part) / whole : std::nan("");
}

}  // namespace

template <class T>
std::vector<Score> evaluate(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                            const EvaluationPlan& plan,
                            const std::set<std::string>& english_correct, const RouterHook<T>* hook,
                            std::vector<std::pair<Example, Answer>>* answers) {
  std::vector<Score> scores;
  for (const std::string& lang : plan.languages)
    for (const std::string& task : plan.tasks) {
      const std::vector<Example> examples = data.examples(lang, task, plan.split);
      const std::vector<Answer> given =
          answer_questions(model, prompts, examples, plan.answers, hook);
      Score score{lang, task};
      int correct = 0, correct_english = 0, verified = 0;
      for (std::size_t i = 0; i < given.size(); ++i) {
        const bool known = english_correct.contains(given[i].id);
        ++score.n;
        score.n_english += known;
        correct += given[i].correct;
        correct_english += known && given[i].correct;
        verified += data.is_verified(examples[i], given[i].output);
        if (answers) answers->emplace_back(examples[i], given[i]);
      }
      score.accuracy = share(correct, score.n);
      score.given_english = share(correct_english, score.n_english);
      score.verified = share(verified, score.n);
      scores.push_back(score);
    }
  return scores;
}

template <class T>
std::set<std::string> correct_in_english(Model<T>& model, const Prompts& prompts,
                                         const ParallelData& data, const EvaluationPlan& plan) {
  std::set<std::string> ids;
  for (const std::string& task : plan.tasks)
    for (const Answer& answer :
         answer_questions(model, prompts, data.examples(english, task, plan.split), plan.answers))
      if (answer.correct) ids.insert(answer.id);
  return ids;
}

#define RAMOE_INSTANTIATE(T)                                                                \
  template std::vector<Score> evaluate(Model<T>&, const Prompts&, const ParallelData&,      \
                                       const EvaluationPlan&, const std::set<std::string>&, \
                                       const RouterHook<T>*,                                \
                                       std::vector<std::pair<Example, Answer>>*);           \
  template std::set<std::string> correct_in_english(Model<T>&, const Prompts&,              \
                                                    const ParallelData&, const EvaluationPlan&);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
