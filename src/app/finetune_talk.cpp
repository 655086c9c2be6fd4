#include "app/finetune_talk.h"

#include <algorithm>
#include <iostream>

#include "ch05_training/memory.h"
#include "runs/progress.h"
#include "support/error.h"

namespace ramoe {

void check_finetune_memory(const FinetuneOptions& o, const std::vector<FinetuneExample>& examples,
                           const ModelConfig& config) {
  if (o.run.device == Device::cuda) return;  // a GPU says itself what it lacks
  std::size_t longest = 1;
  for (const FinetuneExample& e : examples)
    longest = std::max({longest, e.target.tokens.size(), e.labelled ? 0 : e.self.tokens.size()});
  const double all = static_cast<double>(count_parameters(config).total);
  const double trained = o.method == Method::rise ? expert_parameters(config) : all;
  const std::size_t batch = std::size_t(o.train.batch);
  double rows = static_cast<double>(std::min(batch, labelled_count(examples)));
  if (pool_size(o.method_keys.pool) > 0)  // most rows beside: few labelled ones take all of a step
    rows += static_cast<double>(std::min(batch * std::size_t(o.train.accumulate), examples.size()));
  check_memory(training_bytes(config, rows, static_cast<int>(longest), trained),
               cat("training with batches of ", rows, " rows of ", longest, " tokens"),
               "lower --batch (with --accumulate) or take a smaller model", 4 * all);
}

void note_unused_finetune(const FinetuneOptions& o, const FieldList& fields) {
  const std::string because = "method=" + name_of(o.method);
  std::vector<std::string> keys = keys_of<AlignmentConfig>();
  if (o.method != Method::ramoe) note_unused(fields, keys, because);
  if (o.method == Method::ramoe && o.alignment.divergence != AlignmentForm::mass_allocation)
    note_unused(fields, {"mass_weight", "allocation_weight"},
                "divergence=" + name_of(o.alignment.divergence));
  std::erase(keys, "lambda");
  if (o.method == Method::ramoe && o.alignment.lambda == 0) {
    keys.push_back("pool");
    note_unused(fields, keys, "lambda=0 is SFT");
  }
  if (o.method != Method::rise) note_unused(fields, {"rise_share"}, because);
  if (o.method != Method::sara) note_unused(fields, {"sara_weight"}, because);
  if (o.train.balance == 0) note_unused(fields, {"balance_form"}, "balance=0");
}

Json say_finetuning(const FinetuneOptions& o, const FinetuneInputs& inputs) {
  const ParallelData& data = *inputs.base.data;
  const std::vector<std::string> names = data.names_of(o.language);
  std::cout << "fine-tuning " << (names.empty() ? o.language : names[0] + " (" + o.language + ")")
            << " by " << name_of(o.method) << ", base model " << inputs.base.record.path
            << ", seed " << o.seed << std::endl;
  std::size_t questions = 0;
  for (const Split split : {Split::adapt_valid, Split::test})
    for (const std::string& task : tasks_of(o, data))
      questions += data.examples(o.language, task, split).size();
  TextProgress progress("base model", questions);
  FinetuneOptions asked = o;
  asked.answers.watch = progress.watch();
  Json scores = Json::object();
  on_device(o.run.device, *inputs.base.model, [&](auto& model) {
    for (const auto& [key, split] : {std::pair{"valid", Split::adapt_valid}, {"test", Split::test}})
      scores[key] = scores_of(model, asked, inputs, split, true);
  });
  progress.finish();
  for (const Json& score : scores["valid"])
    std::cout << "base model on adapt_valid, " << score["task"].get<std::string>() << ": "
              << percent_text(score["accuracy"], score["n"]) << " of " << score["n"] << std::endl;
  return scores;
}

namespace {

/// One line for each task: the accuracy of the base model and of the fine-tuned one.
void print_gain(const FinetuneOptions& o, const Json& before, const Json& after) {
  for (std::size_t i = 0; i < after.size(); ++i) {
    const auto both = [&](const char* key, const char* count) {
      const int n = after[i][count];
      return cat(percent_text(before[i][key], n), " -> ", percent_text(after[i][key], n), " of ",
                 n);
    };
    std::cout << o.language << " " << after[i]["task"].get<std::string>() << ": test accuracy "
              << both("accuracy", "n") << ", given English "
              << both("given_english", "n_english_correct") << "\n";
  }
}

}  // namespace

void say_finetuned(const FinetuneOptions& o, const Json& before) {
  const std::string& run = o.run.run;
  print_gain(o, before, read_json(run + "/results.json")["test"]);
  say_end(cat("Accuracies are in ", run, "/results.json",
              o.keep_model ? cat(", the model is in ", run, "/model.") : "."),
          command_line(o.keep_model ? "report" : "inspect", {run}));
}

}  // namespace ramoe
