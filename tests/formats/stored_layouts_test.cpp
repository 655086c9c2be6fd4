// Model files that others wrote: fused experts, no "model." in front, an output layer beside a tied
// embedding; and files in half precision of our own.
#include <gtest/gtest.h>

#include <cmath>
#include <list>

#include "ch04_moe/tiny_model.h"
#include "formats/model_files.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// How a file deviates from the form that we write.
struct Layout {
  bool turned = false;  // (in,out)
  std::string end = "";
  bool bare = false;  // no "model." in front
};

/// The tensors of a model with fused experts; `kept` holds what is laid out anew.
std::vector<TensorToWrite> fused_tensors(const Model<float>& model, const Layout& layout,
                                         std::list<std::vector<float>>& kept) {
  std::vector<TensorToWrite> tensors = tensors_to_write(model);
  std::erase_if(tensors, [](const TensorToWrite& t) { return mentions(t.name, ".mlp.experts."); });
  const ModelConfig& c = model.config();
  const auto add = [&](const std::string& name, const Parameter<float>& p) {
    const std::int64_t in = p.shape[1], out = p.shape[2];
    std::vector<float> values = p.value;  // (E,in,out)
    for (std::int64_t e = 0; !layout.turned && e < p.shape[0]; ++e)
      for (std::int64_t i = 0; i < in; ++i)
        for (std::int64_t o = 0; o < out; ++o)
          values[std::size_t((e * out + o) * in + i)] =
              p.value[std::size_t((e * in + i) * out + o)];
    kept.push_back(std::move(values));
    const TensorShape shape =
        layout.turned ? TensorShape{p.shape[0], in, out} : TensorShape{p.shape[0], out, in};
    tensors.push_back({name + layout.end, "F32", shape, kept.back().data()});
  };
  for (const int l : c.moe_layers()) {
    const std::string base = cat("model.layers.", l, ".mlp.experts.");
    add(base + "gate_up_proj", *model.layer(l).gate_up);
    add(base + "down_proj", *model.layer(l).down);
  }
  if (layout.bare)
    for (TensorToWrite& t : tensors)
      if (t.name.starts_with("model.")) t.name = t.name.substr(6);
  return tensors;
}

/// Sizes at which a layout might be mistaken for the other.
std::vector<ModelConfig> awkward_configs() {
  std::vector<ModelConfig> configs;
  for (const char* family : kFamilyNames)
    for (const int H : {4, 5, 8}) {  // 2H = C, neither, H = C
      configs.push_back(tiny_config(family, H == 4));
      configs.back().moe_intermediate_size = H;
    }
  configs.push_back(with_dense_layers("qwen3_moe"));
  configs.push_back(with_dense_layers("qwen2_moe"));
  return configs;
}

TEST(StoredLayouts, FusedExperts) {
  for (const ModelConfig& config : awkward_configs()) {
    Model<float> model(config, 3);
    stir(model, 5);
    for (const Layout& layout : {Layout{}, Layout{.turned = true}, Layout{.end = ".weight"},
                                 Layout{.turned = true, .end = ".weight", .bare = true}}) {
      const ScratchFolder folder;
      save_model(model, folder.path());
      std::list<std::vector<float>> kept;
      write_safetensors(folder.file("model.safetensors"), fused_tensors(model, layout, kept));
      const std::unique_ptr<Model<float>> read = load_model(folder.path());
      expect_same(*read, model);
      // Written again it has the usual form.
      save_model(*read, folder.path());
      EXPECT_TRUE(
          WeightFiles(folder.path())
              .has(cat("model.layers.", config.moe_layers()[0], ".mlp.experts.0.up_proj.weight")));
    }
  }
}

TEST(StoredLayouts, ABareModelHasNoPrefix) {
  const ScratchFolder folder;
  Model<float> model(tiny_config("qwen3_moe", true), 3);
  save_model(model, folder.path());
  std::vector<TensorToWrite> tensors = tensors_to_write(model);
  for (TensorToWrite& t : tensors) t.name = t.name.substr(6);
  write_safetensors(folder.file("model.safetensors"), tensors);
  expect_same(*load_model(folder.path()), model);
}

