#include "app/base_run.h"

#include <filesystem>
#include <iostream>

#include "app/model_folder.h"
#include "app/stages.h"
#include "ch05_training/checksum_list.h"
#include "ch05_training/model_identity.h"
#include "ch06_languages/corpus.h"
#include "ch06_languages/tokenizer_json.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// The part of a resolved configuration that a struct lists.
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

/// Data, prompts and model folder as a run names them.
struct BaseParts {
  std::unique_ptr<ParallelData> data;
  std::string model_folder;
};

BaseParts pretrained_parts(const RunRecord& record) {
  require_file(record.path, "model/model.safetensors", "pretrain");
  check_checksum_list(record.path);
  auto corpus = std::make_unique<Corpus>(
      load_corpus(part_of<CorpusConfig>(record.config, record.path + "/run.json")));
  const std::string made_from = record.record.value("data", Json::object()).value("corpus", "");
  check(made_from == corpus->checksum(), record.path, " was pre-trained on other data than ",
        corpus->config().data, " holds now (checksum ", made_from, ", now ", corpus->checksum(),
        "); restore the data or pre-train again.");
  return {std::move(corpus), record.path + "/model"};
}

BaseParts imported_parts(const RunRecord& record, const ImportOptions& options) {
  const Json noted = record.record.value("data", Json::object());
  check_model_folder(options.model);
  check_identity(options.model, noted.value("model", Json::object()));
  auto data = std::make_unique<JsonlData>(options.data);
  check(noted.value("corpus", "") == data->checksum(), record.path,
        " was imported with other data than its files hold now: of ",
        Json(options.data.data).dump(),
        ", the general text or the language packs something has changed. Restore it, or run "
        "`ramoe import` again.");
  return {std::move(data), options.model};
}

bool is_import(const std::string& path) {
  const std::string place = path + "/run.json";
  if (!std::filesystem::exists(place)) return false;
  const Json record = read_json(place);
  return record.is_object() && record.value("command", Json()) == "import";
}

/// Error if the folder holds a training that has not come to its model: in which state it is.
void check_has_model(const std::string& path) {
  const std::string place = path + "/run.json";
  if (!std::filesystem::exists(place)) return;
  const Json record = read_json(place);
  const Json command = record.is_object() ? record.value("command", Json()) : Json();
  if (command == "pretrain" || command == "finetune")
    require_file(path, "model/config.json", command.get<std::string>());
}

/// The model folder that an import's run folder names; empty if the path is no such run.
std::string imported_model(const std::string& path) {
  const std::string place = path + "/run.json";
  if (!is_import(path)) return "";
  return part_of<ImportOptions>(read_run(path, "import").config, place).model;
}

/// What of an import's configuration changes what a model reads, or how it ends.
Json prompt_keys(const Json& config) {
  Json keys = Json::object();
  for (const char* key : {"prompt", "answer_prefix", "stop", "bos"}) keys[key] = config[key];
  return keys;
}

}  // namespace

Json BaseRun::facts() const {
  if (record.command == "import")
    return {{"corpus", data->checksum()},
            {"base", checksum(record.record.at("data").at("model").dump())},
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

BaseRun load_base(const std::string& path, const std::string& stop) {
  const std::string place = path + "/run.json";
  const bool imported = is_import(path);
  RunRecord record = read_run(path, imported ? "import" : "pretrain");
  const auto options = imported ? part_of<ImportOptions>(record.config, place) : ImportOptions{};
  BaseParts parts = imported ? imported_parts(record, options) : pretrained_parts(record);
  ModelConfig config = load_model_config(parts.model_folder);
  auto tokenizer = std::make_unique<Tokenizer>(load_base_tokenizer(parts.model_folder, config));
  PromptFormat format = imported ? import_format(options, *tokenizer, config)
                                 : folder_format(parts.model_folder, *tokenizer, config);
  if (!stop.empty()) {
    set_stop(format, *tokenizer, stop);
    check_specials("stop", format.stop, *tokenizer, parts.model_folder);
  }
  // A BOS that only the tokenizer names is left out of routing statistics like any other.
  if (format.bos >= 0) config.bos_token_id = format.bos;
  const Prompts prompts(*tokenizer, format);
  auto model = load_model(parts.model_folder, config);
  return {std::move(record), std::move(parts.data), parts.model_folder, std::move(tokenizer),
          prompts,           std::move(model)};
}

std::string find_model_folder(const std::string& path) {
  check(!path.empty(), "no model was named; give --model=FOLDER, a run folder or a model folder.");
  const bool is_run = std::filesystem::exists(path + "/model/config.json");
  const std::string named = imported_model(path);
  const std::string folder = is_run ? path + "/model" : named.empty() ? path : named;
  if (!std::filesystem::exists(folder + "/config.json")) check_has_model(path);
  check(std::filesystem::exists(folder + "/config.json"), path,
        " holds no model: neither config.json nor model/config.json is there; `ramoe pretrain` and "
        "`ramoe finetune` make one.");
  check_model_folder(folder);
  return folder;
}

LoadedModel load_any_model(const std::string& path) {
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
  auto model = load_model(folder, config);
  return {std::move(model), std::move(tokenizer), std::move(format)};
}

}  // namespace ramoe
