#include "formats/weight_files.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "ch04_moe/tiny_model.h"
#include "formats/model_files.h"
#include "support/platform.h"
#include "support/read_tensor.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// A tiny model in three shards, by hand: tensors dealt one by one.
struct Sharded {
  ScratchFolder folder;
  Model<float> model{tiny_config("qwen2_moe", false), 4};
  Json index = {{"metadata", {{"total_size", 1}}}, {"weight_map", Json::object()}};
  std::vector<std::vector<TensorToWrite>> shards{3};

  Sharded() {
    stir(model, 3);
    std::size_t i = 0;
    for (TensorToWrite& tensor : tensors_to_write(model)) {
      index["weight_map"][tensor.name] = shard(i % 3);
      shards[i++ % 3].push_back(std::move(tensor));
    }
    write_json(folder.file("config.json"), to_hugging_face(model.config()));
    write();
  }
  static std::string shard(std::size_t i) {
    return cat("model-0000", i + 1, "-of-00003.safetensors");
  }
  void write() const {
    for (std::size_t i = 0; i < 3; ++i) write_safetensors(folder.file(shard(i)), shards[i]);
    write_json(folder.file("model.safetensors.index.json"), index);
  }
  std::string error() const {
    return error_of([&] { load_model(folder.path()); });
  }
};

TEST(WeightFiles, ShardsAreOneModel) {
  const Sharded s;
  const WeightFiles files(s.folder.path());
  EXPECT_EQ(files.files().size(), 3u);
  EXPECT_EQ(files.names().size(), s.index["weight_map"].size());
  EXPECT_TRUE(files.has("model.norm.weight"));
  expect_contains(error_of([&] { files.info("model.norm.wait"); }), "model.norm.weight");
  expect_same(*load_model(s.folder.path()), s.model);
}

TEST(WeightFiles, TheSingleFileIsReadFirst) {
  const Sharded s;
  const Model<float> other(s.model.config(), 99);
  save_model(other, s.folder.path());
  EXPECT_EQ(WeightFiles(s.folder.path()).files().size(), 1u);
  expect_same(*load_model(s.folder.path()), other);
}

TEST(WeightFiles, IndexAndShardsThatContradictEachOther) {
  const std::string norm = "model.norm.weight", lm_head = "lm_head.weight";
  {
    Sharded s;
    std::filesystem::remove(s.folder.file(Sharded::shard(1)));
    expect_contains(s.error(), Sharded::shard(1) + " is missing");
  }
  {
    Sharded s;  // the index names another shard
    const std::string right = s.index["weight_map"][norm];
    s.index["weight_map"][norm] =
        right == Sharded::shard(0) ? Sharded::shard(1) : Sharded::shard(0);
    s.write();
    expect_contains(s.error(), norm + " should lie in");
  }
  {
    Sharded s;  // a tensor that no shard has
    s.index["weight_map"]["model.extra.weight"] = Sharded::shard(0);
    s.write();
    expect_contains(s.error(), "model.extra.weight should lie in");
  }
  {
    Sharded s;  // a tensor that the index does not name
    s.index["weight_map"].erase(norm);
    s.write();
    expect_contains(s.error(), "lacks the tensor " + norm);
  }
  {
    Sharded s;  // one tensor twice
    s.shards[0].push_back(s.shards[1][0]);
    s.write();
    expect_contains(s.error(), s.shards[1][0].name + ": ");
    expect_contains(s.error(), "holds it too");
  }
  {
    Sharded s;  // missing in both
    s.index["weight_map"].erase(lm_head);
    for (auto& shard : s.shards)
      std::erase_if(shard, [&](const TensorToWrite& t) { return t.name == lm_head; });
    s.write();
    expect_contains(s.error(), "there is no tensor " + lm_head);
  }
}

TEST(WeightFiles, EveryKeyOfTheIndexBroken) {
  Sharded s;
  const std::string norm = "model.norm.weight";
  for (const Json& wrong : {Json("../model.safetensors"), Json("/etc/passwd"), Json("a.bin"),
                            Json(3), Json(nullptr), Json(Json::array()), Json("")}) {
    Sharded broken;
    broken.index["weight_map"][norm] = wrong;
    broken.write();
    const std::string error = broken.error();
    expect_contains(error, "index.json");
    expect_contains(error, norm);
  }
  for (const Json& map : {Json(nullptr), Json("x"), Json(Json::array({1})), Json(Json::object())}) {
    s.index["weight_map"] = map;
    s.write();
    expect_contains(s.error(), "weight_map");
  }
  for (const char* text : {"", "{", "[]", "7", "{\"metadata\": {}}"}) {
    write_file(s.folder.file("model.safetensors.index.json"), text);
    expect_contains(s.error(), "index.json");
  }
}

