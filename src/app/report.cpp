// ramoe report: report.html of a demo or a headroom from its results.json, of one fine-tuning run
// from its folder and those of the stages before it, or of a finished grid from its records.
#include "report/report.h"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "app/reports.h"
#include "ch06_languages/corpus.h"
#include "ch12_experiments/evaluation.h"
#include "ch12_experiments/sentences.h"
#include "report/headroom_report.h"
#include "report/routing_trace.h"
#include "runs/metrics.h"
#include "runs/progress.h"
#include "support/error.h"

namespace ramoe {

Json model_facts(const ModelConfig& config) {
  const ParameterCount count = count_parameters(config);
  return {{"family", name_of(config.model_type)},
          {"layers", config.num_hidden_layers},
          {"experts", config.num_experts},
          {"experts_per_token", config.num_experts_per_tok},
          {"parameters", count.total},
          {"active_parameters", count.active}};
}

namespace {

/// One number of each line of metrics.jsonl; NaN if the line lacks it.
std::vector<double> column(const std::vector<Json>& lines, const char* key) {
  std::vector<double> values;
  for (const Json& line : lines) {
    const Json value = line.value(key, Json());
    values.push_back(value.is_number() ? value.get<double>() : not_measured);
  }
  return values;
}

}  // namespace

LossCurve loss_curve(const std::string& folder) {
  const std::vector<Json> lines = read_metrics(folder + "/metrics.jsonl");
  LossCurve curve;
  for (const Json& line : lines) curve.steps.push_back(line.at("step"));
  curve.loss = column(lines, "loss");
  return curve;
}

FinetuneCurve finetune_curve(const std::string& folder, const FinetuneOptions& o) {
  FinetuneCurve curve = {
      loss_curve(folder), o.language, name_of(o.method), static_cast<int>(o.seed), {}};
  if (o.method != Method::sft)
    curve.alignment = column(read_metrics(folder + "/metrics.jsonl"), "alignment");
  return curve;
}

std::vector<RoutingTrace> routing_traces(const FinetuneInputs& inputs, Model<float>& tuned,
                                         const FinetuneOptions& o,
                                         const std::vector<std::string>& tasks) {
  std::vector<RoutingTrace> traces;
  for (const TaskExperts& task : inputs.experts) {
    if (!contains(tasks, task.task)) continue;
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

bool has_mark(const std::filesystem::path& path, const std::string& mark) {
  return read_file(path.string()).find(mark) != std::string::npos;
}

void check_replaceable(const std::filesystem::path& path, const std::string& mark) {
  check(!std::filesystem::exists(path) || has_mark(path, mark), path.string(),
        " was not made by this program and would be written over; choose another ",
        "place with --out, or move it away.");
}

namespace {

/// Removes the rows of a stage's results that are not of these tasks.
template <class Row>
void keep_tasks(std::vector<Row>& rows, const std::vector<std::string>& tasks) {
  std::erase_if(rows, [&](const Row& row) { return !contains(tasks, row.task); });
}

/// Both sides of the test pairs are answered for the accuracies, and again to choose the pair to
/// show, which has three answers.
std::size_t questions_of_report(const ParallelData& data, const std::string& lang,
                                const std::vector<std::string>& tasks) {
  std::size_t questions = 0;
  for (const std::string& task : tasks)
    questions += data.examples(english, task, Split::test).size() +
                 data.examples(lang, task, Split::test).size() +
                 2 * data.pairs(lang, task, Split::test).size() + 3;
  return questions;
}

/// What a report shows of one fine-tuning run: its accuracy beside that of the base model, its
/// loss, the stages that it builds on, and the routing of a pair of each task.
RunResults results_of_finetune(const RunRecord& record) {
  FinetuneOptions o;
  fields_of(o).read_json(record.config, record.path + "/run.json");
  check(record.status == "finished", record.path, " is not finished (status \"", record.status,
        "\"), and there is nothing to report yet; go on with ", resuming("finetune", record.path),
        ".");
  require_file(record.path, "results.json", "finetune");
  const std::vector<Score> scores = stage_results<RunScores>(record.path).test;
  require_file(record.path, "model/model.safetensors", "finetune --keep_model=true");
  FinetuneInputs inputs = load_finetune_inputs(o);
  const BaseRun& base = inputs.base;
  const auto tuned = load_model(find_model_folder(record.path));
  std::vector<std::string> tasks;
  for (const Score& score : scores) tasks.push_back(score.task);
  const std::vector<std::string> languages = {english, o.language};
  TextProgress progress("report", questions_of_report(*base.data, o.language, tasks));
  o.answers.watch = progress.watch();
  RunResults r;
  r.tasks = tasks;
  r.languages = base.data->languages();
  r.seeds = {static_cast<int>(o.seed)};
  for (const std::string& lang : r.languages)
    r.language_names.emplace_back(lang, language_name(*base.data, lang));
  if (const auto* corpus = dynamic_cast<const Corpus*>(base.data.get()))
    for (const LanguagePack& pack : corpus->packs())
      r.web_share.emplace_back(pack.code, pack.web_share);
  r.title = cat(method_label(name_of(o.method)), " for ", r.name(o.language), ", seed ", o.seed);
  r.model = model_facts(base.model->config());
  r.divergence = stage_results<DivergenceResults>(o.divergence_run);
  r.taxonomy = stage_results<std::vector<TaxonomyRow>>(o.taxonomy_run);
  std::erase_if(r.taxonomy, [&](const TaxonomyRow& row) { return row.lang != o.language; });
  keep_tasks(r.taxonomy, tasks);
  r.experts = stage_results<std::vector<ExpertResults>>(o.experts_run);
  keep_tasks(r.experts, tasks);
  r.finetune = {finetune_curve(record.path, o)};
  r.routing = routing_traces(inputs, *tuned, o, tasks);
  r.base_accuracy = evaluate(*base.model, base.prompts, *base.data,
                             {languages, tasks, Split::test, o.answers}, inputs.english_correct);
  for (const Score& before : r.base_accuracy)
    for (const Score& after : scores)
      if (before.lang == o.language && after.task == before.task) {
        AccuracyRow row;
        row.lang = before.lang;
        row.task = before.task;
        row.n = before.n;
        row.n_english = before.n_english;
        row.base = before.accuracy;
        row.base_given_english = before.given_english;
        row.methods = {{name_of(o.method), {{after.accuracy}, {after.given_english}, {}}}};
        r.accuracy.push_back(row);
      }
  progress.finish();
  r.words = run_sentences(r);
  r.run = {{"command", "finetune"},
           {"folder", record.path},
           {"build", record.record.value("build", Json())}};
  return r;
}

/// The run folder that a path stands for: the folder itself, that of a file, or the run of a model.
std::string run_of_path(const std::string& path) {
  namespace fs = std::filesystem;
  fs::path folder = fs::is_regular_file(path) ? fs::path(path).parent_path() : fs::path(path);
  if (folder.empty()) folder = ".";
  if (!folder.has_filename()) folder = folder.parent_path();  // "runs/sw/"
  const bool of_model = folder.filename() == "model" && fs::exists(folder / "../run.json");
  return (of_model ? (folder / "..").lexically_normal() : folder).string();
}

/// "grid", "finetune", "headroom" or "demo". Error: the path is none of these; the message says
/// what it is.
std::string kind_of_run(const std::string& path) {
  const std::string reported =
      "; `ramoe report` is for the run folder of a demo, of one fine-tuning run, of a headroom or "
      "of a grid.";
  if (std::filesystem::exists(path + "/experiment.json")) return "grid";
  const std::string place = path + "/run.json";
  check(std::filesystem::exists(place), path, " is no run folder (run.json is missing)", reported);
  const Json record = read_json(place);
  const Json command = record.is_object() ? record.value("command", Json()) : Json();
  if (command == "finetune" || command == "demo" || command == "headroom")
    return command.get<std::string>();
  fail(path, " holds a run of `ramoe ",
       command.is_string() ? command.get<std::string>() : excerpt(command),
       "`, of which there is no report", reported, " `ramoe inspect ", path,
       "` shows what is there.");
}

int report_headroom(const std::string& folder, const std::string& file) {
  require_file(folder, "results.json", "headroom");
  const std::string path = folder + "/results.json";
  const HeadroomResults results = headroom_from(read_json(path), path);
  if (file == folder + "/report.html") note_run_file(folder, "report.html");
  write_file(file, headroom_report_html(results));
  std::cout << headroom_table_text(results) << results.words << "\nThe report is " << file << ".\n";
  return 0;
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
  PathKey key{{}, "run folder of a demo, a fine-tuning run, a headroom or a grid"};
  std::string out;
  FieldList fields = fields_of(key);
  fields.add("out", &out, "file or folder of the report; empty: report.html in the run folder");
  if (!read_path(key, fields, arguments, "report")) return 0;
  key.path = run_of_path(key.path);
  const std::string kind = kind_of_run(key.path), file = report_file(out, key.path);
  check_replaceable(file);
  const Workers workers(0);
  if (kind == "grid") return report_grid(key.path, file);
  if (kind == "headroom") return report_headroom(key.path, file);
  if (kind == "demo") require_file(key.path, "results.json", "demo");
  const RunResults results = kind == "finetune"
                                 ? results_of_finetune(read_run(key.path, "finetune"))
                                 : stage_results<RunResults>(key.path);
  if (out.empty()) note_run_file(key.path, "report.html");
  write_report(file, results, key.path);
  std::cout << accuracy_table_text(results) << "The report is " << file << ".\n";
  return 0;
}

}  // namespace ramoe
