// Chapter 5.3 - a model as files: config.json and model.safetensors, Hugging Face's names and
// shapes
//
//   ours                         file
//   q_proj (C,NH*HS)             model.layers.0.self_attn.q_proj.weight (NH*HS,C)
//   experts.gate_up (E,C,2H)     model.layers.0.mlp.experts.3.gate_proj.weight (H,C), ...up_proj...
//   experts.down (E,H,C)         model.layers.0.mlp.experts.3.down_proj.weight (C,H)
//   router (C,E)                 model.layers.0.mlp.gate.weight (E,C)
//
// Tests: tests/ch05_training/model_files_test.cpp
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ch04_moe/model.h"
#include "ch05_training/safetensors.h"

namespace ramoe {

/// Where one tensor of the file lies within a parameter: element (o,i) of the file is value
/// [begin + i*stride + o]; vectors and the embedding are stored as they are.
struct StoredTensor {
  std::string name;
  TensorShape shape;
  std::size_t parameter;  // index into Model::parameters()
  std::size_t begin, stride;
  bool transposed;
};
std::vector<StoredTensor> stored_tensors(const Model<float>& model);

/// The entries for a safetensors file of any arrays shaped like the parameters (values, moments).
/// `arrays[p]` belongs to parameter p; empty ones are left out. Must outlive the write.
std::vector<TensorToWrite> tensors_to_write(const Model<float>& model, const std::string& prefix,
                                            const std::vector<const std::vector<float>*>& arrays);
/// Reads such entries back. Error: missing tensors or other shapes, named.
void read_tensors(const SafetensorsFile& file, const Model<float>& model, const std::string& prefix,
                  const std::vector<std::vector<float>*>& arrays);

/// Writes folder/config.json and folder/model.safetensors.
void save_model(const Model<float>& model, const std::string& folder);
/// Reads such a folder. Error: whatever does not fit, naming file, key or tensor.
std::unique_ptr<Model<float>> load_model(const std::string& folder);

}  // namespace ramoe
