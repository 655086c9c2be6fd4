// ramoe evaluate and ramoe generate.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>

#include "app/model_folder.h"
#include "app/stages.h"
#include "ch11_baselines/steering.h"
#include "ch12_experiments/run_results.h"
#include "runs/progress.h"
#include "support/error.h"

namespace ramoe {
namespace {

struct EvaluateOptions {
  ReadingOptions run{{"runs/evaluate"}};
  std::string model, base;
  Split split = Split::test;
  std::string divergence_run = "runs/divergence", experts_run = "runs/experts";
  std::vector<std::string> on;
  AnswerOptions answers;
  SteeringConfig steering;

  void list(FieldList& f) {
    run.list(f);
    f.add("base", &base,
          "run folder of the base model: the data, and what English knows; empty: the one that the "
          "model was made from, or runs/base");
    f.add("model", &model, "run or model folder to be evaluated; empty: the base model");
    f.also("model", model_aliases());
    f.add("on", &on, "languages; empty: all of the base model's");
    f.also("on", language_aliases());
    f.add("split", &split, "which examples", {.choices = {"adapt_valid", "adapt_train", "test"}});
    answers.list(f);
    steering.list(f);
    f.add("divergence_run", &divergence_run, "steering: the zone, by `ramoe divergence`");
    f.add("experts_run", &experts_run, "steering: the task experts, by `ramoe experts`");
  }
};

/// Names the given keys that have no effect with the other keys.
void note_unused_keys(const EvaluateOptions& o, const FieldList& fields) {
  const std::string because = "steering=" + name_of(o.steering.form);
  if (o.steering.form != Steering::soft) note_unused(fields, {"steering_strength"}, because);
  if (o.steering.form != Steering::hard) note_unused(fields, {"steering_seed"}, because);
  if (o.steering.form == Steering::none)
    note_unused(fields, {"divergence_run", "experts_run"}, because);
}

/// The number of questions: in the languages of the plan, and in English for given_english.
std::size_t questions_of(const ParallelData& data, const EvaluationPlan& plan) {
  std::vector<std::string> languages = plan.languages;
  languages.push_back(english);
  std::size_t count = 0;
  for (const std::string& lang : languages)
    for (const std::string& task : plan.tasks)
      count += data.examples(lang, task, plan.split).size();
  return count;
}

void write_answers(const std::string& path,
                   const std::vector<std::pair<Example, Answer>>& answers) {
  std::string lines;
  for (const auto& [example, answer] : answers)
    lines +=
        Json{{"id", example.id},         {"lang", example.lang},    {"question", example.question},
             {"answer", example.answer}, {"output", answer.output}, {"correct", answer.correct}}
            .dump(-1, ' ', false, Json::error_handler_t::replace) +
        "\n";
  write_file(path, lines);
}

/// The scores; with steering, each task is scored separately and steered towards its own experts.
template <class T>
std::vector<Score> scores_of(Model<T>& model, const EvaluateOptions& o, const BaseRun& base,
                             const EvaluationPlan& plan, const std::set<std::string>& known,
                             std::vector<std::pair<Example, Answer>>& answers) {
  if (o.steering.form == Steering::none)
    return evaluate(model, base.prompts, *base.data, plan, known, {}, &answers);
  check_same_base(base, read_run(o.divergence_run, "divergence"));
  check_same_base(base, read_run(o.experts_run, "experts"));
  const ModelConfig& config = model.config();
  const std::vector<TaskExperts> experts = read_task_experts(o.experts_run, config);
  std::vector<Score> scores;
  for (const std::string& task : plan.tasks) {
    const auto found = std::find_if(experts.begin(), experts.end(),
                                    [&](const TaskExperts& e) { return e.task == task; });
    check(found != experts.end(), o.experts_run, " has no experts of ", task,
          "; run `ramoe experts` again.");
    const RoutingSteering<T> hook(o.steering, read_zone(o.divergence_run), *found,
                                  config.num_experts_per_tok);
    EvaluationPlan part = plan;
    part.tasks = {task};
    for (Score& score : evaluate(model, base.prompts, *base.data, part, known, &hook, &answers))
      scores.push_back(std::move(score));
  }
  return scores;
}

}  // namespace

int run_evaluate(const Arguments& arguments) {
  EvaluateOptions o;
  FieldList fields = fields_of(o);
  if (!read_arguments(fields, arguments, "evaluate", {"model"})) return 0;
  note_unused_keys(o, fields);
  if (o.base.empty() && !o.model.empty()) o.base = base_of_model(o.model);
  if (o.base.empty()) o.base = "runs/base";
  o.run.check_place("evaluate");
  const Workers workers(o.run);
  BaseRun base = open_base(o.base, o.answers.stop);
  std::optional<DeviceModel> model = load_weights(base, o.run.device, o.run.weights);
  for (std::string& lang : o.on) lang = base.data->language_code(lang);
  EvaluationPlan plan{o.on.empty() ? base.data->languages() : o.on, base.data->tasks_by_name(),
                      o.split, o.answers};
  RunFolder folder(o.run.run, run_facts("evaluate", fields_of(o), base.record.seed, base.facts()),
                   o.run.existing());
  TextProgress progress("evaluate", questions_of(*base.data, plan));
  plan.answers.watch = progress.watch();
  const std::set<std::string> known = model->with([&](auto& there) {
    return correct_in_english(there, base.prompts, *base.data, plan);
  });
  if (!o.model.empty()) {
    model.reset();  // memory holds one model at a time
    LoadedModel loaded = load_any_model(o.model, o.run.device, o.run.weights);
    check(loaded.tokenizer.parts().tokens == base.tokenizer->parts().tokens, o.model,
          " has another tokenizer than ", o.base,
          "; evaluate it with the base model it came from.");
    model = std::move(loaded.model);
  }
  std::vector<std::pair<Example, Answer>> answers;
  Json results = Json::array();
  const std::vector<Score> scores = model->with(
      [&](auto& there) { return scores_of(there, o, base, plan, known, answers); });
  progress.finish();
  std::printf("%-6s %-8s %6s %10s %14s\n", "lang", "task", "n", "accuracy", "given English");
  for (const Score& s : scores) {
    std::printf("%-6s %-8s %6d %10s %14s\n", s.lang.c_str(), s.task.c_str(), s.n,
                percent_text(s.accuracy, s.n).c_str(),
                percent_text(s.given_english, s.n_english).c_str());
    results.push_back(to_json(s));
  }
  write_answers(folder.file("answers.jsonl"), answers);
  folder.write_results(results);
  folder.close();
  std::cout << "The answers are in " << o.run.run << "/answers.jsonl, the table in " << o.run.run
            << "/results.json.\n";
  return 0;
}

// ---- generate -----------------------------------------------------------------------------------

namespace {

struct GenerateKeys {
  std::string model = "runs/base", prompt = "Japan : currency ?", stop;
  bool special = false;
  int threads = 0;
  Device device = Device::cpu;
  GemmEngine gemm = GemmEngine::own;
  Precision weights = Precision::fp32;
  GenerateOptions options;

