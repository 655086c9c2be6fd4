// ramoe taxonomy (stage 1) and ramoe experts (stage 2).
#include "ch08_taxonomy/taxonomy.h"

#include <cstdio>
#include <filesystem>
#include <map>

#include "app/reports.h"
#include "runs/progress.h"
#include "support/error.h"
#include "support/json_place.h"

namespace ramoe {

void TaxonomyOptions::list(FieldList& f) {
  run.list(f);
  f.add("base", &base, "run folder of the base model");
  f.also("base", model_aliases());
  answers.list(f);
}

namespace {

void print_types(const std::vector<TaxonomyRow>& table) {
  std::printf("%-6s %-8s %6s %6s %6s %6s %8s\n", "lang", "task", "cc", "ci", "ic", "ii", "ci");
  for (const TaxonomyRow& r : table)
    std::printf("%-6s %-8s %6d %6d %6d %6d %6.1f %%\n", r.lang.c_str(), r.task.c_str(), r.cc, r.ci,
                r.ic, r.ii, 100 * r.rho_ci);
}

}  // namespace

void taxonomy_stage(const TaxonomyOptions& options) {
  const Workers workers(options.run);
  TaxonomyOptions o = options;
  BaseRun base = open_base(o.base, o.answers.stop);
  DeviceModel weights = load_weights(base, o.run.device, o.run.weights);
  RunFolder folder(o.run.run, run_facts("taxonomy", fields_of(o), base.record.seed, base.facts()),
                   o.run.existing());
  TextProgress progress("taxonomy", questions_to_classify(*base.data));
  o.answers.watch = progress.watch();
  const std::vector<ClassifiedPair> all = weights.with([&](auto& model) {
    return classify_training_pairs(model, base.prompts, *base.data, o.answers);
  });
  progress.finish();
  std::vector<TaxonomyRow> table;
  for (const std::string& lang : base.data->targets())
    for (const std::string& task : base.data->tasks_by_name()) {
      const TypeCounts counts = count_types(all, lang, task);
      const auto [cc, ci, ic, ii] = counts.count;
      table.push_back({lang, task, cc, ci, ic, ii, counts.share(PairType::ci)});
    }
  print_types(table);
  write_taxonomy(folder.file("taxonomy.jsonl"), all);
  folder.write_results(to_json(table));
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

/// The target with the largest share of ci examples, where alignment has most to do, if the run of
/// stage 1 tells; else the first target of the base model.
std::string target_to_try(const std::string& base, const std::string& taxonomy_run) {
  const std::string taxonomy = taxonomy_run + "/results.json";
  std::map<std::string, double> share;
  if (std::filesystem::exists(taxonomy)) {
    const Json rows = read_json(taxonomy);
    const JsonAt<Json> at{taxonomy, "", rows, "; run `ramoe taxonomy` again."};
    for (const JsonAt<Json>& row : at.elements())
      share[row["lang"].text()] += row["rho_ci"].number();
  }
  std::string best;
  for (const auto& [lang, sum] : share)
    if (best.empty() || sum > share[best]) best = lang;
  if (!best.empty()) return best;
  const BaseRun run = open_base(base);
  return run.data->targets().at(0);
}

/// The arguments of `ramoe finetune` after these stages, whose folders are side by side.
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

}  // namespace

void experts_stage(const ExpertsOptions& options) {
  const Workers workers(options.run);
  ExpertsOptions o = options;
  BaseRun base = open_base(o.base, o.answers.stop);
  DeviceModel weights = load_weights(base, o.run.device, o.run.weights);
  RunFolder folder(o.run.run, run_facts("experts", fields_of(o), base.record.seed, base.facts()),
                   o.run.existing());
  TextProgress progress("experts", texts_to_select(*base.data, o.experts, o.names));
  o.answers.watch = progress.watch();
  const std::vector<TaskExperts> tasks = weights.with([&](auto& model) {
    std::vector<TaskExperts> found;
    for (const std::string& task : base.data->tasks_by_name())
      found.push_back(
          find_task_experts(model, base.prompts, *base.data, task, o.experts, o.names, o.answers));
    return found;
  });
  progress.finish();
  std::vector<ExpertResults> results;
  for (const TaskExperts& found : tasks) {
    std::printf("%-8s", found.task.c_str());
    for (std::size_t l = 0; l < found.experts.size(); ++l) {
      std::printf("  %zu:{", l);
      for (std::size_t i = 0; i < found.experts[l].size(); ++i)
        std::printf("%s%d", i ? "," : "", found.experts[l][i]);
      std::printf("}");
    }
    std::printf("\n");
    ExpertResults& r = results.emplace_back();
    r.task = found.task;
    r.score = found.score;
    r.experts = found.experts;
    r.rule = name_of(o.experts.rule);
    if (o.experts.rule != ExpertRule::esft) r.tau = o.experts.tau;
    r.prompts =
        static_cast<int>(base.data->examples(english, found.task, Split::adapt_train).size());
  }
  write_json(folder.file("experts.json"), to_json(results));
  folder.write_results(to_json(results));
  folder.close();
}

std::vector<TaskExperts> read_task_experts(const std::string& experts_run,
                                           const ModelConfig& config) {
  const std::string path = require_file(experts_run, "experts.json", "experts");
  const Json tasks = read_json(path);
  std::vector<TaskExperts> experts;
  for (const Json& task : JsonAt<Json>{path, "", tasks, "; run `ramoe experts` again."}.list())
    experts.push_back(
        task_experts_from_json(task, path, config.moe_layer_count(), config.num_experts));
  return experts;
}

int run_experts(const Arguments& arguments) {
  return run_stage<ExpertsOptions>(
      arguments, "experts", [](const ExpertsOptions& o, const FieldList& fields) {
        const std::string because = "rule=" + name_of(o.experts.rule);
        if (o.experts.rule != ExpertRule::esft) note_unused(fields, {"cumulative"}, because);
        if (o.experts.rule == ExpertRule::esft) note_unused(fields, {"tau"}, because);
        if (o.experts.rule != ExpertRule::usage) note_unused(fields, {"names"}, because);
        if (o.experts.rule != ExpertRule::contrast)
          note_unused(fields, keys_of<AnswerOptions>(), because);
        experts_stage(o);
        say_end(cat("The experts of each task are in ", o.run.run, "/experts.json."),
                command_line("finetune", finetune_arguments(o.base, o.run.run)));
      });
}

}  // namespace ramoe
