#include "formats/weight_files.h"
#include "support/json.h"

#include <filesystem>

namespace ramoe {
namespace fs = std::filesystem;

WeightFiles::WeightFiles(const std::string& path) : path_(path) {
  const std::string single = path + "/model.safetensors";
  const std::string index = path + "/model.safetensors.index.json";
  if (!fs::is_directory(path))
    add(path);
  else if (fs::exists(single))
    add(single);
  else if (fs::exists(index))
    open_shards(index);
  else
    fail(path, " holds no weights: neither model.safetensors nor model.safetensors.index.json.",
         fs::exists(path + "/pytorch_model.bin") ||
                 fs::exists(path + "/pytorch_model.bin.index.json")
             ? " PyTorch's .bin files are not read; save the model again with transformers: "
               "AutoModelForCausalLM.from_pretrained(folder).save_pretrained(other_folder)."
             : " Fetch them into the folder.");
}

void WeightFiles::add(const std::string& path) {
  files_.push_back(std::make_unique<SafetensorsFile>(path));
  for (const std::string& name : files_.back()->names()) {
    const auto [other, fresh] = file_from_name_.emplace(name, files_.back().get());
    check(fresh, path, ", tensor ", name, ": ", other->second->path(), " holds it too.");
    names_.push_back(name);
  }
}

void WeightFiles::open_shards(const std::string& index) {
  const Json json = read_json(index);
  check(json.is_object() && json.contains("weight_map") && json["weight_map"].is_object() &&
            !json["weight_map"].empty(),
        index, ": the key weight_map, an object of tensor: file, is missing or empty.");
  const nlohmann::json map = json["weight_map"];  // sorted, since it is searched by name below
  std::map<std::string, std::string> path_from_shard;
  for (const auto& [tensor, file] : map.items()) {
    check(file.is_string(), index, ": weight_map.", tensor, " is ", file.dump(),
          "; expected the name of a file.");
    const std::string shard = file.get<std::string>();
    check(shard.ends_with(".safetensors") && shard.find('/') == std::string::npos, index,
          ": weight_map.", tensor, " names \"", shard,
          "\"; expected a .safetensors file in the same folder.");
    path_from_shard.emplace(shard, path_ + "/" + shard);
  }
  for (const auto& [shard, path] : path_from_shard) {
    check(fs::exists(path), index, ": the file ", shard, " is missing in ", path_,
          "; fetch it as well.");
    add(path);
  }
  for (const auto& [tensor, file] : map.items()) {
    const std::string& path = path_from_shard.at(file.get<std::string>());
    check(has(tensor) && file_of(tensor).path() == path, index, ": the tensor ", tensor,
          " should lie in ", path, ", but does not; the files are of different models or damaged.");
  }
  for (const std::string& name : names_)
    check(map.contains(name), index, ": weight_map lacks the tensor ", name, ", which lies in ",
          file_of(name).path(), "; the files are of different models or damaged.");
}

const SafetensorsFile& WeightFiles::file_of(const std::string& name) const {
  const auto found = file_from_name_.find(name);
  if (found != file_from_name_.end()) return *found->second;
  no_such_tensor(files_.size() == 1 ? files_[0]->path() : path_, name, names_);
}

}  // namespace ramoe
