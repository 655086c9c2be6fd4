// ramoe import: an existing model and the user's own data as the base that the stages build on.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "app/base_run.h"
#include "app/model_folder.h"
#include "app/stages.h"
#include "formats/checksum_list.h"
#include "runs/model_identity.h"
#include "support/error.h"

namespace ramoe {

void ImportOptions::list(FieldList& f) {
  run.list(f);
  f.add("model", &model, "folder of the model: config.json, tokenizer.json, *.safetensors");
  f.also("model", model_aliases());
  data.list(f);
  f.add("prompt", &prompt,
        "what the model reads, with {question} in it; \\n is a new line, \\t a tab, \\\\ a "
        "backslash");
  f.add("answer_prefix", &answer_prefix, "what stands between prompt and answer");
  f.add("stop", &stop,
        "text that ends an answer besides EOS, such as \\n or <|im_end|>; empty: none");
  f.add("bos", &bos,
        "whether BOS opens a text; auto: if tokenizer and model name the same one and "
        "tokenizer_config.json does not say add_bos_token = false");
}

namespace {

namespace fs = std::filesystem;

/// The longest prompt with its answer, and the longest answer.
struct Longest {
  std::string id, lang;
  int tokens = 0, answer = 0;
};

Longest measure(const ParallelData& data, const Prompts& prompts, int positions) {
  CachedEncoder encoder(prompts.tokenizer());
  Longest longest;
  for (const std::string& lang : data.languages())
    for (const std::string& task : data.tasks_by_name())
      for (const Split split : {Split::adapt_train, Split::adapt_valid, Split::test})
        for (const Example& e : data.examples(lang, task, split)) {
          const TrainingSequence sequence = prompts.example(encoder, e.question, e.answer);
          const int tokens = static_cast<int>(sequence.tokens.size());
          longest.answer = std::max(longest.answer, tokens - sequence.prompt);
          if (tokens > longest.tokens) longest = {e.id, e.lang, tokens, longest.answer};
        }
  check(longest.tokens <= positions, "the longest prompt with its answer, ", longest.id, " in ",
        longest.lang, ", has ", longest.tokens,
        " tokens; the model has max_position_embeddings = ", positions,
        ". Shorten it or leave it out.");
  return longest;
}

Json count_items(const ParallelData& data) {
  Json rows = Json::array();
  std::printf("%-8s %-12s %12s %12s %8s\n", "lang", "task", "adapt_train", "adapt_valid", "test");
  for (const std::string& lang : data.languages())
    for (const std::string& task : data.tasks_by_name()) {
      Json row = {{"lang", lang}, {"task", task}};
      for (const Split split : {Split::adapt_train, Split::adapt_valid, Split::test})
        row[name_of(split)] = data.examples(lang, task, split).size();
      std::printf("%-8s %-12s %12d %12d %8d\n", lang.c_str(), task.c_str(),
                  row["adapt_train"].get<int>(), row["adapt_valid"].get<int>(),
                  row["test"].get<int>());
      rows.push_back(std::move(row));
    }
  return rows;
}

/// Reports where answers differ between the languages of an item, and counts them by language.
Json report_other_answers(const JsonlData& data) {
  Json counts = Json::object();
  for (const OtherAnswer& other : data.other_answers()) {
    if (!counts.contains(other.lang)) counts[other.lang] = 0;
    const int n = counts[other.lang].get<int>() + 1;
    counts[other.lang] = n;
    if (n > 3) continue;
    std::cerr << other.where << ": the answer of " << other.id << " is " << excerpt(other.target)
              << " in " << other.lang << " and " << excerpt(other.english) << " in English\n";
  }
  for (const auto& [lang, n] : counts.items()) {
    std::size_t items = 0;
    for (const std::string& task : data.tasks_by_name())
      for (const Split split : {Split::adapt_train, Split::adapt_valid, Split::test})
        items += data.examples(lang, task, split).size();
    std::cerr << "warning: " << n << " of " << items << " answers in " << lang
              << " read otherwise than in English; a shifted or mixed-up file is the usual cause\n";
  }
  return counts;
}

}  // namespace

PromptFormat import_format(const ImportOptions& o, const Tokenizer& tokenizer,
                           const ModelConfig& config) {
  PromptFormat format = folder_format(o.model, tokenizer, config, o.bos);
  format.prompt = unescaped("prompt", o.prompt);
  check_specials("prompt", format.prompt, tokenizer, o.model);
  format.answer_prefix = unescaped("answer_prefix", o.answer_prefix);
  set_stop(format, tokenizer, o.stop);
  check_specials("stop", format.stop, tokenizer, o.model);
  return format;
}

int run_import(const Arguments& arguments) {
  ImportOptions o;
  FieldList fields = fields_of(o);
  if (!read_arguments(fields, arguments, "import", {"model"})) return 0;
  check(!o.model.empty(), "no model was named; give --model=FOLDER.");
  o.run.check_place("import");
  o.model = find_model_folder(o.model);
  const Json identity = model_identity(o.model);
  // The run can be used from anywhere, so it keeps absolute paths.
  o.model = fs::canonical(o.model);
  for (auto* paths : {&o.data.data, &o.data.general})
    for (std::string& path : *paths) path = fs::absolute(path).lexically_normal();
  o.data.packs = fs::absolute(o.data.packs).lexically_normal();
  const ModelConfig config = load_model_config(o.model);
  const Tokenizer tokenizer = load_base_tokenizer(o.model, config);
  const Prompts prompts(tokenizer, import_format(o, tokenizer, config));
  const JsonlData data(o.data);
  const Longest longest = measure(data, prompts, config.max_position_embeddings);
  RunFolder folder(o.run.run,
                   run_facts("import", fields_of(o), o.data.split_seed,
                             {{"corpus", data.checksum()}, {"model", identity}}),
                   o.run.existing());
  const Json other_answers = report_other_answers(data);
  const Json items = count_items(data);
  const auto name = [&](int id) { return id < 0 ? std::string("none") : tokenizer.token(id); };
  std::string ends;
  for (const int id : prompts.format().eos) ends += (ends.empty() ? "" : " or ") + name(id);
  const int stop = tokenizer.find_token(prompts.format().stop);
  if (!o.stop.empty() && (stop < 0 || !tokenizer.is_special(stop)))
    ends += (ends.empty() ? "\"" : " or \"") + o.stop + "\"";
  std::printf(
      "longest: %s in %s, %d tokens of %d; longest answer %d tokens: give the stages "
      "--max_new_tokens=%d or more\nBOS: %s, answers end with: %s\n",
      longest.id.c_str(), longest.lang.c_str(), longest.tokens, config.max_position_embeddings,
      longest.answer, longest.answer, name(prompts.format().bos).c_str(), ends.c_str());
  std::printf("the model stays in %s: %s\n", o.model.c_str(), identity_method(o.model).c_str());
  folder.write_results({{"items", items},
                        {"other_answers", other_answers},
                        {"languages", data.languages()},
                        {"tasks", data.tasks_by_name()},
                        {"bos", prompts.format().bos},
                        {"eos", prompts.format().eos},
                        {"longest",
                         {{"id", longest.id},
                          {"lang", longest.lang},
                          {"tokens", longest.tokens},
                          {"answer_tokens", longest.answer}}}});
  folder.close();
  Arguments next = {"--base=" + o.run.run, "--run=" + beside(o.run.run, "divergence")};
  next.insert(next.begin() + 1, cat("--max_new_tokens=", longest.answer));
  say_end(cat("The base of the stages is ", o.run.run, "."), command_line("divergence", next));
  return 0;
}

}  // namespace ramoe
