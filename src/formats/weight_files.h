// Formats - the tensors of a model in one or several files
//
//   model.safetensors                                                 all of them
//   model.safetensors.index.json, model-00001-of-00003.safetensors    large models: shards, and
//     {"metadata": {...}, "weight_map": {tensor: file, ...}}          the shard of each tensor
//
// If both forms are there, the single file is read, as in transformers.
// Tests: tests/formats/weight_files_test.cpp
#pragma once

#include <memory>

#include "formats/safetensors.h"

namespace ramoe {

class WeightFiles {
 public:
  /// Opens a folder or one safetensors file. Error: nothing there, index and shards contradict each
  /// other (a missing shard, a listed tensor that is missing, a tensor that is not listed), a shard
  /// outside of the folder, and any error of SafetensorsFile.
  explicit WeightFiles(const std::string& path);

  const std::string& path() const { return path_; }
  const std::vector<std::unique_ptr<SafetensorsFile>>& files() const { return files_; }
  /// Of all files, file by file.
  const std::vector<std::string>& names() const { return names_; }
  bool has(const std::string& name) const { return file_from_name_.contains(name); }
  /// The file with the tensor. Error: there is none; suggests the nearest name.
  const SafetensorsFile& file_of(const std::string& name) const;
  const TensorInfo& info(const std::string& name) const { return file_of(name).info(name); }
  const SafetensorsMetadata& metadata() const { return files_.front()->metadata(); }

 private:
  void add(const std::string& path);
  void open_shards(const std::string& index);

  std::string path_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::vector<std::string> names_;
  std::map<std::string, const SafetensorsFile*> file_from_name_;
};

}  // namespace ramoe
