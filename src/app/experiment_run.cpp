#include "app/experiment_run.h"

#include <ctime>

#include "ch10_alignment/finetune.h"
#include "ch11_baselines/steering.h"
#include "ch12_experiments/evaluation.h"
#include "support/error.h"

namespace ramoe {

GridModel::GridModel(const FinetuneOptions& options, const std::vector<std::string>& languages)
    : inputs_(load_finetune_inputs(options)), stages_(inputs_.stages()) {
  for (const std::string& task : options.train_tasks) {
    usage_[task];
    for (const std::string& lang : languages) {
      inputs_.base.data->require_language(lang);
      check(lang != english, "languages = en: the targets must be other languages than English.");
      cells_[{task, lang}];
    }
  }
}

template <class T>
std::unique_ptr<Model<T>> GridModel::copy() const {
  auto model = std::make_unique<Model<T>>(inputs_.base.model->config());
  model->copy_values(*inputs_.base.model);
  return model;
}

template <class T>
const GridCell& GridModel::cell(const std::string& task, const std::string& lang, Model<T>& base) {
  GridCell& cell = cells_.at({task, lang});
  std::call_once(cell.made, [&] {
    const ParallelData& data = *inputs_.base.data;
    const Prompts& prompts = inputs_.base.prompts;
    cell.examples =
        finetune_examples(data.pairs(lang, task, Split::adapt_train), inputs_.taxonomy, prompts);
    CachedEncoder encoder(prompts.tokenizer());
    for (const ExamplePair& pair : data.pairs(lang, task, Split::test)) {
      cell.english_prompts.push_back(prompts.prompt(encoder, pair.english.question));
      cell.target_prompts.push_back(prompts.prompt(encoder, pair.target.question));
    }
    cell.english_routing = sequence_routing(base, cell.english_prompts);
  });
  return cell;
}

template <class T>
const UsageByLanguage& GridModel::usage(const std::string& task, Model<T>& base) {
  TaskUsage& usage = usage_.at(task);
  std::call_once(usage.made, [&] {
    usage.usage = usage_by_language(base, inputs_.base.prompts, *inputs_.base.data, {task});
  });
  return usage.usage;
}

const TaskExperts& GridModel::experts(const std::string& task) const {
  for (const TaskExperts& experts : inputs_.experts)
    if (experts.task == task) return experts;
  fail("there are no task experts of ", task, "; run `ramoe experts` again.");
}

namespace {

/// Seconds of processor time that this thread has used.
double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// One run in progress, with its model.
template <class T>
class RunAtWork {
 public:
  RunAtWork(GridModel& shared, const GridRun& run, const GridRunOptions& options)
      : shared_(shared),
        run_(run),
        options_(options),
        model_(shared.copy<T>()),
        cell_(shared.cell(run.task, run.lang, *model_)) {}

  /// Returns whether training finished.
  bool train(const std::function<bool()>& stop);
  std::vector<Json> records();

 private:
  Json head(const std::string& part, const std::string& variant, const std::string& method) const;
  void add_search(Json& record);
  void add_routing(Json& record);
  Json accuracy(Split split, const RouterHook<T>* hook = nullptr);
  Json steered(Steering form);

