#include "app/base_run.h"

#include <filesystem>

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

void check_fits(const Model<float>& model, const Tokenizer& tokenizer, const std::string& folder) {
  check(model.config().vocab_size == tokenizer.vocab_size(), folder, ": the model knows ",
        model.config().vocab_size, " tokens and the tokenizer ", tokenizer.vocab_size(),
        "; they do not belong together.");
}

}  // namespace

Json BaseRun::facts() const {
  return {{"corpus", data->checksum()},
          {"base", checksum(read_file(model_folder + "/model.safetensors"))}};
}

BaseRun load_base(const std::string& path) {
  RunRecord record = read_run(path, "pretrain");
  require_file(path, "model/model.safetensors", "pretrain");
  auto corpus = std::make_unique<Corpus>(
      load_corpus(part_of<CorpusConfig>(record.config, path + "/run.json")));
  const std::string made_from = record.record.value("data", Json::object()).value("corpus", "");
  check(made_from == corpus->checksum(), path, " was pre-trained on other data than ",
        corpus->config().data, " holds now (checksum ", made_from, ", now ", corpus->checksum(),
        "); restore the data or pre-train again.");
  const std::string folder = path + "/model";
  auto tokenizer = std::make_unique<Tokenizer>(load_tokenizer(folder));
  const Prompts prompts(*tokenizer);
  BaseRun base{std::move(record),    std::move(corpus), folder,
               std::move(tokenizer), prompts,           load_model(folder)};
  check_fits(*base.model, *base.tokenizer, path);
  return base;
}

LoadedModel load_any_model(const std::string& path) {
  check(!path.empty(), "no model was named; give --model=FOLDER, a run folder or a model folder.");
  const bool is_run = std::filesystem::exists(path + "/model/config.json");
  const std::string folder = is_run ? path + "/model" : path;
  check(std::filesystem::exists(folder + "/config.json"), path,
        " holds no model: neither config.json nor model/config.json is there; `ramoe pretrain` and "
        "`ramoe finetune` make one.");
  LoadedModel loaded{load_model(folder), load_tokenizer(folder)};
  check_fits(*loaded.model, loaded.tokenizer, folder);
  return loaded;
}

}  // namespace ramoe
