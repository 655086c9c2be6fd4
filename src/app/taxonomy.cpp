// ramoe taxonomy (stage 1) and ramoe experts (stage 2).
#include "ch08_taxonomy/taxonomy.h"

#include <cstdio>

#include "app/stages.h"
#include "support/error.h"

namespace ramoe {

void TaxonomyOptions::list(FieldList& f) {
  run.list(f);
  f.add("base", &base, "run folder of the base model");
  answers.list(f);
}

void taxonomy_stage(const TaxonomyOptions& options) {
  const Workers workers(options.run.threads);
  TaxonomyOptions o = options;
  BaseRun base = load_base(o.base);
  RunFolder folder(o.run.run, run_facts("taxonomy", fields_of(o), base.record.seed, base.facts()),
                   o.run.existing());
  o.answers.title = "taxonomy";
  Classifier classifier(*base.model, base.prompts, o.answers);
  std::vector<ClassifiedPair> all;
  Json table = Json::array();
  std::printf("%-6s %-8s %6s %6s %6s %6s %8s\n", "lang", "task", "cc", "ci", "ic", "ii", "rho_ci");
  for (const std::string& lang : base.data->targets())
    for (const std::string& task : base.data->tasks_by_name()) {
      const std::vector<ClassifiedPair> pairs =
          classifier.classify(base.data->pairs(lang, task, Split::adapt_train));
      const TypeCounts counts = count_types(pairs);
      Json row = {{"lang", lang}, {"task", task}};
      for (const PairType type : all_pair_types) row[name_of(type)] = counts.of(type);
      row["rho_ci"] = counts.share(PairType::ci);
      std::printf("%-6s %-8s %6d %6d %6d %6d %8.3f\n", lang.c_str(), task.c_str(),
                  counts.of(PairType::cc), counts.of(PairType::ci), counts.of(PairType::ic),
                  counts.of(PairType::ii), counts.share(PairType::ci));
      table.push_back(std::move(row));
      all.insert(all.end(), pairs.begin(), pairs.end());
    }
  write_taxonomy(folder.file("taxonomy.jsonl"), all);
  folder.write_results(table);
  folder.close();
}

int run_taxonomy(const Arguments& arguments) {
  return run_stage<TaxonomyOptions>(arguments, "taxonomy", taxonomy_stage);
}

// ---- Stage 2 ------------------------------------------------------------------------------------

void ExpertsOptions::list(FieldList& f) {
  run.list(f);
  f.add("base", &base, "run folder of the base model");
  f.add("rule", &rule.rule, "how task experts are selected",
        {.choices = {"usage", "esft", "contrast"}});
  f.add("tau", &rule.tau, "threshold of usage and contrast", {-1, 1});
  f.add("cumulative", &rule.cumulative, "esft: share of the selections to be covered", {0, 1});
  f.add("fallback", &rule.fallback, "experts taken in a layer where none passes", {1, 4096});
  f.add("names", &names, "emoji names per line of the general English text", {1, 16});
  answers.list(f);
}

namespace {

/// Mean usage over texts, each encoded as a prompt or as plain text.
template <class Encode>
PerLayer mean_usage(BaseRun& base, const std::vector<std::string>& texts, const Encode& encode) {
  std::vector<std::vector<int>> sequences;
  for (const std::string& text : texts) sequences.push_back(encode(text));
  return mean_of(sequence_routing(*base.model, sequences), &SequenceRouting::u);
}

TaskExperts experts_of_task(BaseRun& base, const std::string& task, const ExpertsOptions& o) {
  const std::vector<Example> examples = base.data->examples(english, task, Split::adapt_train);
  CachedEncoder encoder(*base.tokenizer);
  const auto as_prompt = [&](const std::string& s) { return base.prompts.prompt(encoder, s); };
  const auto as_text = [&](const std::string& s) { return base.prompts.text(encoder, s); };
  std::vector<std::string> prompts, wrong;
  if (o.rule.rule == "contrast") {
    const std::vector<Answer> answers =
        answer_questions(*base.model, base.prompts, examples, o.answers);
    for (std::size_t i = 0; i < examples.size(); ++i)
      (answers[i].correct ? prompts : wrong).push_back(examples[i].question);
    check(!prompts.empty() && !wrong.empty(),
          "the rule contrast needs English prompts that are "
          "answered correctly and wrongly; of ",
          task, " there are ", prompts.size(), " and ", wrong.size(),
          ". Use rule=usage or rule=esft.");
  } else {
    for (const Example& example : examples) prompts.push_back(example.question);
  }
  const PerLayer reference = o.rule.rule == "contrast" ? mean_usage(base, wrong, as_prompt)
                             : o.rule.rule == "usage"
                                 ? mean_usage(base, base.data->english_text(o.names), as_text)
                                 : PerLayer{};
  return select_experts(task, o.rule, mean_usage(base, prompts, as_prompt), reference);
}

}  // namespace

void experts_stage(const ExpertsOptions& options) {
  const Workers workers(options.run.threads);
  ExpertsOptions o = options;
  BaseRun base = load_base(o.base);
  RunFolder folder(o.run.run, run_facts("experts", fields_of(o), base.record.seed, base.facts()),
                   o.run.existing());
  Json results = Json::array();
  for (const std::string& task : base.data->tasks_by_name()) {
    const TaskExperts found = experts_of_task(base, task, o);
    std::printf("%-8s", task.c_str());
    for (std::size_t l = 0; l < found.experts.size(); ++l) {
      std::printf("  %zu:{", l);
      for (std::size_t i = 0; i < found.experts[l].size(); ++i)
        std::printf("%s%d", i ? "," : "", found.experts[l][i]);
      std::printf("}");
    }
    std::printf("\n");
    results.push_back(to_json(found));
    results.back()["rule"] = o.rule.rule;
    if (o.rule.rule != "esft") results.back()["tau"] = o.rule.tau;
    results.back()["prompts"] = base.data->examples(english, task, Split::adapt_train).size();
  }
  write_json(folder.file("experts.json"), results);
  folder.write_results(results);
  folder.close();
}

int run_experts(const Arguments& arguments) {
  return run_stage<ExpertsOptions>(arguments, "experts", experts_stage);
}

}  // namespace ramoe
