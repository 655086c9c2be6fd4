// ramoe finetune (stage 3): SFT with or without the alignment loss, and its evaluation on test.
#include "ch10_alignment/finetune.h"

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "app/model_folder.h"
#include "app/stages.h"
#include "app/training_files.h"
#include "ch05_training/memory.h"
#include "ch11_baselines/method.h"
#include "ch12_experiments/run_results.h"
#include "formats/checksum_list.h"
#include "runs/interrupt.h"
#include "runs/progress.h"
#include "support/error.h"

namespace ramoe {

FinetuneOptions::FinetuneOptions() {
  train.steps = 120;
  train.batch = 32;
  train.learning_rate = 5e-4;  // chosen for SFT on adapt_valid: docs/log.md
  train.balance = 0.01;
  train.z_loss = 0;
  train.weight_decay = 0.01;
}

void FinetuneOptions::list(FieldList& f) {
  run.list(f);
  f.add("base", &base, "run folder of the base model");
  f.also("base", model_aliases());
  f.add("divergence_run", &divergence_run, "run folder of `ramoe divergence`: the alignment zone");
  f.add("taxonomy_run", &taxonomy_run, "run folder of `ramoe taxonomy`: stage 1");
  f.add("experts_run", &experts_run, "run folder of `ramoe experts`: stage 2");
  f.add("language", &language, "target language, by code or name");
  f.also("language", language_aliases());
  f.add("method", &method, "how to fine-tune");
  f.add("train_tasks", &train_tasks, "tasks to train and test on; empty: all of the base model's");
  f.add("train_pairs", &train_pairs, "training pairs, drawn by seed; 0: all there are", {0, 1e7});
  f.add("seed", &seed, "seed of the order of examples");
  answers.list(f);
  f.add("keep_model", &keep_model, "whether the fine-tuned model is saved");
  f.add(
      "save_dtype", &save_dtype,
      "in what its weights are stored; as_loaded: as the base model's. They are rounded before the "
      "model is evaluated");
  train.list(f);
  alignment.list(f);
  method_keys.list(f);
}

void FinetuneOptions::check_keys() const {
  check_method(method_run());
  check(method != Method::self_training || train_pairs > 0, "method = self_training with ",
        "train_pairs = 0: all pairs are labelled, so none is left for the pool; expected how many "
        "pairs to label, such as train_pairs = 24.");
}

std::vector<std::string> tasks_of(const FinetuneOptions& o, const ParallelData& data) {
  for (const std::string& task : o.train_tasks) data.require_task(task);
  return o.train_tasks.empty() ? data.tasks_by_name() : o.train_tasks;
}

namespace {

/// Prints how many pairs of each type are trained on, and says so if none is aligned.
void say_counts(const std::vector<FinetuneExample>& examples, const FinetuneOptions& o) {
  std::map<PairType, int> count;
  const std::size_t labelled = labelled_count(examples), pool = examples.size() - labelled;
  for (std::size_t i = 0; i < labelled; ++i) ++count[examples[i].type];
  std::cerr << labelled << " training pairs:";
  for (const PairType type : every<PairType>())
    std::cerr << " " << count[type] << " " << name_of(type);
  if (pool_size(o.method_keys.pool) > 0) std::cerr << "; and a pool of " << pool << " prompts";
  std::cerr << "\n";
  if (o.method == Method::ramoe && o.alignment.examples == AlignedExamples::ci &&
      count[PairType::ci] == 0 && pool == 0)
    std::cerr
        << "no pair is of type ci, so the alignment loss is 0 and this is SFT; --examples says "
           "which other pairs may be aligned\n";
}

}  // namespace

template <class T>
Json scores_of(Model<T>& model, const FinetuneOptions& o, const FinetuneInputs& inputs, Split split,
               bool quiet) {
  const BaseRun& base = inputs.base;
  EvaluationPlan plan{{o.language}, tasks_of(o, *base.data), split, o.answers};
  std::size_t questions = 0;
  for (const std::string& task : plan.tasks)
    questions += base.data->examples(o.language, task, split).size();
  TextProgress progress(name_of(split), questions, 5);
  if (!quiet) plan.answers.watch = progress.watch();
  Json scores = Json::array();
  for (const Score& score : evaluate(model, base.prompts, *base.data, plan, inputs.english_correct))
    scores.push_back(to_json(score));
  progress.finish();
  return scores;
}

#define RAMOE_SCORES(T) \
  template Json scores_of(Model<T>&, const FinetuneOptions&, const FinetuneInputs&, Split, bool);
RAMOE_FOR_EACH_TYPE(RAMOE_SCORES)
#undef RAMOE_SCORES

void check_same_base(const BaseRun& base, const RunRecord& record) {
  const Json facts = base.facts();
  check(record.record.value("data", Json::object()) == facts, record.path,
        " was made from another base model or other data than ", base.record.path, "; run `ramoe ",
        record.command, "` again with --base=", base.record.path, ".");
}

StageResults FinetuneInputs::stages() const {
  StageResults stages{zone, {}};
  for (const TaskExperts& task : experts) stages.experts[task.task] = task.experts;
  return stages;
}

namespace {

/// What the earlier stages found.
FinetuneInputs read_finetune_inputs(const FinetuneOptions& o) {
  FinetuneInputs inputs{load_base(o.base, o.answers.stop), {}, {}, {}, {}};
  const ModelConfig& config = inputs.base.model->config();
  check_same_base(inputs.base, read_run(o.divergence_run, "divergence"));
  check_same_base(inputs.base, read_run(o.taxonomy_run, "taxonomy"));
  check_same_base(inputs.base, read_run(o.experts_run, "experts"));
  inputs.taxonomy = read_taxonomy(require_file(o.taxonomy_run, "taxonomy.jsonl", "taxonomy"));
  inputs.zone = read_zone(o.divergence_run);
  inputs.experts = read_task_experts(o.experts_run, config);
  return inputs;
}

/// Adds what English knows of the questions that a run is judged by.
void answer_in_english(FinetuneInputs& inputs, const FinetuneOptions& o) {
  on_device(o.run.device, *inputs.base.model, [&](auto& model) {
    for (const Split split : {Split::adapt_valid, Split::test})
      inputs.english_correct.merge(
          correct_in_english(model, inputs.base.prompts, *inputs.base.data,
                             {{}, tasks_of(o, *inputs.base.data), split, o.answers}));
  });
}

}  // namespace

FinetuneInputs load_finetune_inputs(const FinetuneOptions& o) {
  FinetuneInputs inputs = read_finetune_inputs(o);
  answer_in_english(inputs, o);
  return inputs;
}

bool is_finished(const std::string& folder, const RunFacts& facts) {
  if (!std::filesystem::exists(folder + "/run.json")) return false;
  const RunRecord record = read_run(folder, facts.command);
  if (record.status != "finished" || !std::filesystem::exists(folder + "/results.json"))
    return false;
  if (record.record.value("data", Json()) != facts.data) return false;
  for (const auto& [key, value] : facts.config.items())
    if (!contains(facts.free_keys, key) && record.config.value(key, Json()) != value) return false;
  return true;
}

namespace {

/// Rounds the values to the form in which they are saved, and saves them.
void keep_tuned_model(Model<float>& model, const FinetuneInputs& inputs, RunFolder& folder,
                      SavedForm form) {
  try {
    round_values(model, form);
  } catch (const Error& error) {
    form.dtypes.clear();  // better to save in another form than to lose the run
    std::cerr << error.what() << " It is saved so now.\n";
  }
  for (const std::string& copied :
       save_tuned_model(model, inputs.base.model_folder, folder.file("model"),
                        inputs.base.prompts.format().eos, form))
    folder.file("model/" + copied);
  folder.file(checksum_list_name);
  write_checksum_list(folder.path());
}

/// Error if training does not fit into memory beside the weights, which are already loaded.
template <class T>
void check_finetune_memory(const FinetuneOptions& o, const std::vector<FinetuneExample>& examples,
                           const Model<T>& model) {
  const ModelConfig& config = model.config();
  std::size_t longest = 1;
  for (const FinetuneExample& e : examples)
    longest = std::max({longest, e.target.tokens.size(), e.labelled ? 0 : e.self.tokens.size()});
  const double all = static_cast<double>(count_parameters(config).total);
  const double trained = o.method == Method::rise ? expert_parameters(config) : all;
  const std::size_t batch = std::size_t(o.train.batch);
  double rows = static_cast<double>(std::min(batch, labelled_count(examples)));
  if (pool_size(o.method_keys.pool) > 0)  // most rows beside: few labelled ones take all of a step
    rows += static_cast<double>(std::min(batch * std::size_t(o.train.accumulate), examples.size()));
  check_memory_for<T>(
      training_bytes(config, rows, static_cast<int>(longest), trained, memory_of<T>),
      cat("training with batches of ", rows, " rows of ", longest, " tokens"),
      "lower --batch (with --accumulate) or take a smaller model", 4 * all);
}

template <class T>
bool finetune_on(const FinetuneOptions& options, const FinetuneInputs& inputs, Model<T>& model,
                 bool quiet, const std::function<bool()>& stop) {
  FinetuneOptions o = options;
  const ParallelData& data = *inputs.base.data;
  o.language = data.language_code(o.language);
  check(o.language != english, "language = en: the target must be another language than English.");
  RunFolder folder(o.run.run, run_facts("finetune", fields_of(o), o.seed, inputs.base.facts()),
                   o.run.existing());
  if (folder.kept()) {
    std::cerr << o.run.run << ": finished before, kept; --overwrite=true trains it anew\n";
    return true;
  }
  std::vector<ExamplePair> pairs;
  for (const std::string& task : tasks_of(o, data))
    for (const ExamplePair& pair : data.pairs(o.language, task, Split::adapt_train))
      pairs.push_back(pair);
  const std::vector<FinetuneExample> examples =
      draw_with_pool(finetune_examples(pairs, inputs.taxonomy, inputs.base.prompts), o.train_pairs,
                     pool_size(o.method_keys.pool), o.seed);
  if (!quiet) say_counts(examples, o);
  check_finetune_memory(o, examples, model);
  const StageResults stages = inputs.stages();

  SavedForm form;
  if (o.keep_model)
    form.dtypes = saved_dtypes(o.save_dtype, inputs.base.model_folder, model.config());
  // Until the first step the model is the base model.
  MethodTraining<T> training(
      model, o.method_run(),
      {stages, examples,
       [&] { return usage_by_language(model, inputs.base.prompts, data, tasks_of(o, data)); }});
  TrainingFiles<T> files(folder, training.trainer(), o.train);
  std::optional<Progress> progress;
  if (!quiet) progress.emplace("finetune", o.train.steps, training.trainer().steps_done());
  const auto watch = [&](int step, const StepReport& report) {
    char note[32];
    std::snprintf(note, sizeof note, "loss %.3f", report.loss);
    if (progress) progress->update(step, note);
    files.after_step({{"step", step},
                      {"loss", report.loss},
                      {"alignment", report.extra},
                      {"balance", report.balance},
                      {"gradient_norm", report.gradient_norm},
                      {"rate", report.rate}});
    return !stop();
  };
  try {
    training.run(watch);
  } catch (const Interrupted&) {  // the step that was at work is left out
  }
  files.save();  // also after the last step: a kill while answering loses no training
  if (training.trainer().steps_done() < o.train.steps) {
    folder.close("interrupted");
    return false;
  }
  if (progress) progress->finish();
  if (!quiet) files.say_replays();
  if (o.keep_model)
    as_floats(model, [&](Model<float>& floats) { keep_tuned_model(floats, inputs, folder, form); });
  Json results = {{"language", o.language},
                  {"method", name_of(o.method)},
                  {"seed", o.seed},
                  {"examples", labelled_count(examples)},
                  {"base", inputs.base_scores}};
  if (pool_size(o.method_keys.pool) > 0)
    results["pool"] = examples.size() - labelled_count(examples);
  try {
    results["valid"] = scores_of(model, o, inputs, Split::adapt_valid, quiet);
    results["test"] = scores_of(model, o, inputs, Split::test, quiet);
  } catch (const Interrupted&) {
    folder.close("interrupted");
    return false;
  }
  folder.write_results(results);
  folder.close();
  if (!o.keep_model) files.remove();
  return true;
}

}  // namespace

bool finetune_stage(const FinetuneOptions& options, const FinetuneInputs& inputs,
                    Model<float>& model, bool quiet, const std::function<bool()>& stop) {
  return on_device(options.run.device, model, [&]<class T>(Model<T>& trained) {
    const bool finished = finetune_on(options, inputs, trained, quiet, stop);
    if constexpr (!std::is_same_v<T, float>) model.copy_values(trained);
    return finished;
  });
}

namespace {

/// Names the given keys that have no effect with the other keys.
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

/// Prints what will be trained, and how well the base model does on adapt_valid. Returns its scores
/// there and on test; those on test are shown at the end, so that nobody chooses by them.
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

/// One line for each task: the base model's accuracy on test, and that of the run in its folder.
void say_finetuned(const FinetuneOptions& o, const Json& before) {
  const std::string& run = o.run.run;
  print_gain(o, before, read_json(run + "/results.json")["test"]);
  say_end(cat("Accuracies are in ", run, "/results.json",
              o.keep_model ? cat(", the model is in ", run, "/model.") : "."),
          command_line(o.keep_model ? "report" : "inspect", {run}));
}

}  // namespace

int run_finetune(const Arguments& arguments) {
  FinetuneOptions options;
  FieldList fields = fields_of(options);
  if (!read_arguments(fields, arguments, "finetune", {"base"})) return 0;
  options.check_keys();
  note_unused_finetune(options, fields);
  const Workers workers(options.run);
  options.run.check_place("finetune");
  bool finished = false;
  Json base_scores;
  try {
    FinetuneInputs inputs = read_finetune_inputs(options);
    options.language = inputs.base.data->language_code(options.language);
    const RunFacts facts = run_facts("finetune", fields, options.seed, inputs.base.facts());
    check_run(options.run.run, facts, options.run.existing());  // before anything is computed
    // A finished run that kept no weights has nothing to resume, and nothing to do.
    finished = options.run.resume && is_finished(options.run.run, facts);
    answer_in_english(inputs, options);
    inputs.base_scores = base_scores = say_finetuning(options, inputs);
    finished =
        finished || finetune_stage(options, inputs, *inputs.base.model, false, interrupt_requested);
  } catch (const Interrupted&) {
  }
  if (!finished)
    throw Interrupted("interrupted; what was trained is saved. Go on with: " +
                      resuming("finetune", options.run.run));
  say_finetuned(options, base_scores["test"]);
  return 0;
}

}  // namespace ramoe
