// Folders of Hugging Face's form at the command line: which tokens begin a text and end an answer,
// what is said of their files, and what a folder holds that is saved after fine-tuning.
#include <gtest/gtest.h>

#include <filesystem>

#include "app/cli.h"
#include "formats/model_files.h"
#include "formats/tokenizer_json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

class ModelFolder : public testing::Test {
 protected:
  /// A copy of a base model's folder, as downloaded; `pad`, a token of its own, ends chats in it.
  ModelFolder() {
    fs::copy(RAMOE_SOURCE_DIR "/data/models/olmoe/model", model());
    for (const auto& entry : fs::directory_iterator(model()))
      fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
  }
  std::string path(const std::string& name) const { return scratch_.file(name); }
  std::string model() const { return path("model"); }
  void edit(const std::string& file, const std::function<void(Json&)>& change) const {
    const std::string place = model() + "/" + file;
    Json json = fs::exists(place) ? read_json(place) : Json::object();
    change(json);
    write_json(place, json);
  }
  /// What follows the prompt.
  std::string generated(const std::string& more = "") const {
    const std::string prompt = "Kenya : currency ?";
    const Outcome made =
        run_cli("generate --model=" + model() + " --max_new_tokens=12 --threads=1 --prompt='" +
                prompt + "' " + more);
    EXPECT_EQ(made.code, 0) << made.text;
    const std::size_t at = made.text.find(prompt);
    EXPECT_NE(at, std::string::npos) << made.text;
    return made.text.substr(std::min(made.text.size(), at + prompt.size()));
  }
  std::string expect_failure(const std::string& arguments) const {
    const Outcome outcome = run_cli(arguments);
    EXPECT_EQ(outcome.code, 1) << arguments << "\n" << outcome.text;
    return outcome.text;
  }
  ScratchFolder scratch_;
};

TEST_F(ModelFolder, EveryEosOfTheFilesEndsAnAnswer) {
  const std::string whole = generated();
  const Tokenizer tokenizer = load_tokenizer(model());
  const std::vector<int> ids = tokenizer.encode(whole.substr(0, whole.size() - 1));
  ASSERT_GE(ids.size(), 2u) << whole;
  const std::string first = tokenizer.decode({ids[0]}) + "\n";
  const auto with = [&](const std::string& file, const Json& eos) {
    const std::string place = model() + "/" + file;
    const std::string before = fs::exists(place) ? read_file(place) : "";
    edit(file, [&](Json& json) { json["eos_token_id"] = eos; });
    const std::string answer = generated();
    before.empty() ? void(fs::remove(place)) : write_file(place, before);
    return answer;
  };
  EXPECT_EQ(with("config.json", {1, ids[1]}), first);
  EXPECT_EQ(with("config.json", ids[1]), first);  // though the tokenizer has another
  EXPECT_EQ(with("generation_config.json", {1, ids[1]}), first);
  EXPECT_EQ(with("generation_config.json", ids[1]), first);
  EXPECT_EQ(generated(), whole);
}

TEST_F(ModelFolder, BosAsTheFilesSay) {
  const std::string with_bos = generated();
  edit("tokenizer_config.json", [](Json& json) { json["add_bos_token"] = false; });
  const std::string without = generated();
  EXPECT_NE(without, with_bos);
  edit("config.json", [](Json& json) { json["bos_token_id"] = nullptr; });
  edit("tokenizer_config.json", [](Json& json) { json["add_bos_token"] = true; });
  EXPECT_EQ(generated(), with_bos);
  edit("config.json", [](Json& json) { json["bos_token_id"] = 5; });
  EXPECT_EQ(generated(), with_bos);
  edit("tokenizer_config.json", [](Json& json) { json.erase("add_bos_token"); });
  EXPECT_EQ(generated(), without);
  edit("tokenizer_config.json", [](Json& json) { json["add_bos_token"] = "yes"; });
  expect_contains(expect_failure("generate --model=" + model()), "add_bos_token");
}

