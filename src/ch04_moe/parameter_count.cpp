#include "ch04_moe/model.h"

namespace ramoe {

ParameterCount count_parameters(const ModelConfig& config) {
  ModelConfig c = config;
  c.resolve_widths();
  std::size_t total = 0, idle = 0;  // idle: in experts that a token does not visit
  const auto all =
      list_parameters<std::size_t>(c, [&](const std::string&, const Shape& shape, double) {
        total += shape.count();
        return shape.count();
      });
  for (const LayerOf<std::size_t>& layer : all.layers)
    idle += (layer.gate_up + layer.down) / std::size_t(c.num_experts) *
            std::size_t(c.num_experts - c.num_experts_per_tok);
  return {total, total - idle};
}

}  // namespace ramoe
