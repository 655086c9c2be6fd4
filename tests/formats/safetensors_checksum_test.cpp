// Whatever changes in a file that carries a checksum is found, whichever byte it is.
#include <gtest/gtest.h>

#include <fstream>

#include "ch04_moe/tiny_model.h"
#include "ch05_training/trainer.h"
#include "formats/model_files.h"
#include "runs/checkpoint.h"
#include "support/checksum.h"
#include "support/parallel.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

class SafetensorsChecksum : public testing::Test {
 protected:
  void write(const SafetensorsMetadata& metadata) {
    write_safetensors(path_, {{"b", "U8", {3}, "xyz"}, {"a", "F32", {2, 3}, values_.data()}},
                      metadata);
  }
  /// Whether a file of these bytes is refused. One that seems to have no checksum is not.
  bool finds(const std::string& bytes) {
    const std::string path = scratch_.file("changed.safetensors");
    std::ofstream(path, std::ios::binary) << bytes;
    try {
      SafetensorsFile(path).check_whole();
    } catch (const Error& error) {
      expect_contains(error.what(), path);
      return true;
    }
    return false;
  }

  const std::vector<float> values_ = {1, -2, 3, 4, 5, 6};
  ScratchFolder scratch_;
  std::string path_ = scratch_.file("good.safetensors");
};

TEST_F(SafetensorsChecksum, IsThatOfTheFileWithZerosForItsDigits) {
  write(with_checksum({{"format", "pt"}}));
  const SafetensorsFile file(path_);
  EXPECT_TRUE(file.check_whole());
  std::string bytes = read_file(path_);
  const std::string noted = file.metadata().at("ramoe_checksum");
  bytes.replace(bytes.find(noted), 16, "0000000000000000");
  BlockChecksum sum;
  sum.add(bytes.data(), bytes.size());
  EXPECT_EQ(noted, sum.text());
  EXPECT_EQ(file.metadata().at("format"), "pt");
}

TEST_F(SafetensorsChecksum, FindsEveryChangedByte) {
  write(with_checksum({{"step", "12"}, {"note", "\"ramoe_checksum\":\"of what\""}}));
  const std::string good = read_file(path_);
  EXPECT_FALSE(finds(good));
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 1 << bit);
      EXPECT_TRUE(finds(bad)) << "byte " << at << ", bit " << bit;
    }
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_TRUE(finds(good.substr(0, size))) << size;
  EXPECT_TRUE(finds(good + " "));
}

TEST_F(SafetensorsChecksum, FindsSwappedTensorsAndAnEditedStep) {
  write(with_checksum({{"step", "12"}}));
  const std::string good = read_file(path_);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string bad = good;
    return bad.replace(good.find(from), from.size(), to);
  };
  EXPECT_TRUE(finds(with("\"step\":\"12\"", "\"step\":\"13\"")));
  EXPECT_TRUE(finds(with("xyz", "yxz")));
  std::string names = with("\"b\":", "\"c\":");
  names.replace(names.find("\"a\":"), 4, "\"b\":");
  EXPECT_TRUE(finds(names));
}

TEST_F(SafetensorsChecksum, FilesWithoutOnePass) {
  write({{"format", "pt"}});
  EXPECT_FALSE(SafetensorsFile(path_).check_whole());
  write({});
  EXPECT_FALSE(SafetensorsFile(path_).check_whole());
}

TEST_F(SafetensorsChecksum, IsTheSameOnAnyNumberOfThreads) {
  // Several blocks, and groups of blocks, with an end that is no block.
  const std::vector<unsigned char> data(18 * kChecksumBlock + 777, 'd');
  const TensorShape shape = {static_cast<std::int64_t>(data.size())};
  write_safetensors(path_, {{"x", "U8", shape, data.data()}}, with_checksum({}));
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    const PoolScope scope(pool);
    EXPECT_TRUE(SafetensorsFile(path_).check_whole());
  }
  std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(17 * kChecksumBlock + 5);
  file.put('e');
  file.close();
  expect_contains(error_of([&] { SafetensorsFile(path_).check_whole(); }), "its checksum is");
}

TEST_F(SafetensorsChecksum, DoesNotChangeWhatRunsNoteOfTheirBaseModel) {
  write({{"format", "pt"}});
  const std::string before = checksum(read_file(path_));
  EXPECT_EQ(checksum_of_tensors(path_), before);
  write(with_checksum({{"format", "pt"}}));
  EXPECT_NE(checksum(read_file(path_)), before);
  EXPECT_EQ(checksum_of_tensors(path_), before);
  for (const char* bad : {"", "1234567", "\xff\xff\xff\xff\xff\xff\xff\xff{}"}) {
    write_file(path_, bad);
    expect_contains(error_of([&] { checksum_of_tensors(path_); }), path_);
  }
}