TEST_F(ModelFolder, StopTextAtTheCommandLine) {
  const std::string whole = generated(), text = whole.substr(0, whole.size() - 1);
  ASSERT_GE(text.size(), 4u);
  EXPECT_EQ(generated("--stop='" + text.substr(2, 2) + "'"), text.substr(0, 2) + "\n");
  EXPECT_EQ(generated("--stop=zzzz"), whole);
  EXPECT_EQ(generated("--stop='\\n'"), whole);
  EXPECT_EQ(generated("--stop='<|eos|>'"), whole);
  expect_contains(expect_failure("generate --model=" + model() + " --stop='<|im_end|>'"), "stop");
  expect_contains(expect_failure("generate --model=" + model() + " --stop='\\x'"), "backslash");
  // A model that has no EOS of its own, and ends with a special token.
  edit("config.json", [](Json& json) { json["eos_token_id"] = nullptr; });
  edit("tokenizer_config.json", [](Json& json) { json["eos_token"] = nullptr; });
  expect_contains(expect_failure("generate --model=" + model()), "--stop");
  EXPECT_EQ(generated("--stop='<|eos|>'"), whole);
  for (const char* command :
       {"divergence", "taxonomy", "experts", "finetune", "evaluate", "generate", "import"})
    expect_contains(run_cli(std::string(command) + " --help").text, "--stop=");
}

TEST_F(ModelFolder, WhatIsPassedOverIsSaidOnce) {
  edit("config.json", [](Json& json) { json["project"] = "x"; });
  edit("tokenizer.json", [](Json& json) { json["truncation"] = {{"max_length", 8}}; });
  for (const std::string command : {"generate --max_new_tokens=2 --model=", "inspect "}) {
    const Outcome outcome = run_cli(command + model());
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    expect_contains(outcome.text, "project");
    EXPECT_EQ(outcome.text.find("project"), outcome.text.rfind("project")) << outcome.text;
    if (command[0] == 'g') {
      expect_contains(outcome.text, "truncation");
      EXPECT_EQ(outcome.text.find("truncation"), outcome.text.rfind("truncation"));
    }
  }
}

/// Items of one task in two languages, and a general text.
void write_items(const std::string& path) {
  std::string items, general;
  for (int i = 0; i < 10; ++i)
    for (const std::string lang : {"en", "xx"}) {
      items += Json{{"task", "word"},
                    {"id", cat(i)},
                    {"lang", lang},
                    {"question", cat(lang, " ", i, " ?")},
                    {"answer", cat(lang, "-", i)}}
                   .dump() +
               "\n";
      general +=
          Json{{"id", cat(i)}, {"lang", lang}, {"text", cat("a line ", lang, i)}}.dump() + "\n";
    }
  write_file(path + ".jsonl", items);
  write_file(path + "-general.jsonl", general);
}

// OLMoE's chat template has <|user|>, which is no token of its tokenizer.
TEST_F(ModelFolder, WhatLooksLikeASpecialTokenMayBeTextOfTheChatTemplate) {
  write_items(path("items"));
  const auto import = [&](const std::string& more) {
    return run_cli("import --overwrite=true --model=" + model() + " --data=" + path("items.jsonl") +
                   " --general=" + path("items-general.jsonl") +
                   " --packs=" RAMOE_SOURCE_DIR "/data --run=" + path("run") + " " + more);
  };
  for (const char* keys : {"--prompt='<|user|>{question}'", "--stop='<|user|>'"}) {
    Outcome outcome = import(keys);
    EXPECT_EQ(outcome.code, 1);
    expect_contains(outcome.text, "<|user|>");
    write_file(model() + "/chat_template.jinja", "{{ '<|user|>' }}");
    EXPECT_EQ(import(keys).code, 0);
    fs::remove(model() + "/chat_template.jinja");
    edit("tokenizer_config.json", [](Json& json) { json["chat_template"] = "{{ '<|user|>' }}"; });
    EXPECT_EQ(import(keys).code, 0);
    edit("tokenizer_config.json", [](Json& json) { json.erase("chat_template"); });
  }
  expect_contains(import("--stop='<|pad|>'").text, "answers end with: <|eos|> or <|pad|>\n");
  expect_contains(import("--stop='\\n'").text, "answers end with: <|eos|> or \"\\n\"\n");
}

