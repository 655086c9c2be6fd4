// ramoe evaluate and ramoe generate.
#include <algorithm>
#include <cstdio>
#include <iostream>

#include "app/stages.h"
#include "ch11_baselines/steering.h"
#include "ch12_experiments/evaluation.h"
#include "support/error.h"

namespace ramoe {
namespace {

struct EvaluateOptions {
  RunOptions run{"runs/evaluate"};
  std::string model, base = "runs/base", split = "test";
  std::string divergence_run = "runs/divergence", experts_run = "runs/experts";
  std::vector<std::string> on;
  AnswerOptions answers;
  SteeringConfig steering;

  void list(FieldList& f) {
    run.list(f);
    f.add("base", &base, "run folder of the base model: the data, and what English knows");
    f.add("model", &model, "run or model folder to be evaluated; empty: the base model");
    f.add("on", &on, "languages; empty: all of the base model's");
    f.add("split", &split, "which examples", {.choices = {"adapt_valid", "adapt_train", "test"}});
    answers.list(f);
    steering.list(f);
    f.add("divergence_run", &divergence_run, "steering: the zone, by `ramoe divergence`");
    f.add("experts_run", &experts_run, "steering: the task experts, by `ramoe experts`");
  }
};

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

/// The scores; with steering task by task, each towards its own experts.
std::vector<Score> scores_of(const EvaluateOptions& o, BaseRun& base, const EvaluationPlan& plan,
                             const std::set<std::string>& known,
                             std::vector<std::pair<Example, Answer>>& answers) {
  if (o.steering.form == "none")
    return evaluate(*base.model, base.prompts, *base.data, plan, known, &answers);
  check_same_base(base, read_run(o.divergence_run, "divergence"));
  check_same_base(base, read_run(o.experts_run, "experts"));
  const ModelConfig& config = base.model->config();
  const std::vector<TaskExperts> experts = read_task_experts(o.experts_run, config);
  std::vector<Score> scores;
  for (const std::string& task : plan.tasks) {
    const auto found = std::find_if(experts.begin(), experts.end(),
                                    [&](const TaskExperts& e) { return e.task == task; });
    check(found != experts.end(), o.experts_run, " has no experts of ", task,
          "; run `ramoe experts` again.");
    const RoutingSteering hook(o.steering, read_zone(o.divergence_run), *found,
                               config.num_experts_per_tok);
    EvaluationPlan part = plan;
    part.tasks = {task};
    part.answers.hook = &hook;
    for (Score& score : evaluate(*base.model, base.prompts, *base.data, part, known, &answers))
      scores.push_back(std::move(score));
  }
  return scores;
}

}  // namespace

int run_evaluate(const Arguments& arguments) {
  EvaluateOptions o;
  FieldList fields = fields_of(o);
  if (!read_arguments(fields, arguments, "evaluate")) return 0;
  const Workers workers(o.run.threads);
  BaseRun base = load_base(o.base);
  EvaluationPlan plan{o.on.empty() ? base.data->languages() : o.on, base.data->tasks_by_name(),
                      parse_split(o.split), o.answers};
  for (const std::string& lang : plan.languages) base.data->require_language(lang);
  RunFolder folder(o.run.run, run_facts("evaluate", fields_of(o), base.record.seed, base.facts()),
                   o.run.existing());
  plan.answers.title = "evaluate";
  const std::set<std::string> known =
      correct_in_english(*base.model, base.prompts, *base.data, plan);
  if (!o.model.empty()) {
    base.model.reset();  // one model at a time in memory
    LoadedModel loaded = load_any_model(o.model);
    check(loaded.tokenizer.parts().tokens == base.tokenizer->parts().tokens, o.model,
          " has another tokenizer than ", o.base,
          "; evaluate it with the base model it came from.");
    base.model = std::move(loaded.model);
  }
  std::vector<std::pair<Example, Answer>> answers;
  Json results = Json::array();
  std::printf("%-6s %-8s %6s %9s %14s\n", "lang", "task", "n", "accuracy", "given English");
  for (const Score& s : scores_of(o, base, plan, known, answers)) {
    std::printf("%-6s %-8s %6d %9.3f", s.lang.c_str(), s.task.c_str(), s.n, s.accuracy);
    if (s.n_english > 0)
      std::printf(" %14.3f\n", s.given_english);
    else
      std::printf(" %14s\n", "n/a");
    results.push_back(to_json(s));
  }
  write_answers(folder.file("answers.jsonl"), answers);
  folder.write_results(results);
  folder.close();
  return 0;
}

// ---- generate -----------------------------------------------------------------------------------

namespace {

struct GenerateKeys {
  std::string model = "runs/base", prompt = "Kenya : currency ?";
  int threads = 0;
  GenerateOptions options;

  void list(FieldList& f) {
    f.add("model", &model, "run or model folder");
    f.add("prompt", &prompt, "text to be continued, such as \"Kenya : currency ?\"");
    f.add("max_new_tokens", &options.max_new_tokens, "most tokens to add", {1, 4096});
    f.add("temperature", &options.temperature, "0: greedy; else sampled", {0, 100});
    f.add("top_k", &options.top_k, "sample from the k likeliest; 0: from all", {0, 1 << 24});
    f.add("top_p", &options.top_p, "sample from the smallest set of this probability", {0, 1});
    f.add("seed", &options.seed, "seed of sampling");
    f.add("threads", &threads, "threads; 0: as many as the machine has", {0, 1024});
  }
};

}  // namespace

int run_generate(const Arguments& arguments) {
  GenerateKeys keys;
  FieldList fields = fields_of(keys);
  if (!read_arguments(fields, arguments, "generate")) return 0;
  const Workers workers(keys.threads);
  LoadedModel loaded = load_any_model(keys.model);
  CachedEncoder encoder(loaded.tokenizer);
  const Prompts prompts(loaded.tokenizer);
  keys.options.eos = prompts.format().eos;
  keys.options.vocabulary = loaded.tokenizer.vocab_size();
  CachedMoe cached(*loaded.model);
  const std::vector<int> prompt = prompts.prompt(encoder, keys.prompt);
  const std::vector<std::vector<int>> output = generate(cached, {prompt}, keys.options);
  std::cout << keys.prompt << loaded.tokenizer.decode_text(output[0]) << "\n";
  return 0;
}

}  // namespace ramoe
