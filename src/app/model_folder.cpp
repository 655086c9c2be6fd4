#include "app/model_folder.h"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "support/error.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

/// A JSON file of the model's folder, or an empty object if there is none.
Json optional_json(const std::string& path) {
  const Json json = fs::exists(path) ? read_json(path) : Json::object();
  check(json.is_object(), path, ": a JSON object was expected.");
  return json;
}

int choose_bos(const std::string& folder, UseBos bos, const Tokenizer& tokenizer,
               const ModelConfig& config) {
  const int named = tokenizer.parts().bos;
  if (bos == UseBos::never) return -1;
  if (bos == UseBos::always) {
    check(config.bos_token_id >= 0 && (named < 0 || named == config.bos_token_id),
          "bos = always: config.json says bos_token_id = ", config.bos_token_id,
          " and the tokenizer ", named, " (-1: none); expected one that both can agree on.");
    return config.bos_token_id;
  }
  const std::string path = folder + "/tokenizer_config.json";
  const Json add = optional_json(path).value("add_bos_token", Json());
  check(add.is_null() || add.is_boolean(), path, ": add_bos_token = ", add.dump(),
        " is neither true nor false.");
  if (add == Json(true)) return named;
  return add.is_null() && named == config.bos_token_id ? named : -1;
}

/// The ids of the key eos_token_id of a file: none, one or a list.
std::vector<std::int64_t> eos_of(const Json& json, const std::string& path) {
  const Json eos = json.value("eos_token_id", Json());
  std::vector<std::int64_t> ids;
  for (const Json& id : eos.is_array() ? eos : Json::array({eos})) {
    if (id.is_null()) continue;
    check(id.is_number_integer(), path, ": eos_token_id = ", eos.dump(),
          " is neither a whole number nor a list of them.");
    ids.push_back(id.get<std::int64_t>());
  }
  return ids;
}

std::vector<int> choose_eos(const std::string& folder, const Tokenizer& tokenizer,
                            const ModelConfig& config) {
  std::vector<int> ids;
  const auto add = [&](std::int64_t id) {
    if (id < 0 || id >= tokenizer.vocab_size()) return;  // rows without a token never occur
    add_once(ids, int(id));
  };
  add(tokenizer.parts().eos);
  add(config.eos_token_id);
  for (const int id : config.more_eos) add(id);
  const std::string path = folder + "/generation_config.json";
  for (const std::int64_t id : eos_of(optional_json(path), path)) add(id);
  return ids;
}

/// The file with every id of `eos` in its eos_token_id; unchanged if it has them already.
Json with_eos(Json json, const std::string& path, const std::vector<int>& eos) {
  std::vector<std::int64_t> ids = eos_of(json, path);
  const auto has = [&](int id) { return contains(ids, id); };
  if (std::all_of(eos.begin(), eos.end(), has)) return json;
  std::vector<std::int64_t> all(eos.begin(), eos.end());
  for (const std::int64_t id : ids) add_once(all, id);
  json["eos_token_id"] = all.size() == 1 ? Json(all[0]) : Json(all);
  return json;
}

/// Whether a file of a model's folder is copied to a model made from it: all but the weights, the
/// two files that are written again, and a model card, which describes the other model.
bool goes_along(const std::string& name) {
  static const std::vector<std::string> kNames = {"added_tokens.json",
                                                  "chat_template.json",
                                                  "merges.txt",
                                                  "tokenizer.json",
                                                  "special_tokens_map.json",
                                                  "tokenizer.model",
                                                  "tokenizer_config.json",
                                                  "vocab.json"};
  if (contains(kNames, name)) return true;
  if (name.ends_with(".jinja") || name.ends_with(".py")) return true;
  std::string upper;
  for (const char c : name) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const char* part : {"LICENSE", "LICENCE", "NOTICE", "COPYING", "USE_POLICY"})
    if (upper.find(part) != std::string::npos) return true;
  return false;
}

/// Copies the files that go along. Returns the names of those in the folder itself.
std::vector<std::string> copy_files(const std::string& from, const std::string& to) {
  make_folder(to);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename();
    if (entry.is_directory() && name == "additional_chat_templates")
      copy_files(entry.path(), to + "/" + name);
    else if (entry.is_regular_file() && goes_along(name)) {
      write_file(to + "/" + name, read_file(entry.path()));
      names.push_back(name);
    }
  }
  return names;
}

/// The dtype of most of the weights, by the name that config.json uses.
std::string dtype_name(const SavedForm& form) {
  std::map<std::string, int> count;
  for (const auto& [name, dtype] : form.dtypes) ++count[dtype];
  const auto most = std::max_element(
      count.begin(), count.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == count.end() || most->first == "F32") return "float32";
  return most->first == "F16" ? "float16" : "bfloat16";
}

/// All chat templates of the folder, from any of its files.
std::string chat_templates(const std::string& folder) {
  std::string text = optional_json(folder + "/tokenizer_config.json")
                         .value("chat_template", Json())
                         .dump(-1, ' ', false, Json::error_handler_t::replace);
  for (const char* name : {"/chat_template.jinja", "/chat_template.json"})
    if (fs::exists(folder + name)) text += read_file(folder + name);
  return text;
}

}  // namespace

ModelConfig read_model_config(const std::string& path) {
  std::vector<std::string> notes;
  const ModelConfig config = from_hugging_face(read_json(path), path, &notes);
  for (const std::string& note : notes) std::cerr << note << "\n";
  return config;
}

ModelConfig load_model_config(const std::string& folder) {
  return read_model_config(folder + "/config.json");
}

PromptFormat folder_format(const std::string& folder, const Tokenizer& tokenizer,
                           const ModelConfig& config, UseBos bos) {
  PromptFormat format;
  format.bos = choose_bos(folder, bos, tokenizer, config);
  format.eos = choose_eos(folder, tokenizer, config);
  return format;
}

void check_specials(const std::string& key, const std::string& text, const Tokenizer& tokenizer,
                    const std::string& folder) {
  for (std::size_t at = 0; (at = text.find("<|", at)) != std::string::npos; ++at) {
    const std::size_t end = text.find("|>", at);
    if (end == std::string::npos) return;
    const std::string token = text.substr(at, end + 2 - at);
    std::string specials;
    bool known = token.find("{question}") != std::string::npos;
    for (const AddedToken& added : tokenizer.parts().added) {
      known = known || token == tokenizer.token(added.id);
      if (added.special && specials.size() < 200) specials += " " + tokenizer.token(added.id);
    }
    check(known || chat_templates(folder).find(token) != std::string::npos, key, ": ", token,
          " is no special token of this tokenizer; it has", specials, ".");
  }
}

std::vector<std::string> save_tuned_model(const Model<float>& model, const std::string& from,
                                          const std::string& to, const std::vector<int>& eos,
                                          const SavedForm& given) {
  const std::vector<std::string> copied = copy_files(from, to);
  SavedForm form = given;
  const std::string path = from + "/config.json", more = from + "/generation_config.json";
  form.config = with_eos(read_json(path), path, eos);
  const std::string dtype = dtype_name(form);
  for (const char* key : {"dtype", "torch_dtype"})
    if (form.config.contains(key)) form.config[key] = dtype;
  if (!form.config.contains("dtype") && !form.config.contains("torch_dtype"))
    form.config["torch_dtype"] = dtype;  // the key that transformers 4 and 5 both read
  if (fs::exists(more))
    write_json(to + "/generation_config.json", with_eos(optional_json(more), more, eos));
  save_model(model, to, form);
  return copied;
}

}  // namespace ramoe
