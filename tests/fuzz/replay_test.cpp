// The committed corpus of the fuzzers, once through each reader: no crash, no hang, and no
// exception but Error, also under the sanitizers. docs/fuzzing.md says how the corpus came about.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "fuzz/readers.h"
#include "support/json.h"
#include "support/scratch.h"

namespace ramoe {
namespace {

using Reader = void (*)(const std::string& folder, std::string_view bytes);

void replay(const std::string& name, Reader reader) {
  ScratchFolder scratch;
  std::vector<std::string> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(RAMOE_SOURCE_DIR "/tests/fuzz/corpus/" + name)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  ASSERT_GE(files.size(), 5u);
  for (const std::string& file : files) {
    SCOPED_TRACE(file);
    EXPECT_NO_THROW(reader(scratch.path(), read_file(file)));
  }
}

TEST(FuzzCorpus, Safetensors) {
  replay("safetensors", try_safetensors);
}
TEST(FuzzCorpus, Shards) {
  replay("shards", try_shards);
}
TEST(FuzzCorpus, Config) {
  replay("config", try_config);
}
TEST(FuzzCorpus, Tokenizer) {
  replay("tokenizer", try_tokenizer);
}

/// A million brackets, wherever a value may stand: nothing may recurse into them.
TEST(FuzzCorpus, DepthIsNoDanger) {
  ScratchFolder scratch;
  const std::string deep = std::string(1000000, '[') + std::string(1000000, ']');
  const auto header = [&](const std::string& json) {
    std::string bytes(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(json.size() >> 8 * i);
    return bytes + json;
  };
  for (const char* before :
       {"", "{\"x\":", "{\"__metadata__\":", "{\"__metadata__\":{\"x\":", "{\"x\":{\"dtype\":",
        "{\"x\":{\"shape\":", "{\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":"}) {
    std::string json = before + deep;
    for (const char* c = before; *c; ++c) json += *c == '{' ? "}" : "";
    try_safetensors(scratch.path(), header(json));
  }
  for (const char* key : {"model_type", "hidden_size", "rope_scaling", "mlp_only_layers", "x"}) {
    try_config(scratch.path(), cat("{\"model_type\":\"olmoe\",\"", key, "\":", deep, "}"));
  }
  std::filesystem::remove(scratch.file("model.safetensors"));
  try_shards(scratch.path(), "{\"weight_map\":" + deep + "}");
  try_shards(scratch.path(), "{\"weight_map\":{\"a\":" + deep + "}}");
  try_shards(scratch.path(), "{\"metadata\":" + deep + ",\"weight_map\":{\"a\":\"b\"}}");
  const std::string seed = read_file(RAMOE_SOURCE_DIR "/tests/fuzz/corpus/tokenizer/seed-llama");
  for (std::size_t at = seed.find(':'); at != std::string::npos; at = seed.find(':', at + 1)) {
    const char after = seed[at + 1];  // a number, true, false, null or a text
    if (after == '[' || after == '{' || at > 1500) continue;
    const std::size_t end = seed.find_first_of(",]}", at);
    try_tokenizer(scratch.path(), seed.substr(0, at + 1) + deep + seed.substr(end));
  }
}

/// A reader that lets another exception through would be noticed.
TEST(FuzzCorpus, TheSeedsAreAccepted) {
  ScratchFolder scratch;
  const std::string corpus = RAMOE_SOURCE_DIR "/tests/fuzz/corpus/";
  EXPECT_EQ(SafetensorsFile(corpus + "safetensors/seed-1").names().size(), 2u);
  for (const char* family : {"olmoe", "qwen3_moe", "qwen2_moe"}) {
    const std::string path = corpus + "config/seed-" + family;
    EXPECT_EQ(from_hugging_face(read_json(path), path).model_type,
              from_name<Family>(family, "family"));
  }
  try_tokenizer(scratch.path(), read_file(corpus + "tokenizer/seed-qwen"));
  EXPECT_EQ(load_tokenizer(scratch.path()).token(256), "ab");
}

}  // namespace
}  // namespace ramoe
