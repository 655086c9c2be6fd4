// Formats - model files: config.json and model.safetensors with Hugging Face's names and shapes
//
//   ours                         file
//   q_proj (C,NH*HS)             model.layers.0.self_attn.q_proj.weight (NH*HS,C)
//   experts.gate_up (E,C,2H)     model.layers.0.mlp.experts.3.gate_proj.weight (H,C), ...up_proj...
//   experts.down (E,H,C)         model.layers.0.mlp.experts.3.down_proj.weight (C,H)
//   router (C,E)                 model.layers.0.mlp.gate.weight (E,C)
//
// Other programs' files may lack the prefix "model.", as in a model saved without its head, and may
// hold the experts of a layer fused in two tensors (stored_layouts.cpp); we write the form above.
// Files hold (out,in), we keep (in,out). Tensors are transposed in square blocks, so that both
// sides are read and written in whole cache lines. Tests: tests/formats/model_files_test.cpp
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ch04_moe/model.h"
#include "formats/weight_files.h"
#include "support/json.h"

namespace ramoe {

/// The place of one tensor of the file in a parameter: element (o,i) of the file is value
/// [begin + i*stride + o]. Vectors and the embedding are not transposed.
struct StoredTensor {
  std::string name;
  TensorShape shape;
  std::size_t parameter;  // number in list_parameters, index into Model::parameters()
  std::size_t begin, stride;
  bool transposed;
  TensorShape whole = {};      // if this is a part of a tensor of the file: its full shape
  std::size_t file_begin = 0;  // and the start of the part in it, in elements

  std::size_t out() const { return static_cast<std::size_t>(shape[0]); }
  std::size_t in() const { return shape.size() > 1 ? static_cast<std::size_t>(shape[1]) : 1; }
  /// The index of the file's element (o,i): the definition that tests use for reading and writing.
  std::size_t place(std::size_t o, std::size_t i) const {
    return transposed ? begin + i * stride + o : begin + o * in() + i;
  }
};
/// All tensors of a model.
std::vector<StoredTensor> stored_tensors(const ModelConfig& config);
/// The same with the names and the layout of these files. Error: fused experts of another shape.
std::vector<StoredTensor> stored_tensors_in(const WeightFiles& files, const ModelConfig& config);

/// How a model is saved: the config.json (ours if `config` is empty), and the dtype of each tensor
/// that is not F32, by name.
struct SavedForm {
  Json config = Json::object();
  std::map<std::string, std::string> dtypes = {};

  std::string dtype(const std::string& name) const {
    const auto found = dtypes.find(name);
    return found == dtypes.end() ? "F32" : found->second;
  }
};
/// The entries of a safetensors file for arrays with the shapes of the parameters (values,
/// moments). `arrays[p]` belongs to parameter p; empty ones are left out. The arrays must outlive
/// the write.
std::vector<TensorToWrite> tensors_to_write(const ModelConfig& config, const std::string& prefix,
                                            const std::vector<const std::vector<float>*>& arrays,
                                            const SavedForm& form = {});
/// The entries of a model file: the values of all parameters.
std::vector<TensorToWrite> tensors_to_write(const Model<float>& model, const SavedForm& form = {});
/// Reads such entries back. Values are converted to fp32 and transposed directly from the mapped
/// file, so no second copy of a tensor is needed. Names, shapes and dtypes are checked before the
/// first value is written. Error, with the name: a missing tensor, another shape or dtype, a value
/// that is not finite.
void read_tensors(const WeightFiles& files, const ModelConfig& config, const std::string& prefix,
                  const std::vector<std::vector<float>*>& arrays);
/// Only the check. Errors as above, except those of values.
void check_tensors(const WeightFiles& files, const ModelConfig& config, const std::string& prefix,
                   const std::vector<std::vector<float>*>& arrays);

/// The dtype of saved weights; as_loaded: as in the folder that they were loaded from.
enum class SaveDtype { fp32, bf16, as_loaded };
constexpr auto names(SaveDtype) {
  return std::array{"fp32", "bf16", "as_loaded"};
}
/// The dtype of each tensor that is not stored as F32.
std::map<std::string, std::string> saved_dtypes(SaveDtype choice, const std::string& folder,
                                                const ModelConfig& config);
/// Rounds every value to one that its dtype can represent, so that the model used is the model
/// saved. Error: a value is too large for its dtype.
void round_values(Model<float>& model, const SavedForm& form);

/// Writes folder/config.json and folder/model.safetensors, with a checksum.
void save_model(const Model<float>& model, const std::string& folder, const SavedForm& form = {});
/// Reads such a folder, or one by transformers: weights in one or several files, as F32, F16 or
/// BF16. Checks the checksum of each file that has one. Values that are not floats on the host,
/// such as a GPU's, get there parameter by parameter: the host never holds more than the largest
/// one as floats. Error: anything that does not fit; names file, key or tensor.
template <class T = float>
std::unique_ptr<Model<T>> load_model(const std::string& folder);
/// The same with a configuration that was already read from the folder. With weights in bf16, all
/// matrices are kept in half the memory: as they are if the file has them in BF16, else rounded.
template <class T = float>
std::unique_ptr<Model<T>> load_model(const std::string& folder, const ModelConfig& config,
                                     Precision weights = Precision::fp32);

}  // namespace ramoe