TEST(StoredLayouts, FusedExpertsThatDoNotFit) {
  const Model<float> model(tiny_config("qwen3_moe", false), 3);
  const auto error = [&](const auto& change) {
    const ScratchFolder folder;
    save_model(model, folder.path());
    std::list<std::vector<float>> kept;
    std::vector<TensorToWrite> tensors = fused_tensors(model, {}, kept);
    change(tensors);
    write_safetensors(folder.file("model.safetensors"), tensors);
    return error_of([&] { load_model(folder.path()); });
  };
  const std::string gate_up = "model.layers.0.mlp.experts.gate_up_proj";
  const auto find = [](std::vector<TensorToWrite>& tensors, const std::string& name) {
    return std::find_if(tensors.begin(), tensors.end(),
                        [&](const TensorToWrite& t) { return t.name == name; });
  };
  const std::string shape = error([&](auto& tensors) {
    find(tensors, gate_up)->shape = {4, 20, 4};
  });
  expect_contains(shape, gate_up);
  for (const char* part : {"(4,20,4)", "(4,10,8)", "(4,8,5)", "(4,8,10)", "(4,5,8)"})
    expect_contains(shape, part);
  // One of the two turned and the other not is neither form.
  expect_contains(error([&](auto& tensors) {
                    find(tensors, gate_up)->shape = {4, 8, 10};
                  }),
                  gate_up);
  const std::string missing = error([&](auto& tensors) { tensors.erase(find(tensors, gate_up)); });
  expect_contains(missing, "there is no tensor " + gate_up);
  const std::vector<float> one(40);
  const std::string both = error([&](auto& tensors) {
    tensors.push_back({"model.layers.0.mlp.experts.0.up_proj.weight", "F32", {5, 8}, one.data()});
  });
  expect_contains(both, "model.layers.0.mlp.experts.0.up_proj.weight");
}

// transformers 5 computes with the file's output layer if it differs, transformers 4 with the
// embedding.
TEST(StoredLayouts, TiedWithAnOutputLayerInTheFile) {
  for (const bool equal : {true, false}) {
    const ScratchFolder folder;
    Model<float> model(tiny_config("olmoe", true), 3);
    save_model(model, folder.path());
    std::vector<float> head = model.embedding()->value;
    if (!equal) head[17] += 1e-6f;
    std::vector<TensorToWrite> tensors = tensors_to_write(model);
    tensors.push_back({"lm_head.weight", "F32", {11, 8}, head.data()});
    write_safetensors(folder.file("model.safetensors"), tensors);
    const std::string error = error_of([&] { load_model(folder.path()); });
    const auto load_as_bf16 = [&] {
      load_model(folder.path(), model.config(), Precision::bf16);
    };
    EXPECT_EQ(error_of(load_as_bf16), "no error") << "1e-6 is lost";
    if (equal) {
      EXPECT_EQ(error, "no error");
      expect_same(*load_model(folder.path()), model);
      continue;
    }
    for (const char* part : {"lm_head.weight", "tie_word_embeddings", "config.json", "false"})
      expect_contains(error, part);
    head[17] += 0.5f;
    write_safetensors(folder.file("model.safetensors"), tensors);
    expect_contains(error_of(load_as_bf16), "lm_head.weight differs from the embedding");
    tensors.back().shape = {8, 11};
    write_safetensors(folder.file("model.safetensors"), tensors);
    expect_contains(error_of([&] { load_model(folder.path()); }), "(8,11)");
  }
}

