// ramoe import: a model from elsewhere and one's own data as the base that the stages build on.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "app/base_run.h"
#include "app/stages.h"
#include "ch05_training/model_identity.h"
#include "support/error.h"

namespace ramoe {

void ImportOptions::list(FieldList& f) {
  run.list(f);
  f.add("model", &model, "folder of the model: config.json, tokenizer.json, *.safetensors");
  data.list(f);
  f.add("prompt", &prompt,
        "what the model reads, with {question} in it; \\n is a new line, \\t a tab, \\\\ a "
        "backslash");
  f.add("answer_prefix", &answer_prefix, "what stands between prompt and answer");
  f.add("stop", &stop, "text that ends an answer besides EOS, such as \\n; empty: none");
  f.add("bos", &bos,
        "whether BOS opens a text; auto: if tokenizer and model name the same one and "
        "tokenizer_config.json does not say add_bos_token = false",
        {.choices = {"auto", "never", "always"}});
}

namespace {

namespace fs = std::filesystem;

/// \n, \t and \\ as typed on a command line.
std::string unescaped(const std::string& key, const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
      continue;
    }
    const char next = i + 1 < text.size() ? text[++i] : '\0';
    check(next == 'n' || next == 't' || next == '\\', key, " = \"", text,
          "\": behind a backslash n, t or another backslash was wanted.");
    plain += next == 'n' ? '\n' : next == 't' ? '\t' : '\\';
  }
  return plain;
}

/// Error for what looks like a special token of a chat and is none of this tokenizer's.
void check_specials(const std::string& prompt, const Tokenizer& tokenizer) {
  for (std::size_t at = 0; (at = prompt.find("<|", at)) != std::string::npos; ++at) {
    const std::size_t end = prompt.find("|>", at);
    if (end == std::string::npos) return;
    const std::string token = prompt.substr(at, end + 2 - at);
    std::string specials;
    bool known = token.find("{question}") != std::string::npos;
    for (const AddedToken& added : tokenizer.parts().added) {
      if (!added.special) continue;
      known = known || token == tokenizer.token(added.id);
      if (specials.size() < 200) specials += " " + tokenizer.token(added.id);
    }
    check(known, "prompt: ", token, " is no special token of this tokenizer; it has", specials,
          ".");
  }
}

/// A JSON file of the model's folder, or an empty object.
Json optional_json(const std::string& path) {
  const Json json = fs::exists(path) ? read_json(path) : Json::object();
  check(json.is_object(), path, ": a JSON object was wanted.");
  return json;
}

int choose_bos(const ImportOptions& o, const Tokenizer& tokenizer, const ModelConfig& config) {
  const int named = tokenizer.parts().bos;
  if (o.bos == "never") return -1;
  if (o.bos == "always") {
    check(config.bos_token_id >= 0 && (named < 0 || named == config.bos_token_id),
          "bos = always: config.json says bos_token_id = ", config.bos_token_id,
          " and the tokenizer ", named, " (-1: none); wanted one that both can agree on.");
    return config.bos_token_id;
  }
  const std::string path = o.model + "/tokenizer_config.json";
  const Json add = optional_json(path).value("add_bos_token", Json());
  check(add.is_null() || add.is_boolean(), path, ": add_bos_token = ", add.dump(),
        " is neither true nor false.");
  return add != Json(false) && named == config.bos_token_id ? named : -1;
}

/// The tokenizer's EOS first, then those of config.json and generation_config.json.
std::vector<int> choose_eos(const ImportOptions& o, const Tokenizer& tokenizer,
                            const ModelConfig& config) {
  std::vector<int> ids;
  const auto add = [&](std::int64_t id) {
    if (id < 0 || id >= tokenizer.vocab_size()) return;  // rows that no token has never come up
    if (std::find(ids.begin(), ids.end(), int(id)) == ids.end()) ids.push_back(int(id));
  };
  add(tokenizer.parts().eos);
  add(config.eos_token_id);
  const std::string path = o.model + "/generation_config.json";
  const Json more = optional_json(path).value("eos_token_id", Json());
  for (const Json& id : more.is_array() ? more : Json::array({more})) {
    if (id.is_null()) continue;
    check(id.is_number_integer(), path, ": eos_token_id = ", more.dump(),
          " is neither a whole number nor a list of them.");
    add(id.get<std::int64_t>());
  }
  return ids;
}

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

/// Says where answers differ between the languages of an item, and counts them by language.
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
  PromptFormat format;
  format.prompt = unescaped("prompt", o.prompt);
  check_specials(format.prompt, tokenizer);
  format.answer_prefix = unescaped("answer_prefix", o.answer_prefix);
  format.stop = unescaped("stop", o.stop);
  format.bos = choose_bos(o, tokenizer, config);
  format.eos = choose_eos(o, tokenizer, config);
  return format;
}

int run_import(const Arguments& arguments) {
  ImportOptions o;
  FieldList fields = fields_of(o);
  if (!read_arguments(fields, arguments, "import")) return 0;
  check(!o.model.empty(), "no model was named; give --model=FOLDER.");
  const Json identity = model_identity(o.model);
  // The run can be used from anywhere, so it keeps absolute paths.
  o.model = fs::canonical(o.model);
  for (auto* paths : {&o.data.data, &o.data.general})
    for (std::string& path : *paths) path = fs::absolute(path).lexically_normal();
  o.data.packs = fs::absolute(o.data.packs).lexically_normal();
  const std::string config_path = o.model + "/config.json";
  const ModelConfig config = from_hugging_face(read_json(config_path), config_path);
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
  std::printf(
      "longest: %s in %s, %d tokens of %d; longest answer %d tokens: give the stages "
      "--max_new_tokens=%d or more\nBOS: %s, answers end with: %s%s\n",
      longest.id.c_str(), longest.lang.c_str(), longest.tokens, config.max_position_embeddings,
      longest.answer, longest.answer, name(prompts.format().bos).c_str(),
      name(prompts.format().eos.empty() ? -1 : prompts.format().eos[0]).c_str(),
      o.stop.empty() ? "" : (" or \"" + o.stop + "\"").c_str());
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
  return 0;
}

}  // namespace ramoe
