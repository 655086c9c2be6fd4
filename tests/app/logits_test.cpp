// ramoe logits, inspect and memory on the golden folders of chapter 5.
#include <gtest/gtest.h>

#include <filesystem>

#include "app/cli.h"
#include "formats/model_files.h"
#include "support/compare.h"
#include "support/json.h"
#include "support/read_tensor.h"
#include "support/scratch.h"

namespace ramoe {
namespace {

const std::string kGolden = RAMOE_SOURCE_DIR "/tests/formats/golden/";

std::vector<float> values_of(const SafetensorsFile& file, const std::string& name) {
  const TensorInfo& info = file.info(name);
  std::vector<float> values(info.bytes / 4);
  read_f32(file, name, info.shape, values.data());
  return values;
}

/// Compares the rows (width) of real tokens; `shift[b]` is where they begin in `got`. What is
/// padding in `got` is 0.
void expect_rows(const std::vector<float>& got, const std::vector<float>& wanted,
                 const std::vector<std::vector<int>>& ids, const std::vector<std::size_t>& shift,
                 std::size_t width) {
  ASSERT_EQ(got.size(), wanted.size());
  const std::size_t T = got.size() / width / ids.size();
  for (std::size_t b = 0; b < ids.size(); ++b) {
    for (std::size_t t = 0; t < ids[b].size(); ++t)
      EXPECT_EQ(difference(&got[(b * T + shift[b] + t) * width], &wanted[(b * T + t) * width],
                           width, 1e-5, 0),
                "")
          << b << " " << t;
    for (std::size_t t = 0; t < T; ++t)
      EXPECT_EQ(got[(b * T + t) * width + 1] == 0, t < shift[b] || t >= shift[b] + ids[b].size())
          << b << " " << t;
  }
}

TEST(Logits, AreThoseOfTransformersWhereverThePaddingIs) {
  const ScratchFolder scratch;
  for (const char* name : {"olmoe-clip", "qwen3-sparse", "qwen2-bf16-shards"}) {
    const std::string folder = kGolden + name, out = scratch.file("out"), in = scratch.file("in");
    const SafetensorsFile golden(folder + "/golden.safetensors");
    const Json json = read_json(folder + "/golden.json")["input_ids"];
    const auto ids = json.get<std::vector<std::vector<int>>>();
    Json left = {{"input_ids", Json::array()}, {"attention_mask", Json::array()}};
    std::vector<std::size_t> none(ids.size(), 0), shift;
    for (const std::vector<int>& row : ids) {
      shift.push_back(9 - row.size());
      std::vector<int> padded(shift.back(), 0), mask(shift.back(), 0);
      padded.insert(padded.end(), row.begin(), row.end());
      mask.insert(mask.end(), row.size(), 1);
      left["input_ids"].push_back(padded);
      left["attention_mask"].push_back(mask);
    }
    for (const bool is_left : {false, true}) {
      write_json(in, is_left ? left : json);
      const Outcome done = run_cli("logits " + folder + " --ids=" + in + " --out=" + out);
      ASSERT_EQ(done.code, 0) << done.text;
      const SafetensorsFile file(out);
      expect_rows(values_of(file, "logits"), values_of(golden, "logits"), ids,
                  is_left ? shift : none, 37);
      const ModelConfig config = from_hugging_face(read_json(folder + "/config.json"), folder);
      std::size_t i = 0;
      for (const int layer : config.moe_layers())
        expect_rows(values_of(file, cat("router_logits.", layer)),
                    values_of(golden, cat("router.", i++)), ids, is_left ? shift : none,
                    std::size_t(config.num_experts));
      EXPECT_EQ(file.names().size(), 2 + i);
    }
  }
}

TEST(Logits, WeightsKeptAsBf16ChangeNothingIfTheFilesHaveThemSo) {
  const ScratchFolder scratch;
  write_json(scratch.file("in"), Json::parse("[[5, 17, 30], [8, 9]]"));
  for (const auto& [name, same] : {std::pair{"qwen2-bf16-shards", true}, {"olmoe-clip", false}}) {
    const auto run = [&](const std::string& key) {
      const std::string out = scratch.file("out" + key);
      const Outcome done = run_cli(cat("logits ", kGolden, name, " --ids=", scratch.file("in"),
                                       " --out=", out, " --weights=", key));
      EXPECT_EQ(done.code, 0) << done.text;
      return values_of(SafetensorsFile(out), "logits");
    };
    const std::vector<float> whole = run("fp32"), kept = run("bf16");
    EXPECT_EQ(whole == kept, same) << name;
    EXPECT_EQ(difference(kept.data(), whole.data(), whole.size(), 0.02, 0.02), "") << name;
  }
}

TEST(Logits, WhatDoesNotFitIsNamed) {
  const ScratchFolder scratch;
  const std::string in = scratch.file("in"), out = scratch.file("out");
  const auto expect_error = [&](const std::string& ids, const std::string& part) {
    write_file(in, ids);
    const Outcome outcome =
        run_cli("logits " + kGolden + "olmoe-plain --ids=" + in + " --out=" + out);
    EXPECT_EQ(outcome.code, 1) << ids << outcome.text;
    expect_contains(outcome.text, part);
    EXPECT_FALSE(std::filesystem::exists(out));
  };
  expect_error("[[1, 37]]", "from 0 to 36");
  expect_error("[[1, -1]]", "from 0 to 36");
  expect_error("[[1, \"a\"]]", "[0][1]");
  expect_error("[[1], []]", "[1]");
  expect_error("[]", "list of lists");
  expect_error("{\"ids\": [[1]]}", "ids is an unknown key");
  expect_error("{\"attention_mask\": [[1]]}", "input_ids is missing");
  expect_error("{\"input_ids\": [[1, 2]], \"attention_mask\": [[1]]}", "1 values");
  expect_error("{\"input_ids\": [[1, 2]], \"attention_mask\": [[1, 1], [1, 1]]}", "2 rows");
  expect_error("{\"input_ids\": [[1, 2, 3]], \"attention_mask\": [[1, 0, 1]]}", "unbroken");
  expect_error("{\"input_ids\": [[1, 2]], \"attention_mask\": [[0, 0]]}", "unbroken");
  expect_error("{\"input_ids\": [[1, 2]], \"attention_mask\": [[1, 2]]}", "from 0 to 1");
  expect_error("[[1, 2]", "JSON");
  std::string longer = "[[1";
  for (int t = 0; t < 40; ++t) longer += ",2";
  expect_error(longer + "]]", "max_position_embeddings");
  EXPECT_EQ(run_cli("logits --ids=x --out=y").code, 1);
}

TEST(Inspect, NamesWhatAFolderHolds) {
  const std::string shards = run_cli("inspect " + kGolden + "qwen2-bf16-shards").text;
  for (const char* part : {"qwen2_moe", "a shared one of width 12", "BF16 x ", "4 files", "theta",
                           "8560 in all", "no EOS"})
    expect_contains(shards, part);
  const std::string sparse = run_cli("inspect " + kGolden + "qwen3-sparse").text;
  for (const char* part :
       {"of which 2 with experts", "top-3, not renormalised", "QK-norm per head"})
    expect_contains(sparse, part);
  expect_contains(run_cli("inspect " + kGolden + "olmoe-clip").text, "clipped at 0.3");
  const std::string config =
      run_cli("inspect " RAMOE_SOURCE_DIR "/data/configs/real/Qwen3-30B-A3B.json").text;
  expect_contains(config, "30532122624 in all");
}

TEST(MemoryCommand, TheDocumentIsWhatTheCommandPrints) {
  std::string printed;
  for (const char* name : {"OLMoE-1B-7B-0924", "Qwen1.5-MoE-A2.7B", "Qwen3-30B-A3B"}) {
    for (const char* device : {"cpu", "cuda"}) {
      const Outcome one = run_cli(cat("memory data/configs/real/", name, ".json --device=", device,
                                      " --format=markdown"));
      ASSERT_EQ(one.code, 0) << one.text;
      printed += "\n" + one.text;
    }
  }
  const std::string document = read_file(RAMOE_SOURCE_DIR "/docs/real_models_memory.md");
  EXPECT_TRUE(document.ends_with(printed)) << "make docs-memory";
  EXPECT_EQ(run_cli("memory " + kGolden + "olmoe-plain --tokens=20").code, 0);
  expect_contains(run_cli("memory " + kGolden + "olmoe-plain --tokens=41").text, "= 40");
  expect_contains(run_cli("memory data/configs/real/Qwen3-30B-A3B.json --format=json").text,
                  "\"bytes\"");
  const std::string gpu = "memory data/configs/real/Qwen3-30B-A3B.json --device=cuda ";
  expect_contains(run_cli(gpu).text, "fits in 141 GiB");
  expect_contains(run_cli(gpu + "--sizes=1").text, "fits in none of these");
  EXPECT_GT(parse_json<Json>(run_cli(gpu + "--format=json").text, "json").size(), 10u);
}

}  // namespace
}  // namespace ramoe
