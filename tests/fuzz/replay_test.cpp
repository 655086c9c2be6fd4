// The committed corpus of the fuzzers, once through each reader: no crash, no hang, and no
// exception but Error, also under the sanitizers. docs/fuzzing.md says how the corpus came about.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "fuzz/readers.h"
#include "support/scratch_folder.h"

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
TEST(FuzzCorpus, Config) {
  replay("config", try_config);
}
TEST(FuzzCorpus, Tokenizer) {
  replay("tokenizer", try_tokenizer);
}

/// A reader that lets another exception through would be noticed.
TEST(FuzzCorpus, TheSeedsAreAccepted) {
  ScratchFolder scratch;
  const std::string corpus = RAMOE_SOURCE_DIR "/tests/fuzz/corpus/";
  EXPECT_EQ(SafetensorsFile(corpus + "safetensors/seed-1").names().size(), 2u);
  for (const char* family : {"olmoe", "qwen3_moe", "qwen2_moe"}) {
    const std::string path = corpus + "config/seed-" + family;
    EXPECT_EQ(from_hugging_face(read_json(path), path).model_type, family);
  }
  try_tokenizer(scratch.path(), read_file(corpus + "tokenizer/seed-qwen"));
  EXPECT_EQ(load_tokenizer(scratch.path()).token(256), "ab");
}

}  // namespace
}  // namespace ramoe
