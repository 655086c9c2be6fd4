// ramoe report: report.html of a demo from its results.json, of one fine-tuning run from its folder
// and those of the stages before it, or of a finished grid from its records.
#include "ch12_experiments/report.h"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "app/reports.h"
#include "ch05_training/metrics.h"
#include "ch06_languages/corpus.h"
#include "ch12_experiments/evaluation.h"
#include "ch12_experiments/report_parts.h"
#include "ch12_experiments/routing_trace.h"
#include "ch12_experiments/sentences.h"
#include "support/error.h"

namespace ramoe {

Json model_facts(const ModelConfig& config) {
  const ParameterCount count = count_parameters(config);
  return {{"family", config.model_type},   {"layers", config.num_hidden_layers},
          {"experts", config.num_experts}, {"experts_per_token", config.num_experts_per_tok},
          {"parameters", count.total},     {"active_parameters", count.active}};
}

Json loss_curve(const std::string& folder, const std::vector<std::string>& keys) {
  Json result = {{"steps", Json::array()}};
  for (const std::string& key : keys) result[key] = Json::array();
  for (const Json& line : read_metrics(folder + "/metrics.jsonl")) {
    result["steps"].push_back(line["step"]);
    for (const std::string& key : keys) result[key].push_back(line.value(key, Json()));
  }
  return result;
}

Json finetune_curve(const std::string& folder, const FinetuneOptions& o) {
  Json entry = {{"lang", o.language}, {"method", o.method}, {"seed", o.seed}};
  entry.update(loss_curve(folder, {"loss", "alignment"}));
  if (o.method == "sft") entry["alignment"] = Json::array();
  return entry;
}

Json routing_traces(const FinetuneInputs& inputs, Model<float>& tuned, const FinetuneOptions& o,
                    const std::vector<std::string>& tasks) {
  Json traces = Json::array();
  for (const TaskExperts& task : inputs.experts) {
    if (std::find(tasks.begin(), tasks.end(), task.task) == tasks.end()) continue;
    const BaseRun& base = inputs.base;
    const ExamplePair pair = pair_to_show(
        *base.model, base.prompts, base.data->pairs(o.language, task.task, Split::test), o.answers);
    traces.push_back(trace_pair(*base.model, tuned, pair,
                                {base.prompts, inputs.zone, task.experts, o.answers, o.method}));
  }
  return traces;
}

std::string language_name(const ParallelData& data, const std::string& lang) {
  if (const auto* corpus = dynamic_cast<const Corpus*>(&data))
    for (const LanguagePack& pack : corpus->packs())
      if (pack.code == lang) return pack.english_name;
  return lang;
}

namespace {

/// The rows of a stage's results that are of this language, or of all where a row names none.
Json rows_of(const Json& rows, const std::string& lang, const std::vector<std::string>& tasks) {
  Json mine = Json::array();
  for (const Json& row : rows)
    if (row.value("lang", lang) == lang &&
        std::find(tasks.begin(), tasks.end(), row.value("task", "")) != tasks.end())
      mine.push_back(row);
  return mine;
}

/// What a report shows of one fine-tuning run: its accuracy beside the base model's, its loss, the
/// stages that it was made from, and the routing of a pair of each task.
Json results_of_finetune(const RunRecord& record) {
  FinetuneOptions o;
  fields_of(o).read_json(record.config, record.path + "/run.json");
  const Json scores = read_json(require_file(record.path, "results.json", "finetune"));
  require_file(record.path, "model/model.safetensors", "finetune --keep_model=true");
  FinetuneInputs inputs = load_finetune_inputs(o);
  const BaseRun& base = inputs.base;
  const auto tuned = load_model(record.path + "/model");
  std::vector<std::string> tasks;
  for (const Json& score : scores.at("test")) tasks.push_back(score.at("task"));
  const std::vector<std::string> languages = {english, o.language};
  Json r = {{"tasks", tasks}, {"languages", base.data->languages()}, {"seeds", {o.seed}}};
  for (const std::string& lang : base.data->languages())
    r["language_names"][lang] = language_name(*base.data, lang);
  if (const auto* corpus = dynamic_cast<const Corpus*>(base.data.get()))
    for (const LanguagePack& pack : corpus->packs()) r["web_share"][pack.code] = pack.web_share;
  r["title"] = cat(method_label(o.method), " for ", language_name(*base.data, o.language),
                   ", seed ", o.seed);
  r["model"] = model_facts(base.model->config());
  r["divergence"] = read_json(o.divergence_run + "/results.json");
  r["taxonomy"] = rows_of(read_json(o.taxonomy_run + "/results.json"), o.language, tasks);
  r["experts"] = rows_of(read_json(o.experts_run + "/results.json"), o.language, tasks);
  r["finetune"] = {finetune_curve(record.path, o)};
  r["routing"] = routing_traces(inputs, *tuned, o, tasks);
  r["base_accuracy"] = Json::array();
  r["accuracy"] = Json::array();
  for (const Score& score :
       evaluate(*base.model, base.prompts, *base.data, {languages, tasks, Split::test, o.answers},
                inputs.english_correct)) {
    r["base_accuracy"].push_back(to_json(score));
    for (const Json& after : scores.at("test"))
      if (score.lang == o.language && after.at("task") == score.task)
        r["accuracy"].push_back({{"lang", score.lang},
                                 {"task", score.task},
                                 {"n", score.n},
                                 {"n_english_correct", score.n_english},
                                 {"base", score.accuracy},
                                 {"base_given_english", score.given_english},
                                 {"methods",
                                  {{o.method,
                                    {{"accuracy", {after.at("accuracy")}},
                                     {"given_english", {after.at("given_english")}}}}}}});
  }
  r["words"] = run_sentences(r);
  r["run"] = {{"command", "finetune"},
              {"folder", record.path},
              {"build", record.record.value("build", Json())}};
  return r;
}

}  // namespace

int run_report(const Arguments& arguments) {
  PathKey key{{}, "run folder of a demo, a fine-tuning run or a grid"};
  if (!read_path(key, arguments, "report")) return 0;
  if (std::filesystem::exists(key.path + "/experiment.json")) return report_grid(key.path);
  const std::string place = key.path + "/run.json";
  const Json record = std::filesystem::exists(place) ? read_json(place) : Json();
  const bool finetuned = record.is_object() && record.value("command", "") == "finetune";
  const Workers workers(0);
  const Json results = finetuned ? results_of_finetune(read_run(key.path, "finetune"))
                                 : read_json(require_file(key.path, "results.json", "demo"));
  write_report(key.path + "/report.html", results, key.path);
  std::cout << accuracy_table_text(results) << "The report is " << key.path << "/report.html\n";
  return 0;
}

}  // namespace ramoe
