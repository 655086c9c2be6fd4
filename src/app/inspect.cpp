// ramoe inspect: what is in a run folder, a model folder or a language pack.
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "app/model_folder.h"
#include "app/stages.h"
#include "ch05_training/memory.h"
#include "ch06_languages/pack.h"
#include "formats/checksum_list.h"
#include "support/error.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

/// Prints "name          value", the form of every line here.
void print(const std::string& name, const std::string& value) {
  std::cout << name << std::string(name.size() < 14 ? 14 - name.size() : 1, ' ') << value << "\n";
}

std::string token_name(const char* name, int id) {
  return id < 0 ? cat("no ", name) : cat(name, " ", id);
}

/// Prints what config.json alone says.
void print_config(const ModelConfig& c) {
  const int L = c.num_hidden_layers, moe = c.moe_layer_count();
  print("family", name_of(c.model_type));
  print("layers", moe == L ? cat(L, ", all with experts")
                           : cat(L, ", of which ", moe, " with experts; the others dense of width ",
                                 c.intermediate_size));
  print("width", cat(c.hidden_size, ", ", c.num_attention_heads, " query heads, ",
                     c.num_key_value_heads, " key/value heads of ", c.head_size()));
  print("attention", cat(c.qk_norm_whole()   ? "QK-norm over all heads"
                         : c.qk_norm_heads() ? "QK-norm per head"
                                             : "bias on q, k, v",
                         c.clip_qkv > 0 ? cat(", clipped at ", c.clip_qkv) : "", ", rotary theta ",
                         c.rope_theta, ", at most ", c.max_position_embeddings, " tokens"));
  print("experts", cat(c.num_experts, " of width ", c.moe_intermediate_size, ", ",
                       c.num_experts_per_tok, " per token",
                       c.shared_expert()
                           ? cat(", and a shared one of width ", c.shared_expert_intermediate_size)
                           : ""));
  print("router", cat("softmax over all experts, top-", c.num_experts_per_tok,
                      c.norm_topk_prob ? ", renormalised" : ", not renormalised"));
  std::string eos = token_name("EOS", c.eos_token_id);
  for (const int id : c.more_eos) eos += cat(" and ", id);
  print("vocabulary", cat(c.vocab_size, c.tie_word_embeddings ? ", tied" : ", not tied", "; ",
                          token_name("BOS", c.bos_token_id), ", ", eos, ", ",
                          token_name("padding", c.pad_token_id)));
  const ParameterCount count = count_parameters(c);
  print("parameters", cat(count.total, " in all, ", count.active, " per token"));
  const double weights = 4.0 * static_cast<double>(count.total);
  print("memory", cat(size_text(weights), " of weights as fp32; ", size_text(4 * weights),
                      " with gradients and AdamW's moments; see ramoe memory"));
}

/// Prints the weight files: dtypes, bytes, and the first and last tensors.
void print_weights(const WeightFiles& files) {
  std::map<std::string, std::size_t> tensors_from_dtype;
  std::uint64_t bytes = 0;
  for (const std::string& name : files.names()) {
    ++tensors_from_dtype[files.info(name).dtype];
    bytes += files.info(name).bytes;
  }
  std::string dtypes;
  for (const auto& [dtype, count] : tensors_from_dtype)
    dtypes += cat(dtypes.empty() ? "" : ", ", dtype, " x ", count);
  print("weights", cat(files.names().size(), " tensors (", dtypes, "), ", bytes, " bytes in ",
                       files.files().size(), files.files().size() == 1 ? " file" : " files"));
  const auto& names = files.names();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == 12 && names.size() > 16) {
      std::cout << "  ... " << names.size() - 14 << " more\n";
      i = names.size() - 2;
    }
    const TensorInfo& info = files.info(names[i]);
    std::cout << "  " << info.dtype << " " << shape_text(info.shape) << "  " << names[i] << "\n";
  }
}

/// Prints whether a file has a checksum that it agrees with. Error: it does not agree.
void print_check(const SafetensorsFile& file) {
  print("checksum", file.check_whole() ? "as when it was written" : cat("none in ", file.path()));
}

void inspect_model(const std::string& folder) {
  print("model", folder);
  print_config(load_model_config(folder));
  if (fs::exists(folder + "/model.safetensors") ||
      fs::exists(folder + "/model.safetensors.index.json")) {
    const WeightFiles files(folder);
    print_weights(files);
    for (const auto& file : files.files()) print_check(*file);
  } else {
    print("weights", "none in this folder");
  }
  check_model_folder(folder);
}

void inspect_run(const std::string& folder) {
  const Json record = read_json(folder + "/run.json");
  check(record.is_object(), folder, "/run.json: expected an object; restore the file.");
  std::cout << "run           " << folder << "\n";
  for (const char* key : {"command", "status", "seed", "started", "finished"})
    if (record.contains(key))
      std::cout << key << std::string(14 - std::string(key).size(), ' ') << record[key].dump()
                << "\n";
  std::cout << "config        " << record.value("config", Json::object()).dump() << "\n"
            << "build         " << record.value("build", Json::object()).dump() << "\n"
            << "data          " << record.value("data", Json::object()).dump() << "\n"
            << "files        ";
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) std::cout << " " << name;
  std::cout << "\n";
  if (fs::exists(folder + "/model/config.json")) inspect_model(folder + "/model");
}

void inspect_pack(const std::string& path) {
  const LanguagePack pack = load_pack(path);
  std::cout << "language pack " << path << "\n"
            << "language      " << pack.code << ", " << pack.english_name << ", " << pack.own_name
            << "\nweb share     " << pack.web_share << " %\n";
  for (const Concept kind : every<Concept>()) {
    const auto names = pack.names.find(kind);
    if (names == pack.names.end() || names->second.empty()) continue;
    std::cout << name_of(kind) << std::string(14 - name_of(kind).size(), ' ')
              << names->second.size() << ", such as " << names->second.begin()->second << "\n";
  }
  std::cout << "checksum      " << pack.checksum << "\n";
}

}  // namespace

int run_inspect(const Arguments& arguments) {
  PathKey key{{}, "run folder, model folder, safetensors file or language pack"};
  FieldList fields = fields_of(key);
  if (!read_path(key, fields, arguments, "inspect")) return 0;
  if (fs::exists(key.path + "/run.json"))
    inspect_run(key.path);
  else if (fs::exists(key.path + "/config.json"))
    inspect_model(key.path);
  else if (fs::is_regular_file(key.path) && key.path.ends_with(".json")) {
    const Json json = read_json(key.path);
    if (json.is_object() && json.contains("model_type"))
      print_config(read_model_config(key.path));
    else
      inspect_pack(key.path);
  } else if (fs::is_regular_file(key.path)) {
    const SafetensorsFile file(key.path);
    for (const std::string& name : file.names())
      std::cout << file.info(name).dtype << " " << shape_text(file.info(name).shape) << "  " << name
                << "\n";
    print_check(file);
  } else
    fail(key.path,
         " is neither a run folder (run.json), a model folder (config.json), a "
         "safetensors file nor a language pack.");
  return 0;
}

}  // namespace ramoe
