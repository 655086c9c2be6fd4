#include "formats/model_files.h"

#include <gtest/gtest.h>

#include <cstring>

#include "ch04_moe/tiny_model.h"
#include "support/read_tensor.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// "name (shape)" of each tensor, in order.
std::vector<std::string> listing(const ModelConfig& config) {
  std::vector<std::string> lines;
  for (const StoredTensor& t : stored_tensors(config))
    lines.push_back(t.name + " " + shape_text(t.shape));
  return lines;
}

/// One layer, two experts; C=8, V=11, H=5.
ModelConfig one_layer(const std::string& family, bool tied) {
  ModelConfig config = tiny_config(family, tied);
  config.num_hidden_layers = 1;
  config.num_experts = 2;
  if (family == "qwen3_moe") config.head_dim = 6;  // so that NH*HS is not C
  if (family == "qwen2_moe") config.shared_expert_intermediate_size = 7;
  return config;
}

TEST(ModelFiles, NamesAndShapesOfOlmoe) {
  const std::string l = "model.layers.0.", e = l + "mlp.experts.";
  const std::vector<std::string> wanted = {"model.embed_tokens.weight (11,8)",
                                           l + "input_layernorm.weight (8)",
                                           l + "self_attn.q_proj.weight (8,8)",
                                           l + "self_attn.k_proj.weight (8,8)",
                                           l + "self_attn.v_proj.weight (8,8)",
                                           l + "self_attn.o_proj.weight (8,8)",
                                           l + "self_attn.q_norm.weight (8)",
                                           l + "self_attn.k_norm.weight (8)",
                                           l + "post_attention_layernorm.weight (8)",
                                           l + "mlp.gate.weight (2,8)",
                                           e + "0.gate_proj.weight (5,8)",
                                           e + "0.up_proj.weight (5,8)",
                                           e + "0.down_proj.weight (8,5)",
                                           e + "1.gate_proj.weight (5,8)",
                                           e + "1.up_proj.weight (5,8)",
                                           e + "1.down_proj.weight (8,5)",
                                           "model.norm.weight (8)",
                                           "lm_head.weight (11,8)"};
  EXPECT_EQ(listing(one_layer("olmoe", false)), wanted);
  EXPECT_EQ(listing(one_layer("olmoe", true)),
            std::vector<std::string>(wanted.begin(), wanted.end() - 1));
}

TEST(ModelFiles, NamesAndShapesOfTheQwens) {
  const std::string l = "model.layers.0.";
  const std::vector<std::string> qwen3 = listing(one_layer("qwen3_moe", false));
  const std::vector<std::string> attention3 = {
      l + "self_attn.q_proj.weight (12,8)", l + "self_attn.k_proj.weight (6,8)",
      l + "self_attn.v_proj.weight (6,8)",  l + "self_attn.o_proj.weight (8,12)",
      l + "self_attn.q_norm.weight (6)",    l + "self_attn.k_norm.weight (6)"};
  EXPECT_EQ(std::vector<std::string>(qwen3.begin() + 2, qwen3.begin() + 8), attention3);
  EXPECT_EQ(qwen3.size(), 18u);

  const std::vector<std::string> qwen2 = listing(one_layer("qwen2_moe", false));
  const std::vector<std::string> attention2 = {
      l + "self_attn.q_proj.weight (8,8)", l + "self_attn.k_proj.weight (4,8)",
      l + "self_attn.v_proj.weight (4,8)", l + "self_attn.o_proj.weight (8,8)",
      l + "self_attn.q_proj.bias (8)",     l + "self_attn.k_proj.bias (4)",
      l + "self_attn.v_proj.bias (4)"};
  EXPECT_EQ(std::vector<std::string>(qwen2.begin() + 2, qwen2.begin() + 9), attention2);
  const std::vector<std::string> shared = {
      l + "mlp.shared_expert.gate_proj.weight (7,8)", l + "mlp.shared_expert.up_proj.weight (7,8)",
      l + "mlp.shared_expert.down_proj.weight (8,7)", l + "mlp.shared_expert_gate.weight (1,8)"};
  EXPECT_EQ(std::vector<std::string>(qwen2.end() - 6, qwen2.end() - 2), shared);
}

