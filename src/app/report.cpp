// ramoe report: report.html of a demo from its results.json, of one fine-tuning run from its folder
// and those of the stages before it, or of a finished grid from its records.
#include "report/report.h"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "app/reports.h"
#include "ch06_languages/corpus.h"
#include "ch12_experiments/evaluation.h"
#include "ch12_experiments/sentences.h"
#include "report/report_parts.h"
#include "report/routing_trace.h"
#include "runs/metrics.h"
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
  Json entry = {{"lang", o.language}, {"method", name_of(o.method)}, {"seed", o.seed}};
  entry.update(loss_curve(folder, {"loss", "alignment"}));
  if (o.method == Method::sft) entry["alignment"] = Json::array();
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
    traces.push_back(
        trace_pair(*base.model, tuned, pair,
                   {base.prompts, inputs.zone, task.experts, o.answers, name_of(o.method)}));
  }
  return traces;
}

std::string language_name(const ParallelData& data, const std::string& lang) {
  if (const auto* corpus = dynamic_cast<const Corpus*>(&data))
    for (const LanguagePack& pack : corpus->packs())
      if (pack.code == lang) return pack.english_name;
  return lang;
}

void check_replaceable(const std::filesystem::path& path, const std::string& mark) {
  check(!std::filesystem::exists(path) || read_file(path.string()).find(mark) != std::string::npos,
        path.string(), " was not made by this program and would be written over; choose another ",
        "place with --out, or move it away.");
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

/// Both sides of the test pairs are answered for the accuracies, and again for a pair to show, of
/// which three answers are shown.
std::size_t questions_of_report(const ParallelData& data, const std::string& lang,
                                const std::vector<std::string>& tasks) {
  std::size_t questions = 0;
  for (const std::string& task : tasks)
    questions += data.examples(english, task, Split::test).size() +
                 data.examples(lang, task, Split::test).size() +
                 2 * data.pairs(lang, task, Split::test).size() + 3;
  return questions;
}

/// What a report shows of one fine-tuning run: its accuracy beside the base model's, its loss, the
/// stages that it was made from, and the routing of a pair of each task.
Json results_of_finetune(const RunRecord& record) {
  FinetuneOptions o;
  fields_of(o).read_json(record.config, record.path + "/run.json");
  check(record.status == "finished", record.path, " is not finished (status \"", record.status,
        "\"), and there is nothing to report yet; go on with ", resuming("finetune", record.path),
        ".");
  const Json scores = read_json(require_file(record.path, "results.json", "finetune"));
  require_file(record.path, "model/model.safetensors", "finetune --keep_model=true");
  FinetuneInputs inputs = load_finetune_inputs(o);
  const BaseRun& base = inputs.base;
  const auto tuned = load_model(find_model_folder(record.path));
  std::vector<std::string> tasks;
  for (const Json& score : scores.at("test")) tasks.push_back(score.at("task"));
  const std::vector<std::string> languages = {english, o.language};
  TextProgress progress("report", questions_of_report(*base.data, o.language, tasks));
  o.answers.watch = progress.watch();
  Json r = {{"tasks", tasks}, {"languages", base.data->languages()}, {"seeds", {o.seed}}};
  for (const std::string& lang : base.data->languages())
    r["language_names"][lang] = language_name(*base.data, lang);
  if (const auto* corpus = dynamic_cast<const Corpus*>(base.data.get()))
    for (const LanguagePack& pack : corpus->packs()) r["web_share"][pack.code] = pack.web_share;
  r["title"] = cat(method_label(name_of(o.method)), " for ", language_name(*base.data, o.language),
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
                                  {{name_of(o.method),
                                    {{"accuracy", {after.at("accuracy")}},
                                     {"given_english", {after.at("given_english")}}}}}}});
  }
  progress.finish();
  r["words"] = run_sentences(r);
  r["run"] = {{"command", "finetune"},
              {"folder", record.path},
              {"build", record.record.value("build", Json())}};
  return r;
}

/// The run folder that a path means: of a file that in which it lies, of a model's its run's.
std::string run_of_path(const std::string& path) {
  namespace fs = std::filesystem;
  fs::path folder = fs::is_regular_file(path) ? fs::path(path).parent_path() : fs::path(path);
  if (folder.empty()) folder = ".";
  if (!folder.has_filename()) folder = folder.parent_path();  // "runs/sw/"
  const bool of_model = folder.filename() == "model" && fs::exists(folder / "../run.json");
  return (of_model ? (folder / "..").lexically_normal() : folder).string();
}

/// "grid", "finetune" or "demo". Error: what the path holds instead, and what has a report.
std::string kind_of_run(const std::string& path) {
  const std::string reported =
      "; `ramoe report` is for the run folder of a demo, of one fine-tuning run or of a grid.";
  if (std::filesystem::exists(path + "/experiment.json")) return "grid";
  const std::string place = path + "/run.json";
  check(std::filesystem::exists(place), path, " is no run folder (run.json is missing)", reported);
  const Json record = read_json(place);
  const Json command = record.is_object() ? record.value("command", Json()) : Json();
  if (command == "finetune" || command == "demo") return command.get<std::string>();
  fail(path, " holds a run of `ramoe ",
       command.is_string() ? command.get<std::string>() : excerpt(command),
       "`, of which there is no report", reported, " `ramoe inspect ", path,
       "` shows what is there.");
}

/// Where the report goes: `out` is a file, or a folder if it is one or ends with a slash.
std::string report_file(const std::string& out, const std::string& run) {
  const auto in_folder = [](const std::string& folder) {
    return folder + (folder.ends_with("/") ? "" : "/") + "report.html";
  };
  if (out.empty()) return in_folder(run);
  if (out.ends_with("/") || std::filesystem::is_directory(out)) {
    make_folder(out);
    return in_folder(out);
  }
  if (const auto parent = std::filesystem::path(out).parent_path(); !parent.empty())
    make_folder(parent.string());
  return out;
}

}  // namespace

int run_report(const Arguments& arguments) {
  PathKey key{{}, "run folder of a demo, a fine-tuning run or a grid"};
  std::string out;
  FieldList fields = fields_of(key);
  fields.add("out", &out, "file or folder of the report; empty: report.html in the run folder");
  if (!read_path(key, fields, arguments, "report")) return 0;
  key.path = run_of_path(key.path);
  const std::string kind = kind_of_run(key.path), file = report_file(out, key.path);
  check_replaceable(file);
  const Workers workers(0);
  if (kind == "grid") return report_grid(key.path, file);
  const Json results = kind == "finetune"
                           ? results_of_finetune(read_run(key.path, "finetune"))
                           : read_json(require_file(key.path, "results.json", "demo"));
  if (out.empty()) note_run_file(key.path, "report.html");
  write_report(file, results, key.path);
  std::cout << accuracy_table_text(results) << "The report is " << file << ".\n";
  return 0;
}

}  // namespace ramoe