TEST_F(ModelFolder, AFineTunedFolderCarriesAllThatWasThere) {
  // As chat models come: config.json names another end than the tokenizer, which closes what is
  // learnt; keys and files that are not read here; weights in two precisions.
  const int eos = 1, other = 300;
  edit("config.json", [&](Json& json) {
    json["eos_token_id"] = other;
    json["router_aux_loss_coef"] = 0.02;
    json["_name_or_path"] = "someone/model";
    json["dtype"] = "bfloat16";
    json["torch_dtype"] = "bfloat16";
  });
  edit("generation_config.json", [&](Json& json) {
    json = {{"eos_token_id", {other, 301}}, {"temperature", 0.7}};
  });
  const std::map<std::string, std::string> along = {{"chat_template.jinja", "{{ messages }}"},
                                                    {"vocab.json", "{}"},
                                                    {"LICENSE", "MIT"},
                                                    {"special_tokens_map.json", "{}"}};
  for (const auto& [name, text] : along) write_file(model() + "/" + name, text);
  write_file(model() + "/README.md", "about the base model");
  write_file(model() + "/optimizer.pt", "PK");
  SavedForm form;
  const auto loaded = load_model(model());
  form.dtypes = saved_dtypes(SaveDtype::bf16, "", loaded->config());
  form.dtypes["model.norm.weight"] = "F32";
  round_values(*loaded, form);
  form.config = read_json(model() + "/config.json");
  save_model(*loaded, model(), form);

  write_items(path("items"));
  const auto run = [&](const std::string& name) { return path("run-" + name); };
  const auto expect_ok = [&](const std::string& arguments) {
    const Outcome outcome = run_cli(arguments);
    ASSERT_EQ(outcome.code, 0) << arguments << "\n" << outcome.text;
  };
  expect_ok("import --model=" + model() + " --data=" + path("items.jsonl") +
            " --general=" + path("items-general.jsonl") +
            " --packs=" RAMOE_SOURCE_DIR "/data --run=" + run("base"));
  for (const std::string stage : {"divergence", "taxonomy", "experts"})
    expect_ok(stage + " --max_new_tokens=3 --base=" + run("base") + " --run=" + run(stage));
  const auto finetune = [&](const std::string& dtype) {
    expect_ok("finetune --base=" + run("base") + " --divergence_run=" + run("divergence") +
              " --taxonomy_run=" + run("taxonomy") + " --experts_run=" + run("experts") +
              " --language=xx --method=sft --steps=2 --batch=4 --max_new_tokens=3 --save_dtype=" +
              dtype + " --run=" + run(dtype));
    return run(dtype) + "/model";
  };
  for (const std::string dtype : {"fp32", "bf16", "as_loaded"}) {
    const std::string tuned = finetune(dtype);
    for (const auto& [name, text] : along) EXPECT_EQ(read_file(tuned + "/" + name), text) << name;
    EXPECT_EQ(read_file(tuned + "/tokenizer.json"), read_file(model() + "/tokenizer.json"));
    EXPECT_FALSE(fs::exists(tuned + "/README.md") || fs::exists(tuned + "/optimizer.pt"));
    Json wanted = read_json(model() + "/config.json");
    wanted["eos_token_id"] = {eos, other, 301};
    wanted["dtype"] = wanted["torch_dtype"] = dtype == "fp32" ? "float32" : "bfloat16";
    EXPECT_EQ(read_json(tuned + "/config.json"), wanted);
    EXPECT_EQ(read_json(tuned + "/generation_config.json"),
              (Json{{"eos_token_id", {eos, other, 301}}, {"temperature", 0.7}}));
    const WeightFiles weights(tuned);
    EXPECT_EQ(weights.info("lm_head.weight").dtype, dtype == "fp32" ? "F32" : "BF16");
    EXPECT_EQ(weights.info("model.norm.weight").dtype, dtype == "bf16" ? "BF16" : "F32");
    EXPECT_NE(load_model(tuned)->lm_head()->value, loaded->lm_head()->value);
  }
  // What finetune reports is the accuracy of the model that it saved.
  expect_ok("evaluate --base=" + run("base") + " --model=" + run("bf16") +
            " --on=xx --max_new_tokens=3 --run=" + run("evaluate"));
  EXPECT_EQ(read_json(run("evaluate") + "/results.json")[0]["accuracy"],
            read_json(run("bf16") + "/results.json")["test"][0]["accuracy"]);
}

}  // namespace
}  // namespace ramoe