std::vector<float> read_back(const SafetensorsFile& file, const std::string& name) {
  const TensorShape shape = file.info(name).shape;
  std::size_t count = 1;
  for (const std::int64_t extent : shape) count *= std::size_t(extent);
  std::vector<float> values(count);
  read_f32(file, name, shape, values.data());
  return values;
}

TEST(ModelFiles, WhereEachElementGoes) {
  const ScratchFolder folder;
  Model<float> model(one_layer("olmoe", false), 1);
  const int C = 8, H = 5, V = 11;
  const LayerParameters<float>& p = model.layer(0);
  for (int e = 0; e < 2; ++e)
    for (int c = 0; c < C; ++c)
      for (int j = 0; j < 2 * H; ++j) {
        const int value = 1000 * e + 100 * c + j;
        p.gate_up->value[std::size_t((e * C + c) * 2 * H + j)] = float(value);
        if (j < H) p.down->value[std::size_t((e * H + j) * C + c)] = float(-value);
      }
  for (int c = 0; c < C; ++c)
    for (int v = 0; v < V; ++v) model.lm_head()->value[std::size_t(c * V + v)] = float(100 * c + v);
  for (std::size_t i = 0; i < model.embedding()->value.size(); ++i)
    model.embedding()->value[i] = float(i);
  save_model(model, folder.path());

  const SafetensorsFile file(folder.file("model.safetensors"));
  const std::string expert = "model.layers.0.mlp.experts.1.";
  const auto gate = read_back(file, expert + "gate_proj.weight");  // (H,C)
  const auto up = read_back(file, expert + "up_proj.weight");      // (H,C)
  const auto down = read_back(file, expert + "down_proj.weight");  // (C,H)
  const auto head = read_back(file, "lm_head.weight");             // (V,C)
  const auto embedding = read_back(file, "model.embed_tokens.weight");
  EXPECT_EQ(gate[2 * 8 + 3], 1302);   // output 2, input 3
  EXPECT_EQ(up[2 * 8 + 3], 1307);     // column H + 2
  EXPECT_EQ(down[3 * 5 + 2], -1302);  // output 3, input 2
  EXPECT_EQ(head[10 * 8 + 7], 710);
  EXPECT_EQ(embedding[9 * 8 + 3], 75);
}

TEST(ModelFiles, RoundTripKeepsEveryBit) {
  for (const char* family : kFamilyNames)
    for (const bool tied : {false, true}) {
      const ScratchFolder folder;
      Model<float> model(tiny_config(family, tied), 5);
      stir(model, 9);
      for (const auto& p : model.parameters()) {  // values that text or arithmetic would lose
        p->value[0] = -0.0f;
        p->value[1] = 1e-42f;
        p->value[2] = 3.4e38f;
        p->value.back() = 0x1.fffffep-3f;
      }
      save_model(model, folder.path());
      const std::unique_ptr<Model<float>> read = load_model(folder.path());
      ASSERT_EQ(read->parameters().size(), model.parameters().size()) << family;
      EXPECT_EQ(to_hugging_face(read->config()), to_hugging_face(model.config()));
      EXPECT_EQ(read->lm_head() == nullptr, tied);
      for (std::size_t i = 0; i < model.parameters().size(); ++i) {
        const Parameter<float>&a = *model.parameters()[i], &b = *read->parameters()[i];
        ASSERT_EQ(a.shape, b.shape) << a.name;
        EXPECT_EQ(std::memcmp(a.value.data(), b.value.data(), a.value.size() * sizeof(float)), 0)
            << family << " " << a.name;
      }
    }
}

/// A saved tiny model whose config.json is changed by `change`: what loading says.
template <class Change>
std::string error_with_config(const std::string& family, const Change& change) {
  const ScratchFolder folder;
  ModelConfig config = tiny_config(family, false);
  save_model(Model<float>(config, 1), folder.path());
  change(config);
  write_json(folder.file("config.json"), to_hugging_face(config));
  return error_of([&] { load_model(folder.path()); });
}

