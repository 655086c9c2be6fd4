// ramoe taxonomy (stage 1) and ramoe experts (stage 2).
#include "ch08_taxonomy/taxonomy.h"

#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "app/stages.h"
#include "support/error.h"

namespace ramoe {

void TaxonomyOptions::list(FieldList& f) {
  run.list(f);
  f.add("base", &base, "run folder of the base model");
  f.also("base", model_aliases());
  answers.list(f);
}

namespace {

/// Every question that the classifier asks: in English each item once.
std::size_t questions_of(const ParallelData& data) {
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

void print_types(const Json& table) {
  std::printf("%-6s %-8s %6s %6s %6s %6s %8s\n", "lang", "task", "cc", "ci", "ic", "ii", "ci");
  for (const Json& row : table) {
    std::printf("%-6s %-8s", row["lang"].get<std::string>().c_str(),
                row["task"].get<std::string>().c_str());
    for (const PairType type : every<PairType>()) std::printf(" %6d", row[name_of(type)].get<int>());
    std::printf(" %6.1f %%\n", 100 * row["rho_ci"].get<double>());
  }
}

}  // namespace

void taxonomy_stage(const TaxonomyOptions& options) {
  const Workers workers(options.run.threads);
  TaxonomyOptions o = options;
  BaseRun base = load_base(o.base, o.answers.stop);
  RunFolder folder(o.run.run, run_facts("taxonomy", fields_of(o), base.record.seed, base.facts()),
                   o.run.existing());
  TextProgress progress("taxonomy", questions_of(*base.data));
  o.answers.watch = progress.watch();
  Classifier classifier(*base.model, base.prompts, o.answers);
  std::vector<ClassifiedPair> all;
  Json table = Json::array();
  for (const std::string& lang : base.data->targets())
    for (const std::string& task : base.data->tasks_by_name()) {
      const std::vector<ClassifiedPair> pairs =
          classifier.classify(base.data->pairs(lang, task, Split::adapt_train));
      const TypeCounts counts = count_types(pairs);
      Json row = {{"lang", lang}, {"task", task}};
      for (const PairType type : every<PairType>()) row[name_of(type)] = counts.of(type);
      row["rho_ci"] = counts.share(PairType::ci);
      table.push_back(std::move(row));
      all.insert(all.end(), pairs.begin(), pairs.end());
    }
  progress.finish();
  print_types(table);
  write_taxonomy(folder.file("taxonomy.jsonl"), all);
  folder.write_results(table);
  folder.close();
}

int run_taxonomy(const Arguments& arguments) {
  return run_stage<TaxonomyOptions>(
      arguments, "taxonomy", [](const TaxonomyOptions& o, const FieldList&) {
        taxonomy_stage(o);
        say_end(
            cat("Pairs and both outputs are in ", o.run.run, "/taxonomy.jsonl, the table in ",
                o.run.run, "/results.json."),
            command_line("experts", {"--base=" + o.base, "--run=" + beside(o.run.run, "experts")}));
      });
}

// ---- Stage 2 ------------------------------------------------------------------------------------

void ExpertsOptions::list(FieldList& f) {
  run.list(f);
  f.add("base", &base, "run folder of the base model");
  f.also("base", model_aliases());
  experts.list(f);
  f.add("names", &names, "emoji names per line of the general English text", {1, 16});
  answers.list(f);
}

namespace {

/// Mean usage over texts, each encoded as a prompt or as plain text.
template <class Encode>
PerLayer mean_usage(BaseRun& base, const std::vector<std::string>& texts, const Encode& encode,
                    const Watch& watch) {
  std::vector<std::vector<int>> sequences;
  for (const std::string& text : texts) sequences.push_back(encode(text));
  return mean_of(sequence_routing(*base.model, sequences, {}, watch), &SequenceRouting::u);
}

/// The target with the largest share of ci examples, where alignment has most to do, if the run of
/// stage 1 says so; else the first one of the base model.
std::string target_to_try(const std::string& base, const std::string& taxonomy_run) {
  const std::string taxonomy = taxonomy_run + "/results.json";
  std::map<std::string, double> share;
  if (std::filesystem::exists(taxonomy))
    for (const Json& row : read_json(taxonomy))
      share[row.at("lang")] += row.at("rho_ci").get<double>();
  std::string best;
  for (const auto& [lang, sum] : share)
    if (best.empty() || sum > share[best]) best = lang;
  if (!best.empty()) return best;
  const BaseRun run = load_base(base);
  return run.data->targets().at(0);
}

/// What `ramoe finetune` is to be given after the stages that lie beside one another.
Arguments finetune_arguments(const std::string& base, const std::string& experts_run) {
  const std::string taxonomy = beside(experts_run, "taxonomy");
  const std::string lang = target_to_try(base, taxonomy);
  Arguments arguments = {"--base=" + base, "--language=" + lang, "--method=ramoe"};
  const FinetuneOptions defaults;
  if (std::filesystem::exists(taxonomy + "/run.json")) {
    const Json config = read_run(taxonomy, "taxonomy").config;
    TaxonomyOptions usual;
    const Json values = fields_of(usual).to_json();
    for (const std::string& key : keys_of<AnswerOptions>())
      if (config.contains(key) && config[key] != values[key])
        arguments.push_back(cat("--", key, "=", config[key]));
  }
  const auto name = [&](const std::string& key, const std::string& run, const std::string& usual) {
    if (run != usual) arguments.push_back("--" + key + "=" + run);
  };
  name("divergence_run", beside(experts_run, "divergence"), defaults.divergence_run);
  name("taxonomy_run", taxonomy, defaults.taxonomy_run);
  name("experts_run", experts_run, defaults.experts_run);
  arguments.push_back("--run=" + beside(experts_run, lang + "-ramoe"));
  return arguments;
}

/// How many texts the rule routes and answers.
std::size_t texts_of(const ParallelData& data, const ExpertsOptions& o) {
  const std::size_t general = o.experts.rule == ExpertRule::usage ? data.english_text(o.names).size() : 0;
  std::size_t texts = 0;
  for (const std::string& task : data.tasks_by_name())
    texts += general + (o.experts.rule == ExpertRule::contrast ? 2 : 1) *
                           data.examples(english, task, Split::adapt_train).size();
  return texts;
}

TaskExperts experts_of_task(BaseRun& base, const std::string& task, const ExpertsOptions& o) {
  const std::vector<Example> examples = base.data->examples(english, task, Split::adapt_train);
  CachedEncoder encoder(*base.tokenizer);
  const auto as_prompt = [&](const std::string& s) { return base.prompts.prompt(encoder, s); };
  const auto as_text = [&](const std::string& s) { return base.prompts.text(encoder, s); };
  std::vector<std::string> prompts, wrong;
  if (o.experts.rule == ExpertRule::contrast) {
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
  const Watch& watch = o.answers.watch;
  PerLayer reference;
  if (o.experts.rule == ExpertRule::contrast) reference = mean_usage(base, wrong, as_prompt, watch);
  if (o.experts.rule == ExpertRule::usage)
    reference = mean_usage(base, base.data->english_text(o.names), as_text, watch);
  return select_experts(task, o.experts, mean_usage(base, prompts, as_prompt, watch), reference);
}

}  // namespace

void experts_stage(const ExpertsOptions& options) {
  const Workers workers(options.run.threads);
  ExpertsOptions o = options;
  BaseRun base = load_base(o.base, o.answers.stop);
  RunFolder folder(o.run.run, run_facts("experts", fields_of(o), base.record.seed, base.facts()),
                   o.run.existing());
  TextProgress progress("experts", texts_of(*base.data, o));
  o.answers.watch = progress.watch();
  std::vector<TaskExperts> tasks;
  for (const std::string& task : base.data->tasks_by_name())
    tasks.push_back(experts_of_task(base, task, o));
  progress.finish();
  Json results = Json::array();
  for (const TaskExperts& found : tasks) {
    std::printf("%-8s", found.task.c_str());
    for (std::size_t l = 0; l < found.experts.size(); ++l) {
      std::printf("  %zu:{", l);
      for (std::size_t i = 0; i < found.experts[l].size(); ++i)
        std::printf("%s%d", i ? "," : "", found.experts[l][i]);
      std::printf("}");
    }
    std::printf("\n");
    results.push_back(to_json(found));
    results.back()["rule"] = name_of(o.experts.rule);
    if (o.experts.rule != ExpertRule::esft) results.back()["tau"] = o.experts.tau;
    results.back()["prompts"] = base.data->examples(english, found.task, Split::adapt_train).size();
  }
  write_json(folder.file("experts.json"), results);
  folder.write_results(results);
  folder.close();
}

int run_experts(const Arguments& arguments) {
  return run_stage<ExpertsOptions>(
      arguments, "experts", [](const ExpertsOptions& o, const FieldList& fields) {
        const std::string because = "rule=" + name_of(o.experts.rule);
        if (o.experts.rule != ExpertRule::esft) note_unused(fields, {"cumulative"}, because);
        if (o.experts.rule == ExpertRule::esft) note_unused(fields, {"tau"}, because);
        if (o.experts.rule != ExpertRule::usage) note_unused(fields, {"names"}, because);
        if (o.experts.rule != ExpertRule::contrast) note_unused(fields, keys_of<AnswerOptions>(), because);
        experts_stage(o);
        say_end(cat("The experts of each task are in ", o.run.run, "/experts.json."),
                command_line("finetune", finetune_arguments(o.base, o.run.run)));
      });
}

}  // namespace ramoe