  void list(FieldList& f) {
    f.add("model", &model, "run or model folder");
    f.also("model", model_aliases());
    f.add("prompt", &prompt, "text to be continued, such as \"Japan : currency ?\"");
    f.add("special", &special,
          "whether text of the prompt that spells a special token is that token");
    f.add("max_new_tokens", &options.max_new_tokens, "most tokens to add", {1, 4096});
    f.add("stop", &stop,
          "text that ends the answer besides EOS, such as \\n or <|im_end|>; empty: none but an "
          "import's own");
    f.add("temperature", &options.temperature, "0: greedy; else sampled", {0, 100});
    f.add("top_k", &options.top_k, "sample from the k likeliest; 0: from all", {0, 1 << 24});
    f.add("top_p", &options.top_p, "sample from the smallest set of this probability", {0, 1});
    f.add("seed", &options.seed, "seed of sampling");
    f.add("threads", &threads, "threads; 0: as many as the machine has", {0, 1024});
    f.add("device", &device, device_help);
    f.add("gemm", &gemm, gemm_help);
    f.add("weights", &weights, weights_help);
  }
};

}  // namespace

int run_generate(const Arguments& arguments) {
  GenerateKeys keys;
  FieldList fields = fields_of(keys);
  if (!read_arguments(fields, arguments, "generate", {"model"})) return 0;
  if (keys.options.temperature == 0)
    note_unused(fields, {"top_k", "top_p", "seed"}, "temperature=0 is greedy");
  const Workers workers(keys.threads, keys.device, keys.gemm);
  LoadedModel loaded = load_any_model(keys.model, keys.device, keys.weights);
  CachedEncoder encoder(loaded.tokenizer);
  if (!keys.stop.empty()) {
    set_stop(loaded.format, loaded.tokenizer, keys.stop);
    check_specials("stop", loaded.format.stop, loaded.tokenizer, find_model_folder(keys.model));
  }
  const Prompts prompts(loaded.tokenizer, loaded.format);
  keys.options.eos = prompts.format().eos;
  keys.options.vocabulary = loaded.tokenizer.vocab_size();
  if (!prompts.format().stop.empty())
    keys.options.has_stopped = [&](const auto& output) { return prompts.has_stopped(output); };
  std::vector<int> prompt = prompts.prompt(encoder, keys.prompt);
  if (keys.special) {
    prompt = prompts.text(encoder, "");
    for (const int id : encoder.encode(keys.prompt, SpecialText::tokens)) prompt.push_back(id);
  }
  const auto output = loaded.model.with([&]<class T>(Model<T>& model) {
    CachedMoe<T> cached(model);
    return generate(cached, {prompt}, keys.options);
  });
  std::cout << keys.prompt << prompts.answer_text(output[0]) << "\n";
  return 0;
}

}  // namespace ramoe
