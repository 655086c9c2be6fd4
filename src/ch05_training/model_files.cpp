#include "ch05_training/model_files.h"

#include <set>

#include "support/error.h"

namespace ramoe {
namespace {

/// Collects the stored tensors of one model, parameter by parameter.
class Lister {
 public:
  explicit Lister(const Model<float>& model) {
    for (std::size_t i = 0; i < model.parameters().size(); ++i)
      index_[model.parameters()[i].get()] = i;
  }

  void vector(const Parameter<float>* p, const std::string& name) {
    if (p) list_.push_back({name, {p->shape[0]}, index_.at(p), 0, 0, false});
  }
  void rows(const Parameter<float>* p, const std::string& name) {
    list_.push_back({name, {p->shape[0], p->shape[1]}, index_.at(p), 0, 0, false});
  }
  /// Columns [column, column+out) of block e of a parameter (..,in,width), as (out,in).
  void matrix(const Parameter<float>* p, const std::string& name, int e, int column, int out) {
    const int rank = p->shape.rank();
    const std::size_t in = std::size_t(p->shape[rank - 2]), width = std::size_t(p->shape[rank - 1]);
    list_.push_back({name,
                     {out, static_cast<std::int64_t>(in)},
                     index_.at(p),
                     std::size_t(e) * in * width + std::size_t(column),
                     width,
                     true});
  }
  void matrix(const Parameter<float>* p, const std::string& name) {
    if (p) matrix(p, name, 0, 0, p->shape[p->shape.rank() - 1]);
  }
  std::vector<StoredTensor> take() { return std::move(list_); }

 private:
  std::map<const Parameter<float>*, std::size_t> index_;
  std::vector<StoredTensor> list_;
};

void list_layer(Lister& list, const ModelConfig& c, const LayerParameters<float>& p, int l) {
  const std::string at = "model.layers." + std::to_string(l) + ".";
  const std::string attn = at + "self_attn.", mlp = at + "mlp.";
  const int H = c.moe_intermediate_size;
  list.vector(p.norm1, at + "input_layernorm.weight");
  list.matrix(p.q, attn + "q_proj.weight");
  list.matrix(p.k, attn + "k_proj.weight");
  list.matrix(p.v, attn + "v_proj.weight");
  list.matrix(p.o, attn + "o_proj.weight");
  list.vector(p.q_bias, attn + "q_proj.bias");
  list.vector(p.k_bias, attn + "k_proj.bias");
  list.vector(p.v_bias, attn + "v_proj.bias");
  list.vector(p.q_norm, attn + "q_norm.weight");
  list.vector(p.k_norm, attn + "k_norm.weight");
  list.vector(p.norm2, at + "post_attention_layernorm.weight");
  if (p.dense_gate_up) {
    const int I = c.intermediate_size;
    list.matrix(p.dense_gate_up, mlp + "gate_proj.weight", 0, 0, I);
    list.matrix(p.dense_gate_up, mlp + "up_proj.weight", 0, I, I);
    list.matrix(p.dense_down, mlp + "down_proj.weight");
    return;
  }
  list.matrix(p.router, mlp + "gate.weight");
  for (int e = 0; e < c.num_experts; ++e) {
    const std::string expert = mlp + "experts." + std::to_string(e) + ".";
    list.matrix(p.gate_up, expert + "gate_proj.weight", e, 0, H);
    list.matrix(p.gate_up, expert + "up_proj.weight", e, H, H);
    list.matrix(p.down, expert + "down_proj.weight", e, 0, c.hidden_size);
  }
  if (!p.shared_gate_up) return;
  const int shared = c.shared_expert_intermediate_size;
  list.matrix(p.shared_gate_up, mlp + "shared_expert.gate_proj.weight", 0, 0, shared);
  list.matrix(p.shared_gate_up, mlp + "shared_expert.up_proj.weight", 0, shared, shared);
  list.matrix(p.shared_down, mlp + "shared_expert.down_proj.weight");
  list.matrix(p.shared_gate, mlp + "shared_expert_gate.weight");
}

/// Calls visit(place in the parameter) for each element of the file's tensor, in the file's order.
template <class Visit>
void each_element(const StoredTensor& t, const Visit& visit) {
  const std::size_t out = std::size_t(t.shape[0]);
  const std::size_t in = t.shape.size() > 1 ? std::size_t(t.shape[1]) : 1;
  for (std::size_t o = 0; o < out; ++o)
    for (std::size_t i = 0; i < in; ++i)
      visit(t.transposed ? t.begin + i * t.stride + o : t.begin + o * in + i);
}

}  // namespace

std::vector<StoredTensor> stored_tensors(const Model<float>& model) {
  Lister list(model);
  const ModelConfig& c = model.config();
  list.rows(model.embedding(), "model.embed_tokens.weight");
  for (int l = 0; l < c.num_hidden_layers; ++l) list_layer(list, c, model.layer(l), l);
  list.vector(model.final_norm(), "model.norm.weight");
  list.matrix(model.lm_head(), "lm_head.weight");
  return list.take();
}

std::vector<TensorToWrite> tensors_to_write(const Model<float>& model, const std::string& prefix,
                                            const std::vector<const std::vector<float>*>& arrays) {
  std::vector<TensorToWrite> result;
  for (const StoredTensor& t : stored_tensors(model)) {
    const std::vector<float>* array = arrays[t.parameter];
    if (array->empty()) continue;
    result.push_back(
        {prefix + t.name, "F32", t.shape, nullptr, [t, array](const WriteBytes& write) {
           std::vector<float> buffer;
           each_element(t, [&](std::size_t at) { buffer.push_back((*array)[at]); });
           write(buffer.data(), buffer.size() * sizeof(float));
         }});
  }
  return result;
}

void read_tensors(const SafetensorsFile& file, const Model<float>& model, const std::string& prefix,
                  const std::vector<std::vector<float>*>& arrays) {
  std::vector<float> buffer;
  for (const StoredTensor& t : stored_tensors(model)) {
    std::vector<float>* array = arrays[t.parameter];
    if (array->empty()) continue;
    std::size_t count = 1, next = 0;
    for (const std::int64_t extent : t.shape) count *= std::size_t(extent);
    buffer.resize(count);
    file.read_f32(prefix + t.name, t.shape, buffer.data());
    each_element(t, [&](std::size_t at) { (*array)[at] = buffer[next++]; });
  }
}

void save_model(const Model<float>& model, const std::string& folder) {
  make_folder(folder);
  std::vector<const std::vector<float>*> values;
  for (const auto& p : model.parameters()) values.push_back(&p->value);
  write_json(folder + "/config.json", to_hugging_face(model.config()));
  write_safetensors(folder + "/model.safetensors", tensors_to_write(model, "", values),
                    {{"format", "pt"}});
}

std::unique_ptr<Model<float>> load_model(const std::string& folder) {
  const std::string config_path = folder + "/config.json", path = folder + "/model.safetensors";
  const ModelConfig config = from_hugging_face(read_json(config_path), config_path);
  auto model = std::make_unique<Model<float>>(config);
  const SafetensorsFile file(path);
  std::vector<std::vector<float>*> values;
  for (const auto& p : model->parameters()) values.push_back(&p->value);
  read_tensors(file, *model, "", values);
  std::set<std::string> wanted;
  for (const StoredTensor& t : stored_tensors(*model)) wanted.insert(t.name);
  for (const std::string& name : file.names())
    check(wanted.contains(name), path, ": the tensor ", name,
          " belongs to no part of the model in ", config_path,
          "; is it the config of another model?");
  return model;
}

}  // namespace ramoe