TEST(WeightFiles, FoldersWithoutWeights) {
  const ScratchFolder folder;
  write_json(folder.file("config.json"), to_hugging_face(tiny_config("olmoe", false)));
  expect_contains(error_of([&] { load_model(folder.path()); }), "neither model.safetensors nor");
  write_file(folder.file("pytorch_model.bin"), "PK");
  expect_contains(error_of([&] { load_model(folder.path()); }), "save_pretrained");
}

/// The first tensor of a saved model stored anew as `dtype` with the given bytes.
std::string error_with_stored(const std::string& dtype, std::size_t element, float value) {
  const ScratchFolder folder;
  const Model<float> model(tiny_config("olmoe", false), 1);
  save_model(model, folder.path());
  std::vector<TensorToWrite> tensors = tensors_to_write(model);
  std::vector<char> bytes(11 * 8 * element);
  if (dtype == "F32") std::memcpy(bytes.data() + 7 * 4, &value, 4);
  tensors[0] = {tensors[0].name, dtype, tensors[0].shape, bytes.data()};
  write_safetensors(folder.file("model.safetensors"), tensors);
  return error_of([&] { load_model(folder.path()); });
}

TEST(WeightFiles, DtypesAndValuesThatAreNoWeights) {
  EXPECT_EQ(error_with_stored("F32", 4, 1), "no error");
  EXPECT_EQ(error_with_stored("F16", 2, 0), "no error");
  for (const auto& [dtype, element] : {std::pair{"I8", 1}, {"U8", 1}, {"I32", 4}, {"F64", 8}}) {
    const std::string error = error_with_stored(dtype, std::size_t(element), 0);
    expect_contains(error, "model.embed_tokens.weight");
    expect_contains(error, std::string("its dtype is ") + dtype);
  }
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    const std::string error = error_with_stored("F32", 4, bad);
    expect_contains(error, "model.embed_tokens.weight");
    expect_contains(error, "not finite");
  }
}

TEST(WeightFiles, OldFilesMayHoldWhatIsComputed) {
  const ScratchFolder folder;
  const Model<float> model(tiny_config("olmoe", false), 1);
  save_model(model, folder.path());
  std::vector<TensorToWrite> tensors = tensors_to_write(model);
  const float frequencies[] = {1, 0.01f};
  tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {2}, frequencies});
  write_safetensors(folder.file("model.safetensors"), tensors);
  expect_same(*load_model(folder.path()), model);
}

// Sizes around the squares and bands of the reader: each element lands where the definition says.
TEST(WeightFiles, TurnedElementByElement) {
  ModelConfig config = tiny_config("qwen3_moe", false);
  config.vocab_size = 70;
  config.hidden_size = 66;
  config.head_dim = 32;
  config.moe_intermediate_size = 33;
  const ScratchFolder folder;
  const Model<float> model(config, 8);
  save_model(model, folder.path());
  const std::unique_ptr<Model<float>> read = load_model(folder.path());
  expect_same(*read, model);
  const WeightFiles files(folder.path());
  for (const StoredTensor& t : stored_tensors(model.config())) {
    std::vector<float> stored(t.out() * t.in());
    read_f32(files.file_of(t.name), t.name, t.shape, stored.data());
    const std::vector<float>& value = model.parameters()[t.parameter]->value;
    for (std::size_t o = 0; o < t.out(); ++o)
      for (std::size_t i = 0; i < t.in(); ++i)
        ASSERT_EQ(stored[o * t.in() + i], value[t.place(o, i)]) << t.name << " " << o << " " << i;
  }
}

TEST(WeightFiles, LoadingTakesTheWeightsOnce) {
#ifdef RAMOE_ADDRESS_SANITIZER
  GTEST_SKIP() << "the sanitizer keeps memory of its own";
#endif
  ModelConfig config = tiny_config("olmoe", false);
  config.vocab_size = 8000;
  config.hidden_size = 512;
  config.num_experts = 16;
  config.moe_intermediate_size = 512;
  const ScratchFolder folder;
  save_model(Model<float>(config), folder.path());
  forget_peak_memory();
  const double before = memory_in_use();
  if (before == 0 || peak_memory() == 0 || peak_memory() > before + (1 << 20))
    GTEST_SKIP() << "this system does not tell the peak of memory";
  const std::unique_ptr<Model<float>> model = load_model(folder.path());
  const double weights = 4.0 * double(count_parameters(config).total);
  EXPECT_GT(weights, 100e3 * 1024);
  // Beside the weights: one band of the mapped file for each thread, and the smaller tensors.
  EXPECT_LT(peak_memory() - before, 1.02 * weights + 12e3 * 1024);
}

}  // namespace
}  // namespace ramoe