TEST_F(SafetensorsChecksum, OfALargeFileIsThatOfItsPieces) {
  std::vector<unsigned char> data(3 * kChecksumBlock + 777, 'd');
  for (std::size_t i = 0; i < data.size(); i += 1000) data[i] = static_cast<unsigned char>(i);
  const TensorShape shape = {static_cast<std::int64_t>(data.size())};
  // The second header ends in the file's second piece.
  for (const std::size_t text : {std::size_t{1}, kChecksumBlock}) {
    const SafetensorsMetadata metadata = {{"note", std::string(text, 'n')}};
    write_safetensors(path_, {{"x", "U8", shape, data.data()}}, metadata);
    const std::string before = checksum(read_file(path_));
    EXPECT_EQ(checksum_of_tensors(path_), before);
    write_safetensors(path_, {{"x", "U8", shape, data.data()}}, with_checksum(metadata));
    EXPECT_EQ(checksum_of_tensors(path_), before);
  }
}

/// What loading a model says after one byte of its weights has changed.
TEST_F(SafetensorsChecksum, IsComparedWhenAModelIsLoaded) {
  const Model<float> model(tiny_config("qwen3_moe", false), 1);
  save_model(model, scratch_.path());
  load_model(scratch_.path());
  const std::string path = scratch_.file("model.safetensors"), good = read_file(path);
  for (std::size_t at = 0; at < good.size(); at += 97) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    std::ofstream(path, std::ios::binary) << bad;
    expect_contains(error_of([&] { load_model(scratch_.path()); }), path);
  }
}

/// A checkpoint of two steps, whose it is said to be, and what loading it says.
class CheckpointIdentity : public testing::Test {
 protected:
  CheckpointIdentity() {
    while (saved_.steps_done() < 2)
      saved_.step([](int) { return make_training_batch({{{0, 3, 4, 5, 6}, 1, -1}}, 2, 0); });
  }
  static Json run_with(const std::string& seed) {
    return {{"command", "pretrain"},
            {"config", {{"steps", 6}, {"seed", seed}}},
            {"seed", seed},
            {"data", {{"corpus", "0123"}}}};
  }
  std::string loading(const Json& run) {
    Model<float> model(tiny_config("olmoe", false), 9);
    Trainer<float> trainer(model, {});
    const std::vector<float> before = model.embedding()->value;
    try {
      load_checkpoint(trainer, path_, run);
    } catch (const Error& error) {
      EXPECT_EQ(model.embedding()->value, before);  // nothing was read
      EXPECT_EQ(trainer.steps_done(), 0);
      return error.what();
    }
    EXPECT_EQ(trainer.steps_done(), 2);
    return "";
  }

  ScratchFolder scratch_;
  std::string path_ = scratch_.file("training.safetensors");
  Model<float> model_{tiny_config("olmoe", false), 1};
  Trainer<float> saved_{model_, {}};
};

TEST_F(CheckpointIdentity, AnotherRunsCheckpointIsRefused) {
  save_checkpoint(saved_, path_, {run_with("1"), 0});
  EXPECT_EQ(loading(run_with("1")), "");
  expect_contains(loading(run_with("2")), "of another run (seed: \"1\" there, \"2\" here)");
  Json other = run_with("1");
  other["data"]["corpus"] = "4567";
  expect_contains(loading(other), "corpus");
  other = run_with("1");
  other["command"] = "finetune";
  expect_contains(loading(other), "\"pretrain\" there, \"finetune\" here");
  save_checkpoint(saved_, path_, {Json::array(), 0});
  expect_contains(loading(run_with("1")), "\"run\"");
}

TEST_F(CheckpointIdentity, EveryChangedByteIsFoundBeforeAnythingIsRead) {
  save_checkpoint(saved_, path_, {run_with("1"), 0});
  const std::string good = read_file(path_);
  for (std::size_t at = 0; at < good.size(); at += at < 3000 ? 23 : 811) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    std::ofstream(path_, std::ios::binary) << bad;
    EXPECT_NE(loading(run_with("1")), "") << at;
  }
}

TEST_F(CheckpointIdentity, OldCheckpointsAreRead) {
  save_checkpoint(saved_, path_);
  const SafetensorsFile file(path_);
  std::vector<TensorToWrite> tensors;
  for (const std::string& name : file.names())
    tensors.push_back({name, file.info(name).dtype, file.info(name).shape, file.bytes(name)});
  const std::string old = scratch_.file("old");
  write_safetensors(old, tensors, {{"step", "2"}});
  Model<float> model(tiny_config("olmoe", false), 9);
  Trainer<float> trainer(model, {});
  EXPECT_FALSE(load_checkpoint(trainer, old, run_with("1")).checked);
  EXPECT_EQ(trainer.steps_done(), 2);
  EXPECT_TRUE(std::isnan(trainer.tokens_per_step()));  // it is not known
  EXPECT_TRUE(load_checkpoint(trainer, path_, run_with("1")).checked);
  EXPECT_EQ(trainer.tokens_per_step(), 5);
}

}  // namespace
}  // namespace ramoe
