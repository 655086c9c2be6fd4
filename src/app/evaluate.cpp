// ramoe evaluate and ramoe generate.
#include <cstdio>
#include <iostream>

#include "app/stages.h"
#include "ch06_languages/batches.h"
#include "ch12_experiments/evaluation.h"
#include "support/error.h"

namespace ramoe {
namespace {

struct EvaluateOptions {
  RunOptions run{"runs/evaluate"};
  std::string model, base = "runs/base", split = "test";
  std::vector<std::string> on;
  int max_new_tokens = 24;

  void list(FieldList& f) {
    run.list(f);
    f.add("base", &base, "run folder of the base model: the data, and what English knows");
    f.add("model", &model, "run or model folder to be evaluated; empty: the base model");
    f.add("on", &on, "languages; empty: all of the base model's");
    f.add("split", &split, "which examples", {.choices = {"adapt_valid", "adapt_train", "test"}});
    f.add("max_new_tokens", &max_new_tokens, "longest answer", {1, 4096});
  }
};

Split parse_split(const std::string& name) {
  for (const Split split : all_splits)
    if (name == name_of(split)) return split;
  fail("split \"", name, "\" is unknown.");
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

}  // namespace

int run_evaluate(const Arguments& arguments) {
  EvaluateOptions o;
  FieldList fields = fields_of(o);
  if (!read_arguments(fields, arguments, "evaluate")) return 0;
  const Workers workers(o.run.threads);
  BaseRun base = load_base(o.base);
  LoadedModel loaded = load_any_model(o.model.empty() ? o.base : o.model);
  check(loaded.tokenizer.parts().tokens == base.tokenizer.parts().tokens, o.model,
        " has another tokenizer than ", o.base, "; evaluate it with the base model it came from.");
  std::vector<std::string> languages = o.on;
  if (languages.empty())
    for (const LanguagePack& pack : base.corpus.packs()) languages.push_back(pack.code);
  for (const std::string& lang : languages) base.corpus.pack(lang);
  RunFolder folder(o.run.run, run_facts("evaluate", fields_of(o), base.record.seed, base.facts()),
                   o.run.existing());
  const Split split = parse_split(o.split);
  const std::set<std::string> known =
      correct_in_english(*base.model, base.tokenizer, base.corpus, split, o.max_new_tokens);
  std::vector<std::pair<Example, Answer>> answers;
  Json results = Json::array();
  std::printf("%-6s %-8s %6s %9s %14s\n", "lang", "task", "n", "accuracy", "given English");
  for (const Score& s : evaluate(*loaded.model, base.tokenizer, base.corpus, languages, split,
                                 known, o.max_new_tokens, &answers)) {
    std::printf("%-6s %-8s %6d %9.3f %14.3f\n", s.lang.c_str(), s.task.c_str(), s.n, s.accuracy,
                s.given_english);
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
  keys.options.eos = loaded.tokenizer.eos();
  CachedMoe cached(*loaded.model);
  const std::vector<int> prompt = encode_prompt(encoder, loaded.tokenizer, keys.prompt);
  const std::vector<std::vector<int>> output = generate(cached, {prompt}, keys.options);
  std::cout << keys.prompt << loaded.tokenizer.decode_text(output[0]) << "\n";
  return 0;
}

}  // namespace ramoe
