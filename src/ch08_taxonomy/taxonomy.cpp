#include "ch08_taxonomy/taxonomy.h"

#include <set>

#include "support/config.h"
#include "support/error.h"
#include "support/json_place.h"

namespace ramoe {

PairType pair_type(bool english_correct, bool target_correct) {
  if (english_correct) return target_correct ? PairType::cc : PairType::ci;
  return target_correct ? PairType::ic : PairType::ii;
}

template <class T>
std::vector<ClassifiedPair> Classifier<T>::classify(const std::vector<ExamplePair>& pairs) {
  std::vector<Example> new_english, targets;
  std::set<std::string> asked;
  for (const ExamplePair& pair : pairs) {
    check(pair.english.id == pair.target.id, "a pair joins ", pair.english.id, " with ",
          pair.target.id, "; both sides must be the same item.");
    if (!english_.contains(pair.english.id) && asked.insert(pair.english.id).second)
      new_english.push_back(pair.english);
    targets.push_back(pair.target);
  }
  for (Answer& answer : answer_questions(model_, prompts_, new_english, options_))
    english_[answer.id] = answer;
  const std::vector<Answer> answers = answer_questions(model_, prompts_, targets, options_);
  std::vector<ClassifiedPair> result;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const Answer& english = english_.at(pairs[i].english.id);
    const Example& target = pairs[i].target;
    result.push_back({target.id, target.lang, target.task,
                      pair_type(english.correct, answers[i].correct), english.output,
                      answers[i].output, target.local});
  }
  return result;
}

TypeCounts count_types(const std::vector<ClassifiedPair>& pairs, const std::string& lang,
                       const std::string& task) {
  TypeCounts counts;
  for (const ClassifiedPair& pair : pairs)
    if ((lang.empty() || pair.lang == lang) && (task.empty() || pair.task == task))
      ++counts.count[static_cast<std::size_t>(pair.type)];
  return counts;
}

template <class T>
std::vector<ClassifiedPair> classify_training_pairs(Model<T>& model, const Prompts& prompts,
                                                    const ParallelData& data,
                                                    const AnswerOptions& options) {
  Classifier<T> classifier(model, prompts, options);
  std::vector<ClassifiedPair> all;
  for (const std::string& lang : data.targets())
    for (const std::string& task : data.tasks_by_name())
      for (ClassifiedPair& pair : classifier.classify(data.pairs(lang, task, Split::adapt_train)))
        all.push_back(std::move(pair));
  return all;
}

std::size_t questions_to_classify(const ParallelData& data) {
  std::set<std::string> items;
  std::size_t targets = 0;
  for (const std::string& lang : data.targets())
    for (const std::string& task : data.tasks_by_name())
      for (const ExamplePair& pair : data.pairs(lang, task, Split::adapt_train)) {
        items.insert(pair.english.id);
        ++targets;
      }
  return items.size() + targets;
}

#define RAMOE_INSTANTIATE(T)                                    \
  template class Classifier<T>;                                 \
  template std::vector<ClassifiedPair> classify_training_pairs( \
      Model<T>&, const Prompts&, const ParallelData&, const AnswerOptions&);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

void write_taxonomy(const std::string& path, const std::vector<ClassifiedPair>& pairs) {
  std::string lines;
  for (const ClassifiedPair& p : pairs)
    lines += Json{{"id", p.id},
                  {"lang", p.lang},
                  {"task", p.task},
                  {"type", name_of(p.type)},
                  {"english_output", p.english_output},
                  {"target_output", p.target_output},
                  {"local", p.local}}
                 .dump(-1, ' ', false, Json::error_handler_t::replace) +
             "\n";
  write_file(path, lines);
}

std::vector<ClassifiedPair> read_taxonomy(const std::string& path) {
  std::istringstream lines(read_file(path));
  std::vector<ClassifiedPair> pairs;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json json = parse_json(line, path, ++number);
    const std::string where = cat(path, ", line ", number);
    const JsonAt<Json> at{where, "", json, "; `ramoe taxonomy` writes this file."};
    pairs.push_back({at["id"].text(), at["lang"].text(), at["task"].text(),
                     from_name<PairType>(at["type"].text(), where + ": type of the taxonomy"),
                     at["english_output"].text(), at["target_output"].text(),
                     at.has("local") && at["local"].flag()});
  }
  return pairs;
}

}  // namespace ramoe
