// ramoe finetune (stage 3): SFT with or without the alignment loss, and its evaluation on test.
#include "ch10_alignment/finetune.h"

#include <cstdio>
#include <iostream>

#include "app/stages.h"
#include "ch05_training/interrupt.h"
#include "ch05_training/metrics.h"
#include "ch05_training/progress.h"
#include "ch11_baselines/method.h"
#include "ch12_experiments/evaluation.h"
#include "support/error.h"

namespace ramoe {

FinetuneOptions::FinetuneOptions() {
  train.steps = 120;
  train.batch = 32;
  train.learning_rate = 5e-4;  // by SFT on adapt_valid: docs/log.md
  train.balance = 0.01;
  train.z_loss = 0;
  train.weight_decay = 0.01;
}

void FinetuneOptions::list(FieldList& f) {
  run.list(f);
  f.add("base", &base, "run folder of the base model");
  f.add("divergence_run", &divergence_run, "run folder of `ramoe divergence`: the alignment zone");
  f.add("taxonomy_run", &taxonomy_run, "run folder of `ramoe taxonomy`: stage 1");
  f.add("experts_run", &experts_run, "run folder of `ramoe experts`: stage 2");
  f.add("language", &language, "target language");
  f.add("method", &method, "how to fine-tune", {.choices = method_names()});
  f.add("train_tasks", &train_tasks, "tasks to train and test on; empty: all of the base model's");
  f.add("train_pairs", &train_pairs, "training pairs, drawn by seed; 0: all there are", {0, 1e7});
  f.add("seed", &seed, "seed of the order of examples");
  answers.list(f);
  f.add("keep_model", &keep_model, "whether the fine-tuned model is saved");
  train.list(f);
  alignment.list(f);
  method_keys.list(f);
}

namespace {

std::vector<std::string> tasks_of(const FinetuneOptions& o, const ParallelData& data) {
  for (const std::string& task : o.train_tasks) data.require_task(task);
  return o.train_tasks.empty() ? data.tasks_by_name() : o.train_tasks;
}

/// How many pairs of each type are trained on, and that nothing is aligned where that is so.
void say_counts(const std::vector<FinetuneExample>& examples, const FinetuneOptions& o) {
  std::map<PairType, int> count;
  for (const FinetuneExample& example : examples) ++count[example.type];
  std::cerr << examples.size() << " training pairs:";
  for (const PairType type : all_pair_types)
    std::cerr << " " << count[type] << " " << name_of(type);
  std::cerr << "\n";
  if (o.method == "ramoe" && o.alignment.examples == "ci" && count[PairType::ci] == 0)
    std::cerr
        << "no pair is of type ci, so the alignment loss is 0 and this is SFT; --examples says "
           "which other pairs may be aligned\n";
}

Json scores_of(Model<float>& model, const FinetuneOptions& o, const FinetuneInputs& inputs,
               Split split, bool quiet) {
  const BaseRun& base = inputs.base;
  EvaluationPlan plan{{o.language}, tasks_of(o, *base.data), split, o.answers};
  if (!quiet) plan.answers.title = name_of(split);
  Json scores = Json::array();
  for (const Score& score : evaluate(model, base.prompts, *base.data, plan, inputs.english_correct))
    scores.push_back(to_json(score));
  return scores;
}

}  // namespace

UsageByLanguage usage_by_language(Model<float>& model, const Prompts& prompts,
                                  const ParallelData& data, const std::vector<std::string>& tasks) {
  CachedEncoder encoder(prompts.tokenizer());
  UsageByLanguage usage;
  std::vector<std::string> languages = data.targets();
  languages.push_back(english);
  for (const std::string& lang : languages) {
    std::vector<std::vector<int>> questions;
    for (const std::string& task : tasks)
      for (const Example& example : data.examples(lang, task, Split::adapt_train))
        questions.push_back(prompts.prompt(encoder, example.question));
    usage[lang] = mean_of(sequence_routing(model, questions), &SequenceRouting::u);
  }
  return usage;
}

void check_same_base(const BaseRun& base, const RunRecord& record) {
  const Json facts = base.facts();
  check(record.record.value("data", Json::object()) == facts, record.path,
        " was made from another base model or other data than ", base.record.path, "; run `ramoe ",
        record.command, "` again with --base=", base.record.path, ".");
}

Zone read_zone(const std::string& divergence_run) {
  const std::string path = require_file(divergence_run, "results.json", "divergence");
  const Json divergence = read_json(path);
  check(divergence.contains("zone") && divergence["zone"].contains("first") &&
            divergence["zone"].contains("last"),
        path, ": the key \"zone\" with first and last is missing; run `ramoe divergence` again.");
  return {divergence["zone"]["first"].get<int>(), divergence["zone"]["last"].get<int>()};
}

std::vector<TaskExperts> read_task_experts(const std::string& experts_run,
                                           const ModelConfig& config) {
  const std::string path = require_file(experts_run, "experts.json", "experts");
  std::vector<TaskExperts> experts;
  for (const Json& task : read_json(path))
    experts.push_back(
        task_experts_from_json(task, path, config.moe_layer_count(), config.num_experts));
  return experts;
}

StageResults FinetuneInputs::stages() const {
  StageResults stages{zone, {}};
  for (const TaskExperts& task : experts) stages.experts[task.task] = task.experts;
  return stages;
}

FinetuneInputs load_finetune_inputs(const FinetuneOptions& o) {
  FinetuneInputs inputs{load_base(o.base), {}, {}, {}, {}};
  const ModelConfig& config = inputs.base.model->config();
  check_same_base(inputs.base, read_run(o.divergence_run, "divergence"));
  check_same_base(inputs.base, read_run(o.taxonomy_run, "taxonomy"));
  check_same_base(inputs.base, read_run(o.experts_run, "experts"));
  inputs.taxonomy = read_taxonomy(require_file(o.taxonomy_run, "taxonomy.jsonl", "taxonomy"));
  inputs.zone = read_zone(o.divergence_run);
  inputs.experts = read_task_experts(o.experts_run, config);
  for (const Split split : {Split::adapt_valid, Split::test})
    inputs.english_correct.merge(
        correct_in_english(*inputs.base.model, inputs.base.prompts, *inputs.base.data,
                           {{}, tasks_of(o, *inputs.base.data), split, o.answers}));
  return inputs;
}

bool is_finished(const std::string& folder, const RunFacts& facts) {
  if (!std::filesystem::exists(folder + "/run.json")) return false;
  const RunRecord record = read_run(folder, facts.command);
  if (record.status != "finished" || !std::filesystem::exists(folder + "/results.json"))
    return false;
  if (record.record.value("data", Json()) != facts.data) return false;
  for (const auto& [key, value] : facts.config.items())
    if (std::find(facts.free_keys.begin(), facts.free_keys.end(), key) == facts.free_keys.end() &&
        record.config.value(key, Json()) != value)
      return false;
  return true;
}

bool finetune_stage(const FinetuneOptions& options, const FinetuneInputs& inputs,
                    Model<float>& model, bool quiet, const std::function<bool()>& stop) {
  FinetuneOptions o = options;
  const ParallelData& data = *inputs.base.data;
  data.require_language(o.language);
  check(o.language != english, "language = en: the target must be another language than English.");
  const std::unique_ptr<Method> method = make_method(o.method);
  RunFolder folder(o.run.run, run_facts("finetune", fields_of(o), o.seed, inputs.base.facts()),
                   o.run.existing());
  std::vector<ExamplePair> pairs;
  for (const std::string& task : tasks_of(o, data))
    for (const ExamplePair& pair : data.pairs(o.language, task, Split::adapt_train))
      pairs.push_back(pair);
  const std::vector<FinetuneExample> examples = draw_examples(
      finetune_examples(pairs, inputs.taxonomy, inputs.base.prompts), o.train_pairs, o.seed);
  if (!quiet) say_counts(examples, o);
  const StageResults stages = inputs.stages();

  const ModelConfig& config = model.config();
  // Until the first step the model is the base model.
  const MethodContext context{
      o.method_keys, o.alignment, stages, examples, o.train.steps, o.seed, o.language, [&] {
        return usage_by_language(model, inputs.base.prompts, data, tasks_of(o, data));
      }};
  method->prepare(model, context);
  const std::unique_ptr<ExtraLoss> extra = method->extra_loss(model, context);
  Trainer trainer(model, o.train);
  const std::string state = folder.file("training.safetensors");
  if (folder.resumed() && std::filesystem::exists(state)) trainer.load_checkpoint(state);
  FinetuneBatches batches(examples, o.train.batch, config.pad_token_id, config.bos_token_id,
                          o.seed);
  MetricsFile metrics(folder.file("metrics.jsonl"),
                      trainer.steps_done() > 0 ? trainer.steps_done() : -1);
  std::optional<Progress> progress;
  if (!quiet) progress.emplace("finetune", o.train.steps, trainer.steps_done());
  finetune(trainer, batches, o.train, extra.get(), [&](int step, const StepReport& report) {
    if (step % o.train.log_every == 0 || step == o.train.steps)
      metrics.append({{"step", step},
                      {"loss", report.loss},
                      {"alignment", report.extra},
                      {"balance", report.balance},
                      {"gradient_norm", report.gradient_norm},
                      {"rate", report.rate}});
    char note[32];
    std::snprintf(note, sizeof note, "loss %.3f", report.loss);
    if (progress) progress->update(step, note);
    return !stop();
  });
  if (trainer.steps_done() < o.train.steps) {
    trainer.save_checkpoint(state);
    folder.close("interrupted");
    return false;
  }
  if (progress) progress->finish();
  if (o.keep_model) {
    save_model(model, folder.file("model"));
    copy_tokenizer(inputs.base.model_folder, folder.file("model"));
  }
  folder.write_results({{"language", o.language},
                        {"method", o.method},
                        {"seed", o.seed},
                        {"examples", examples.size()},
                        {"valid", scores_of(model, o, inputs, Split::adapt_valid, quiet)},
                        {"test", scores_of(model, o, inputs, Split::test, quiet)}});
  folder.close();
  return true;
}

/// "12.3 %", or n/a of no item.
static std::string percent_of(const Json& share) {
  if (!share.is_number()) return "n/a";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share.get<double>());
  return text;
}

int run_finetune(const Arguments& arguments) {
  FinetuneOptions options;
  FieldList fields = fields_of(options);
  if (!read_arguments(fields, arguments, "finetune")) return 0;
  const Workers workers(options.run.threads);
  const FinetuneInputs inputs = load_finetune_inputs(options);
  Interrupt interrupt;
  const bool finished = finetune_stage(options, inputs, *inputs.base.model, false,
                                       [&] { return interrupt.requested(); });
  check(finished,
        "interrupted; everything is saved. Go on with: ramoe finetune ... --run=", options.run.run,
        " --resume=true");
  const Json results = read_json(options.run.run + "/results.json");
  for (const Json& score : results["test"])
    std::printf("%s %-8s accuracy %s of %d, given English %s of %d\n", options.language.c_str(),
                score["task"].get<std::string>().c_str(), percent_of(score["accuracy"]).c_str(),
                score["n"].get<int>(), percent_of(score["given_english"]).c_str(),
                score["n_english_correct"].get<int>());
  return 0;
}

}  // namespace ramoe