TEST(ModelFiles, TheConfigOfAnotherModelIsAnError) {
  EXPECT_EQ(error_with_config("olmoe", [](ModelConfig&) {}), "no error");

  std::string error =
      error_with_config("olmoe", [](ModelConfig& c) { c.moe_intermediate_size = 6; });
  expect_contains(error, "model.layers.0.mlp.experts.0.gate_proj.weight");
  expect_contains(error, "(5,8)");
  expect_contains(error, "(6,8)");
  expect_contains(error, "model.safetensors");

  error = error_with_config("olmoe", [](ModelConfig& c) { c.vocab_size = 12; });
  expect_contains(error, "model.embed_tokens.weight");
  expect_contains(error, "(11,8)");
  expect_contains(error, "(12,8)");

  error = error_with_config("olmoe", [](ModelConfig& c) { c.num_hidden_layers = 1; });
  expect_contains(error, "model.layers.1.");
  expect_contains(error, "config.json");
  error = error_with_config("olmoe", [](ModelConfig& c) { c.num_hidden_layers = 3; });
  expect_contains(error, "model.layers.2.input_layernorm.weight");

  error = error_with_config("olmoe", [](ModelConfig& c) { c.tie_word_embeddings = true; });
  expect_contains(error, "lm_head.weight");
  error = error_with_config("qwen3_moe", [](ModelConfig& c) {
    c.model_type = Family::qwen2_moe;
    c.set_family_defaults();
  });
  expect_contains(error, "model.layers.0.self_attn.q_proj.bias");
  error = error_with_config("qwen3_moe", [](ModelConfig& c) { c.num_experts = 3; });
  expect_contains(error, "mlp.gate.weight");
}

/// Saves a tiny model again after `change` of its list of tensors: what loading says.
template <class Change>
std::string error_with_tensors(const Change& change) {
  const ScratchFolder folder;
  const Model<float> model(tiny_config("olmoe", false), 1);
  save_model(model, folder.path());
  std::vector<TensorToWrite> tensors = tensors_to_write(model);
  change(tensors);
  write_safetensors(folder.file("model.safetensors"), tensors);
  return error_of([&] { load_model(folder.path()); });
}

TEST(ModelFiles, MissingAndExtraTensorsAreNamed) {
  EXPECT_EQ(error_with_tensors([](std::vector<TensorToWrite>&) {}), "no error");
  const std::string missing = error_with_tensors([](std::vector<TensorToWrite>& tensors) {
    std::erase_if(tensors, [](const TensorToWrite& t) { return t.name == "model.norm.weight"; });
  });
  expect_contains(missing, "there is no tensor model.norm.weight");
  const float one = 1;
  const std::string extra = error_with_tensors([&](std::vector<TensorToWrite>& tensors) {
    tensors.push_back({"model.layers.0.self_attn.q_proj.bias", "F32", {1}, &one});
  });
  expect_contains(extra, "model.layers.0.self_attn.q_proj.bias");
}

TEST(ModelFiles, DamagedFoldersAreErrors) {
  const ScratchFolder folder;
  save_model(Model<float>(tiny_config("olmoe", false), 1), folder.path());
  const std::string path = folder.file("model.safetensors"), whole = read_file(path);
  for (const std::size_t size :
       {std::size_t(0), std::size_t(7), std::size_t(100), whole.size() / 2, whole.size() - 1}) {
    write_file(path, whole.substr(0, size));
    expect_contains(error_of([&] { load_model(folder.path()); }), path);
  }
  write_file(path, whole);
  EXPECT_EQ(error_of([&] { load_model(folder.path()); }), "no error");
  write_file(folder.file("config.json"), "{\"model_type\": \"olmoe\",");
  expect_contains(error_of([&] { load_model(folder.path()); }), "config.json");
  expect_contains(error_of([&] { load_model(folder.file("nothing")); }), "nothing");
}

}  // namespace
}  // namespace ramoe
