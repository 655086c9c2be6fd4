// Formats - a model as files: config.json and model.safetensors, Hugging Face's names and
// shapes
//
//   ours                         file
//   q_proj (C,NH*HS)             model.layers.0.self_attn.q_proj.weight (NH*HS,C)
//   experts.gate_up (E,C,2H)     model.layers.0.mlp.experts.3.gate_proj.weight (H,C), ...up_proj...
//   experts.down (E,H,C)         model.layers.0.mlp.experts.3.down_proj.weight (C,H)
//   router (C,E)                 model.layers.0.mlp.gate.weight (E,C)
//
// Files from elsewhere may lack the "model." in front, as a model without head is saved, and may
// hold the experts of a layer fused in two tensors (stored_layouts.cpp); we write the form above.
// Files hold (out,in), we keep (in,out): square blocks are turned at a time, so that both sides are
// read and written by whole cache lines. Tests: tests/formats/model_files_test.cpp
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ch04_moe/model.h"
#include "formats/weight_files.h"

namespace ramoe {

/// Where one tensor of the file lies within a parameter: element (o,i) of the file is value
/// [begin + i*stride + o]; vectors and the embedding are stored as they are.
struct StoredTensor {
  std::string name;
  TensorShape shape;
  std::size_t parameter;  // number in list_parameters, index into Model::parameters()
  std::size_t begin, stride;
  bool transposed;
  TensorShape whole = {};      // of a part of a tensor of the file: the shape of all of it
  std::size_t file_begin = 0;  // and where the part begins there, in elements

  std::size_t out() const { return static_cast<std::size_t>(shape[0]); }
  std::size_t in() const { return shape.size() > 1 ? static_cast<std::size_t>(shape[1]) : 1; }
  /// Where the file's element (o,i) lies: the definition that reading and writing are tested by.
  std::size_t place(std::size_t o, std::size_t i) const {
    return transposed ? begin + i * stride + o : begin + o * in() + i;
  }
};
/// All tensors of a model.
std::vector<StoredTensor> stored_tensors(const ModelConfig& config);
/// The same under the names and in the layout that these files have. Error: fused experts of
/// another shape.
std::vector<StoredTensor> stored_tensors_in(const WeightFiles& files, const ModelConfig& config);

/// How a model is saved: `config` as its config.json, ours if it is empty; and the dtype of each
/// tensor that is not F32, by name.
struct SavedForm {
  Json config = Json::object();
  std::map<std::string, std::string> dtypes = {};

  std::string dtype(const std::string& name) const {
    const auto found = dtypes.find(name);
    return found == dtypes.end() ? "F32" : found->second;
  }
};
/// The entries for a safetensors file of any arrays shaped like the parameters (values, moments).
/// `arrays[p]` belongs to parameter p; empty ones are left out. Must outlive the write.
std::vector<TensorToWrite> tensors_to_write(const ModelConfig& config, const std::string& prefix,
                                            const std::vector<const std::vector<float>*>& arrays,
                                            const SavedForm& form = {});
/// The entries of a model file: the values of all parameters.
std::vector<TensorToWrite> tensors_to_write(const Model<float>& model, const SavedForm& form = {});
/// Reads such entries back, converted to fp32 and turned on the way from the mapped file: beside
/// the arrays no tensor is held twice. Everything is checked before the first value is written.
/// Error, named: a missing tensor, another shape or dtype, a value that is not finite.
void read_tensors(const WeightFiles& files, const ModelConfig& config, const std::string& prefix,
                  const std::vector<std::vector<float>*>& arrays);
/// The check alone. Error: as above, but for the values.
void check_tensors(const WeightFiles& files, const ModelConfig& config, const std::string& prefix,
                   const std::vector<std::vector<float>*>& arrays);

/// In what weights are stored; as_loaded: as in the folder that they came from.
enum class SaveDtype { fp32, bf16, as_loaded };
constexpr auto names(SaveDtype) {
  return std::array{"fp32", "bf16", "as_loaded"};
}
/// The dtype of each tensor that is not stored as F32.
std::map<std::string, std::string> saved_dtypes(SaveDtype choice, const std::string& folder,
                                                const ModelConfig& config);
/// Rounds every value to what its dtype can hold, so that what is used is what is saved. Error: one
/// that is too large for it.
void round_values(Model<float>& model, const SavedForm& form);

/// Writes folder/config.json and folder/model.safetensors, with a checksum.
void save_model(const Model<float>& model, const std::string& folder, const SavedForm& form = {});
/// Reads such a folder, or one by transformers: weights in one file or several, as F32, F16 or
/// BF16. A checksum is compared where a file has one. Error: whatever does not fit, naming file,
/// key or tensor.
std::unique_ptr<Model<float>> load_model(const std::string& folder);
/// The same with a configuration that was read from the folder before.
std::unique_ptr<Model<float>> load_model(const std::string& folder, const ModelConfig& config);

}  // namespace ramoe