  GridModel& shared_;
  const GridRun& run_;
  const GridRunOptions& options_;
  std::unique_ptr<Model<T>> model_;
  const GridCell& cell_;
  std::vector<FinetuneExample> examples_;
};

template <class T>
bool RunAtWork<T>::train(const std::function<bool()>& stop) {
  const FinetuneOptions& o = options_.finetune;
  examples_ = draw_with_pool(cell_.examples, o.train_pairs, pool_size(o.method_keys.pool), o.seed);
  if (run_.variant == "base") return true;
  MethodTraining<T> training(*model_, o.method_run(), {shared_.stages(), examples_, [&] {
                                                         return shared_.usage(run_.task, *model_);
                                                       }});
  return training.run([&](int, const StepReport&) { return !stop(); });
}

template <class T>
Json RunAtWork<T>::head(const std::string& part, const std::string& variant,
                        const std::string& method) const {
  const bool trained = run_.variant != "base";
  Json record = {{"id", ""},          {"part", part},      {"model", run_.model},
                 {"task", run_.task}, {"lang", run_.lang}, {"variant", variant},
                 {"method", method}};
  if (run_.seed > 0) record["seed"] = run_.seed;
  if (trained) record["learning_rate"] = options_.finetune.train.learning_rate;
  int ci = 0;
  for (const FinetuneExample& example : examples_)
    ci += example.labelled && example.type == PairType::ci;
  const std::size_t labelled = labelled_count(examples_);
  record["examples"] = labelled;
  record["ci"] = ci;
  if (trained && pool_size(options_.finetune.method_keys.pool) > 0)
    record["pool"] = examples_.size() - labelled;
  return record;
}

template <class T>
Json RunAtWork<T>::accuracy(Split split, const RouterHook<T>* hook) {
  const FinetuneInputs& inputs = shared_.inputs();
  EvaluationPlan plan{{run_.lang}, {run_.task}, split, options_.finetune.answers};
  const Score score =
      evaluate(*model_, inputs.base.prompts, *inputs.base.data, plan, inputs.english_correct, hook)
          .front();
  Json json = {{"n", score.n}, {"accuracy", score.accuracy}};
  if (split != Split::test) return json;
  json["n_english"] = score.n_english;
  json["given_english"] = number_or_null(score.given_english);
  return json;
}

/// The search reads adapt_valid alone.
template <class T>
void RunAtWork<T>::add_search(Json& record) {
  record["valid"] = accuracy(Split::adapt_valid);
  for (const double strength : options_.strengths) {
    const RoutingSteering<T> hook({Steering::soft, strength, 1}, shared_.stages().zone,
                                  shared_.experts(run_.task), model_->config().num_experts_per_tok);
    record["valid_by_strength"][number_text(strength)] =
        accuracy(Split::adapt_valid, &hook)["accuracy"];
  }
}

/// Values for a file, rounded to five significant digits.
Json rounded(const PerLayer& values) {
  Json json = Json::array();
  for (const std::vector<double>& layer : values) {
    Json row = Json::array();
    for (const double value : layer) {
      char text[32];
      std::snprintf(text, sizeof text, "%.5g", value);
      row.push_back(std::strtod(text, nullptr));
    }
    json.push_back(std::move(row));
  }
  return json;
}

template <class T>
void RunAtWork<T>::add_routing(Json& record) {
  const std::vector<SequenceRouting> target = sequence_routing(*model_, cell_.target_prompts);
  const PerLayer q = mean_of(target, &SequenceRouting::q);
  const TaskExperts& experts = shared_.experts(run_.task);
  record["divergence"] = mean_divergence(cell_.english_routing, target);
  if (run_.part == "base") {
    const PerLayer q_english = mean_of(cell_.english_routing, &SequenceRouting::q);
    record["divergence_self"] = record["divergence"];
    record["mass"] = mass_of(q, experts.experts);
    record["mass_english"] = mass_of(q_english, experts.experts);
    record["q_english"] = rounded(q_english);
    record["q"] = rounded(q);
    return;
  }
  record["divergence_self"] =
      mean_divergence(sequence_routing(*model_, cell_.english_prompts), target);
  record["mass"] = mass_of(q, experts.experts);
  if (run_.seed == 1) record["q"] = rounded(q);
}

/// A record of Routing Steering on the current model.
template <class T>
Json RunAtWork<T>::steered(Steering form) {
  const double began = thread_seconds();
  SteeringConfig config{form, options_.strength, 1};
  const RoutingSteering<T> hook(config, shared_.stages().zone, shared_.experts(run_.task),
                                model_->config().num_experts_per_tok);
  Json record =
      head("steering", "steer-" + name_of(form) + "-" + run_.variant, "steer-" + name_of(form));
  if (form == Steering::soft) record["strength"] = options_.strength;
  record["valid"] = accuracy(Split::adapt_valid, &hook);
  record["test"] = accuracy(Split::test, &hook);
  record["seconds"] = thread_seconds() - began;
  return record;
}

template <class T>
std::vector<Json> RunAtWork<T>::records() {
  std::vector<Json> records;
  if (options_.steer)
    for (const Steering form : {Steering::soft, Steering::hard}) records.push_back(steered(form));
  Json record = head(run_.part, run_.variant,
                     run_.variant == "base" ? "base" : name_of(options_.finetune.method));
  if (run_.part == "search") {
    add_search(record);
  } else {
    record["valid"] = accuracy(Split::adapt_valid);
    record["test"] = accuracy(Split::test);
    if (run_.part == "base") {
      int known = 0, n = 0;
      for (const ExamplePair& pair :
           shared_.inputs().base.data->pairs(run_.lang, run_.task, Split::test)) {
        known += shared_.inputs().english_correct.contains(pair.english.id);
        ++n;
      }
      record["english"] = {{"n", n}, {"accuracy", static_cast<double>(known) / std::max(1, n)}};
    }
    add_routing(record);
  }
  records.push_back(std::move(record));
  return records;
}

}  // namespace

Json plan_on(Device device, GemmEngine gemm, Json plan) {
  check_device(device);
  choose_gemm(device, gemm);
  const bool keys = plan.is_object() && plan.value("keys", Json::object()).is_object();
  if (device != Device::cpu && keys) plan["keys"]["device"] = name_of(device);
  if (gemm != GemmEngine::own && keys) plan["keys"]["gemm"] = name_of(gemm);
  return plan;
}

std::vector<Json> run_of_grid(GridModel& model, const GridRun& run, const GridRunOptions& options,
                              const std::function<bool()>& stop) {
  const double began = thread_seconds();
  choose_gemm(options.finetune.run.device, options.finetune.run.gemm);
  std::vector<Json> records = with_device(options.finetune.run.device, [&]<class T>() {
    RunAtWork<T> work(model, run, options);
    return work.train(stop) ? work.records() : std::vector<Json>{};
  });
  if (records.empty()) return {};
  double seconds = thread_seconds() - began;
  for (const Json& record : records) seconds -= record.value("seconds", 0.0);
  records.back()["seconds"] = seconds;
  return records;
}

}  // namespace ramoe
