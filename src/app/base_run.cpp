#include "app/base_run.h"

#include <filesystem>
#include <iostream>

#include "app/model_folder.h"
#include "app/stages.h"
#include "ch06_languages/corpus.h"
#include "formats/checksum_list.h"
#include "formats/tokenizer_json.h"
#include "runs/model_identity.h"
#include "support/error.h"
#include "support/json_place.h"

namespace ramoe {
namespace {

/// The part of a resolved configuration that a config struct lists.
template <class Config>
Config part_of(const Json& config, const std::string& where) {
  Config result;
  FieldList fields = fields_of(result);
  Json known = Json::object();
  for (const Field& field : fields.fields())
    if (config.contains(field.key)) known[field.key] = config[field.key];
  fields.read_json(known, where);
  return result;
}

/// What run.json notes of the data; its errors name the file.
std::string noted_data(const RunRecord& record, const std::string& key) {
  const std::string file = record.path + "/run.json";
  return JsonAt<Json>{file, "", record.record,
                      "; restore the file, or make the run again."}["data"][key]
      .text();
}

/// Data, prompts and model folder that a run names.
struct BaseParts {
  std::unique_ptr<ParallelData> data;
  std::string model_folder;
};

BaseParts pretrained_parts(const RunRecord& record) {
  require_file(record.path, "model/model.safetensors", "pretrain");
  check_checksum_list(record.path);
  auto corpus = std::make_unique<Corpus>(
      load_corpus(part_of<CorpusConfig>(record.config, record.path + "/run.json")));
  const std::string made_from = noted_data(record, "corpus");
  check(made_from == corpus->checksum(), record.path, " was pre-trained on other data than ",
        corpus->config().data, " holds now (checksum ", made_from, ", now ", corpus->checksum(),
        "); restore the data or pre-train again.");
  return {std::move(corpus), record.path + "/model"};
}

BaseParts imported_parts(const RunRecord& record, const ImportOptions& options) {
  check_model_folder(options.model);
  check_identity(options.model, record.record["data"].value("model", Json::object()));
  auto data = std::make_unique<JsonlData>(options.data);
  check(noted_data(record, "corpus") == data->checksum(), record.path,
        " was imported with other data than its files hold now: of ",
        Json(options.data.data).dump(),
        ", the general text or the language packs something has changed. Restore it, or run "
        "`ramoe import` again.");
  return {std::move(data), options.model};
}

namespace fs = std::filesystem;

/// The command that made the run in a folder; empty if there is no run.
std::string command_of(const std::string& folder) {
  const std::string place = folder + "/run.json";
  if (!fs::exists(place)) return "";
  const Json record = read_json(place);
  const Json command = record.is_object() ? record.value("command", Json()) : Json();
  return command.is_string() ? command.get<std::string>() : "";
}

bool is_import(const std::string& path) {
  return command_of(path) == "import";
}

bool is_base(const std::string& path) {
  const std::string command = command_of(path);
  return command == "import" || command == "pretrain" || command == "lesion";
}

/// The folder that a path names, or the folder of a file; without a slash at the end.
std::string folder_of(const std::string& path) {
  const fs::path folder = fs::is_regular_file(path) ? fs::path(path).parent_path() : fs::path(path);
  const std::string text = folder.empty() ? "." : folder.string();
  const std::size_t end = text.find_last_not_of('/');
  return end == std::string::npos ? "/" : text.substr(0, end + 1);
}

/// The parent folder, in a form that messages can show.
std::string above(const std::string& folder) {
  const fs::path parent = fs::path(folder).parent_path();
  return parent.empty() ? (fs::path(folder) / "..").string() : parent.string();
}

/// Error if the folder holds a training run that has no model yet; the message gives its state.
void check_has_model(const std::string& path) {
  const std::string command = command_of(path);
  if (command == "pretrain" || command == "lesion" || command == "finetune")
    require_file(path, "model/config.json", command);
}

/// The model folder that a run of `ramoe import` names; empty if the path is no such run.
std::string imported_model(const std::string& path) {
  const std::string place = path + "/run.json";
  if (!is_import(path)) return "";
  return part_of<ImportOptions>(read_run(path, "import").config, place).model;
}

/// The keys of an import that change what a model reads or where its answers end.
Json prompt_keys(const Json& config) {
  Json keys = Json::object();
  for (const char* key : {"prompt", "answer_prefix", "stop", "bos"})
    keys[key] = config.value(key, Json());
  return keys;
}

}  // namespace

Json BaseRun::facts() const {
  if (record.command == "import")
    return {{"corpus", data->checksum()},
            {"base", checksum(record.record["data"].value("model", Json()).dump())},
            {"prompt", checksum(prompt_keys(record.config).dump())}};
  return {{"corpus", data->checksum()},
          {"base", checksum_of_tensors(model_folder + "/model.safetensors")}};
}

Tokenizer load_base_tokenizer(const std::string& folder, const ModelConfig& config) {
  std::vector<std::string> notes;
  Tokenizer tokenizer = load_tokenizer(folder, &notes);
  for (const std::string& note : notes) std::cerr << note << "\n";
  check(tokenizer.vocab_size() <= config.vocab_size, folder, ": the model knows ",
        config.vocab_size, " tokens and the tokenizer ", tokenizer.vocab_size(),
        "; they do not belong together.");
  return tokenizer;
}

std::string find_base(const std::string& path) {
  check(!path.empty(), "no base model was named; give --base=FOLDER, such as runs/base.");
  const std::string folder = folder_of(path);
  if (is_base(folder)) return folder;
  if (fs::path(folder).filename() == "model" && is_base(above(folder))) return above(folder);
  if (const std::string base = base_of_model(folder); !base.empty())
    fail(path, " holds a run of `ramoe ", command_of(folder),
         "`, which was built on the base model ", base, "; give --base=", base, ".");
  if (fs::exists(folder + "/config.json") && !fs::exists(folder + "/run.json"))
    fail(path, " is a model without data; `ramoe import --model=", folder,
         " --data=QUESTIONS.jsonl --run=runs/imported` makes a base model of both "
         "(docs/real_models.md).");
  check(fs::exists(folder), "there is no folder ", path, "; `ramoe pretrain --run=", path,
        "` makes a base model there, and data/models holds some.");
  check(fs::exists(folder + "/run.json"), path,
        " holds no base model: run.json is missing; those of "
        "`ramoe pretrain` and `ramoe import` do, and data/models holds some.");
  read_run(folder, "pretrain");  // its error says what is there instead
  return folder;
}

std::string base_of_model(const std::string& path) {
  std::string folder = folder_of(path);
  if (fs::path(folder).filename() == "model" && !command_of(above(folder)).empty())
    folder = above(folder);
  if (is_base(folder)) return folder;
  if (command_of(folder).empty()) return "";
  const Json config = read_json(folder + "/run.json").value("config", Json());
  const Json base = config.is_object() ? config.value("base", Json()) : Json();
  return base.is_string() ? base.get<std::string>() : "";
}

/// The base model that a lesion was made of, with the damaged weights in place of its own.
BaseRun open_lesion(RunRecord record, const std::string& stop) {
  require_file(record.path, "model/model.safetensors", "lesion");
  check_checksum_list(record.path);
  const std::string file = record.path + "/run.json";
  const std::string from = JsonAt<Json>{file, "config", record.config}["base"].text();
  BaseRun base = open_base(from, stop);
  check(record.record.value("data", Json::object()) == base.facts(), record.path,
        " is a lesion of another model or other data than ", from,
        " holds now; restore that, or run `ramoe lesion` again.");
  base.model_folder = record.path + "/model";
  base.record = std::move(record);
  return base;
}

BaseRun open_base(const std::string& given, const std::string& stop) {
  const std::string path = find_base(given), place = path + "/run.json";
  if (command_of(path) == "lesion") return open_lesion(read_run(path, "lesion"), stop);
  const bool imported = is_import(path);
  RunRecord record = read_run(path, imported ? "import" : "pretrain");
  const auto options = imported ? part_of<ImportOptions>(record.config, place) : ImportOptions{};
  BaseParts parts = imported ? imported_parts(record, options) : pretrained_parts(record);
  check(!parts.data->targets().empty(), path,
        " was made of English alone; the stages compare it with ",
        "other languages, so make a base model of at least two (--languages=en,sw).");
  ModelConfig config = load_model_config(parts.model_folder);
  auto tokenizer = std::make_unique<Tokenizer>(load_base_tokenizer(parts.model_folder, config));
  PromptFormat format = imported ? import_format(options, *tokenizer, config)
                                 : folder_format(parts.model_folder, *tokenizer, config);
  if (!stop.empty()) {
    set_stop(format, *tokenizer, stop);
    check_specials("stop", format.stop, *tokenizer, parts.model_folder);
  }
  // Routing statistics leave out BOS, also one that only the tokenizer names.
  if (format.bos >= 0) config.bos_token_id = format.bos;
  const Prompts prompts(*tokenizer, format);
  return {std::move(record),
          std::move(parts.data),
          parts.model_folder,
          std::move(config),
          std::move(tokenizer),
          prompts,
          nullptr};
}

BaseRun load_base(const std::string& path, const std::string& stop) {
  BaseRun base = open_base(path, stop);
  base.model = load_model(base.model_folder, base.config);
  return base;
}

std::string find_model_folder(const std::string& path) {
  check(!path.empty(), "no model was named; give --model=FOLDER, a run folder or a model folder.");
  const std::string place = folder_of(path), named = imported_model(place);
  const bool is_run = fs::exists(place + "/model/config.json");
  const std::string folder = is_run ? place + "/model" : named.empty() ? place : named;
  if (fs::exists(folder + "/config.json")) {
    check_model_folder(folder);
    return folder;
  }
  check_has_model(place);
  const std::string command = command_of(place), base = base_of_model(place);
  if (!base.empty() && base != place)
    fail(path, " holds a run of `ramoe ", command, "`, which has no model; it was built on ", base,
         ".");
  check(fs::exists(path), "there is no folder ", path,
        "; `ramoe pretrain` and `ramoe finetune` make models, and data/models holds some.");
  fail(path,
       " holds no model: neither config.json nor model/config.json is there; `ramoe pretrain` and "
       "`ramoe finetune` make one.");
}

std::string find_tokenizer_folder(const std::string& path) {
  const std::string folder = folder_of(path);
  return fs::exists(folder + "/tokenizer.json") ? folder : find_model_folder(path);
}

LoadedModel load_any_model(const std::string& path, Device device, Precision weights) {
  const std::string folder = find_model_folder(path);
  const ModelConfig config = load_model_config(folder);
  Tokenizer tokenizer = load_base_tokenizer(folder, config);
  PromptFormat format = folder_format(folder, tokenizer, config);
  if (is_import(path)) {
    const RunRecord record = read_run(path, "import");
    format =
        import_format(part_of<ImportOptions>(record.config, path + "/run.json"), tokenizer, config);
    format.prompt = PromptFormat{}.prompt;
  }
  return {{device, folder, config, weights}, std::move(tokenizer), std::move(format)};
}

}  // namespace ramoe