TEST(StoredLayouts, NotTiedWithoutAnOutputLayer) {
  const ScratchFolder folder;
  save_model(Model<float>(tiny_config("olmoe", true), 3), folder.path());
  write_json(folder.file("config.json"), to_hugging_face(tiny_config("olmoe", false)));
  const std::string error = error_of([&] { load_model(folder.path()); });
  expect_contains(error, "lm_head.weight");
  expect_contains(error, "tie_word_embeddings = true");
}

// Every half goes to fp32 and back; what lies between two goes to the nearer, half way to the even.
TEST(HalfPrecision, NearestAndEven) {
  for (int i = 0; i < 0x7c00; ++i) {
    const auto half = static_cast<std::uint16_t>(i);
    const float here = f32_from_f16(half);
    ASSERT_EQ(f16_from_f32(here), half);
    ASSERT_EQ(f16_from_f32(-here), half | 0x8000);
    if (i == 0x7bff) break;
    const float next = f32_from_f16(static_cast<std::uint16_t>(i + 1)), middle = (here + next) / 2;
    ASSERT_EQ(f16_from_f32(middle), i % 2 ? i + 1 : i);
    ASSERT_EQ(f16_from_f32(std::nextafter(middle, 0.0f)), i);
    ASSERT_EQ(f16_from_f32(std::nextafter(middle, 1e9f)), i + 1);
  }
  EXPECT_EQ(f16_from_f32(65519.0f), 0x7bff);
  EXPECT_EQ(f16_from_f32(65520.0f), 0x7c00);
  for (int i = 0; i < 0x7f7f; ++i) {
    const auto half = static_cast<std::uint16_t>(i);
    const float here = f32_from_bf16(half), next = f32_from_bf16(static_cast<std::uint16_t>(i + 1));
    ASSERT_EQ(bf16_from_f32(here), half);
    const float middle = here + (next - here) / 2;
    ASSERT_EQ(bf16_from_f32(middle), i % 2 ? i + 1 : i);
    ASSERT_EQ(bf16_from_f32(std::nextafter(middle, 0.0f)), i);
  }
  EXPECT_EQ(bf16_from_f32(INFINITY), 0x7f80);
  EXPECT_TRUE(std::isnan(f32_from_bf16(bf16_from_f32(std::nanf("")))));
  EXPECT_TRUE(std::isnan(f32_from_f16(f16_from_f32(std::nanf("")))));
}

TEST(SavedForm, DtypesAsAskedForAndAsLoaded) {
  const ScratchFolder half, again;
  Model<float> model(tiny_config("qwen2_moe", false), 3);
  stir(model, 5);
  SavedForm form{{}, saved_dtypes(SaveDtype::bf16, "", model.config())};
  form.dtypes["model.norm.weight"] = "F32";
  form.dtypes["lm_head.weight"] = "F16";
  round_values(model, form);
  save_model(model, half.path(), form);
  expect_same(*load_model(half.path()), model);  // what was used is what is read
  EXPECT_EQ(WeightFiles(half.path()).info("model.layers.0.mlp.gate.weight").dtype, "BF16");
  EXPECT_TRUE(saved_dtypes(SaveDtype::fp32, half.path(), model.config()).empty());
  const auto loaded = saved_dtypes(SaveDtype::as_loaded, half.path(), model.config());
  EXPECT_EQ(loaded, form.dtypes);
  save_model(model, again.path(), {{}, loaded});
  EXPECT_EQ(read_file(half.file("model.safetensors")), read_file(again.file("model.safetensors")));
}

TEST(SavedForm, WhatAHalfCannotHold) {
  Model<float> model(tiny_config("olmoe", false), 3);
  model.final_norm()->value[2] = 7e4f;
  const std::string error = error_of([&] {
    round_values(model, {{}, {{"model.norm.weight", "F16"}}});
  });
  expect_contains(error, "model.norm.weight");
  expect_contains(error, "--save_dtype=fp32");
  EXPECT_EQ(error_of([&] {
              round_values(model, {{}, {{"model.norm.weight", "BF16"}}});
            }),
            "no error");
}

}  // namespace
}  // namespace ramoe
