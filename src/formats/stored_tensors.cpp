// Formats - every parameter of a model as tensors of a file. Declared in model_files.h.
#include "formats/model_files.h"

namespace ramoe {
namespace {

/// A parameter of the list; number -1 means none.
struct Listed {
  int number = -1;
  Shape shape;
};

/// Collects the stored tensors of one model, parameter by parameter.
class Lister {
 public:
  void vector(const Listed& p, const std::string& name) {
    if (p.number >= 0) list_.push_back({name, {p.shape[0]}, std::size_t(p.number), 0, 0, false});
  }
  void rows(const Listed& p, const std::string& name) {
    list_.push_back({name, {p.shape[0], p.shape[1]}, std::size_t(p.number), 0, 0, false});
  }
  /// Columns [column, column+out) of block e of a parameter (..,in,width), as (out,in).
  void matrix(const Listed& p, const std::string& name, int e, int column, int out) {
    const int rank = p.shape.rank();
    const std::size_t in = std::size_t(p.shape[rank - 2]), width = std::size_t(p.shape[rank - 1]);
    list_.push_back({name,
                     {out, static_cast<std::int64_t>(in)},
                     std::size_t(p.number),
                     std::size_t(e) * in * width + std::size_t(column),
                     width,
                     true});
  }
  void matrix(const Listed& p, const std::string& name) {
    if (p.number >= 0) matrix(p, name, 0, 0, p.shape[p.shape.rank() - 1]);
  }
  std::vector<StoredTensor> take() { return std::move(list_); }

 private:
  std::vector<StoredTensor> list_;
};

void store_layer(Lister& list, const ModelConfig& c, const LayerOf<Listed>& p, int l) {
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
  if (p.dense_gate_up.number >= 0) {
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
  if (p.shared_gate_up.number < 0) return;
  const int shared = c.shared_expert_intermediate_size;
  list.matrix(p.shared_gate_up, mlp + "shared_expert.gate_proj.weight", 0, 0, shared);
  list.matrix(p.shared_gate_up, mlp + "shared_expert.up_proj.weight", 0, shared, shared);
  list.matrix(p.shared_down, mlp + "shared_expert.down_proj.weight");
  list.matrix(p.shared_gate, mlp + "shared_expert_gate.weight");
}

}  // namespace

std::vector<StoredTensor> stored_tensors(const ModelConfig& config) {
  ModelConfig c = config;
  c.resolve_widths();
  int number = 0;
  const auto model =
      list_parameters<Listed>(c, [&](const std::string&, const Shape& shape, double) {
        return Listed{number++, shape};
      });
  Lister list;
  list.rows(model.embedding, "model.embed_tokens.weight");
  for (int l = 0; l < c.num_hidden_layers; ++l)
    store_layer(list, c, model.layers[std::size_t(l)], l);
  list.vector(model.final_norm, "model.norm.weight");
  list.matrix(model.lm_head, "lm_head.weight");
  return list.take();
}

}  // namespace ramoe
