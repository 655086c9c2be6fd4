// The same tensors under other names and in other layouts
//
//   file                                       what it is
//   embed_tokens.weight, layers.0....          no prefix "model.": a model without its head
//   ...mlp.experts.gate_up_proj (E,2H,C)       all experts of a layer in two tensors, (out,in), as
//   ...mlp.experts.down_proj    (E,C,H)        in transformers 5
//   ...mlp.experts.gate_up_proj (E,C,2H)       the same transposed, (in,out), as other programs
//   ...mlp.experts.down_proj    (E,H,C)        write it: the layout of our parameters
//
// Both layouts would fit only if 2H = C and C = H, so the two shapes determine the layout.
// Tests: tests/formats/stored_layouts_test.cpp
#include <string_view>

#include "formats/model_files.h"
#include "support/error.h"

namespace ramoe {
namespace {

constexpr std::string_view kPrefix = "model.", kExperts = ".mlp.experts.";
constexpr std::string_view kGate = "gate_proj.weight", kUp = "up_proj.weight";

/// The two fused tensors of a layer.
struct Fused {
  std::string gate_up, down;
  std::int64_t E, H, C;
  bool turned;  // (in,out)

  /// The part of the fused tensor that is gate_proj, up_proj or down_proj of expert e.
  StoredTensor part(const StoredTensor& t, std::int64_t e, const std::string& matrix) const {
    StoredTensor part = t;
    const bool down_proj = matrix != kGate && matrix != kUp;
    part.name = down_proj ? down : gate_up;
    part.whole = down_proj ? TensorShape{E, C, H} : TensorShape{E, 2 * H, C};
    const std::int64_t row = matrix == kUp ? H : 0, rows = part.whole[1], width = part.whole[2];
    part.file_begin = static_cast<std::size_t>((e * rows + row) * width);
    return part;
  }
  /// The whole fused tensor if it is (in,out): its rows are those of the parameter.
  StoredTensor all(const StoredTensor& t, bool down_proj) const {
    const TensorShape shape = down_proj ? TensorShape{E, H, C} : TensorShape{E, C, 2 * H};
    return {down_proj ? down : gate_up,
            {shape[0] * shape[1], shape[2]},
            t.parameter,
            0,
            0,
            false,
            shape,
            0};
  }
};

/// "....mlp.experts." + "gate_up_proj", with or without ".weight" at the end; empty: not there.
std::string fused_name(const WeightFiles& files, const std::string& name) {
  for (const char* end : {"", ".weight"})
    if (files.has(name + end)) return name + end;
  return "";
}

Fused find_layout(const WeightFiles& files, const std::string& base, const ModelConfig& c) {
  Fused fused{fused_name(files, base + "gate_up_proj"),
              fused_name(files, base + "down_proj"),
              c.num_experts,
              c.moe_intermediate_size,
              c.hidden_size,
              false};
  const auto [gate_up, down, E, H, C, unused] = fused;
  for (const auto& [name, found] :
       {std::pair{"gate_up_proj", &fused.gate_up}, {"down_proj", &fused.down}})
    check(!found->empty(), files.path(), ": there is no tensor ", base, name,
          ", but the other of the two that hold the layer's experts.");
  const TensorShape& g = files.info(gate_up).shape;
  const TensorShape& d = files.info(down).shape;
  fused.turned = g == TensorShape{E, C, 2 * H} && d == TensorShape{E, H, C};
  check(fused.turned || (g == TensorShape{E, 2 * H, C} && d == TensorShape{E, C, H}),
        files.file_of(gate_up).path(), ": ", gate_up, " has the shape ", shape_text(g), " and ",
        down, " ", shape_text(d), ", but by config.json (E,2H,C) = ", shape_text({E, 2 * H, C}),
        " and (E,C,H) = ", shape_text({E, C, H}),
        " were expected, or both turned: ", shape_text({E, C, 2 * H}), " and ",
        shape_text({E, H, C}), ".");
  return fused;
}

}  // namespace

std::vector<StoredTensor> stored_tensors_in(const WeightFiles& files, const ModelConfig& config) {
  std::vector<StoredTensor> result;
  const bool bare = !files.has("model.embed_tokens.weight") && files.has("embed_tokens.weight");
  std::string fused_base;  // of the current layer, if its experts are fused
  Fused fused{};
  for (StoredTensor& t : stored_tensors(config)) {
    if (bare && t.name.starts_with(kPrefix)) t.name = t.name.substr(kPrefix.size());
    const std::size_t at = t.name.find(kExperts);
    if (at == std::string::npos) {
      result.push_back(std::move(t));
      continue;
    }
    const std::string base = t.name.substr(0, at + kExperts.size());
    const std::size_t dot = t.name.find('.', base.size());
    const std::string expert = t.name.substr(base.size(), dot - base.size());
    const std::string matrix = t.name.substr(dot + 1);
    if (base != fused_base && fused_name(files, base + "gate_up_proj").empty() &&
        fused_name(files, base + "down_proj").empty()) {
      result.push_back(std::move(t));
      continue;
    }
    if (base != fused_base) fused = find_layout(files, base, config);
    fused_base = base;
    if (!fused.turned)
      result.push_back(fused.part(t, std::stoi(expert), matrix));
    else if (expert == "0" && matrix != kUp)  // gate_proj stands for both
      result.push_back(fused.all(t, matrix != kGate));
  }
  return result;
}

}  // namespace ramoe
