#include "runs/model_identity.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

class ModelIdentity : public testing::Test {
 protected:
  ModelIdentity() {
    write_file(scratch_.file("config.json"), "{}");
    // 3 MB: a header of 100 bytes, then data that are sampled.
    weights_ = std::string("\x64\0\0\0\0\0\0\0", 8) + std::string(3 << 20, 'w');
    write_file(scratch_.file("model.safetensors"), weights_);
    write_file(scratch_.file("notes.txt"), "not the model's");
  }
  /// What check_identity says once the weights are these.
  std::string after(const std::string& weights) {
    const Json noted = model_identity(scratch_.path());
    write_file(scratch_.file("model.safetensors"), weights);
    return error_of([&] { check_identity(scratch_.path(), noted); });
  }
  ScratchFolder scratch_;
  std::string weights_;
};

TEST_F(ModelIdentity, TheSameFilesElsewhereAreTheSameModel) {
  const Json identity = model_identity(scratch_.path());
  EXPECT_EQ(identity.size(), 2u);
  EXPECT_TRUE(identity.contains("config.json") && identity.contains("model.safetensors"));
  const ScratchFolder other;
  std::filesystem::copy(scratch_.path(), other.file("copy"));
  EXPECT_EQ(model_identity(other.file("copy")), identity);
  check_identity(other.file("copy"), identity);
}

TEST_F(ModelIdentity, ChangesAreNoticed) {
  std::string header = weights_, last = weights_, middle = weights_;
  header[50] = 'x';
  last.back() = 'x';
  for (std::size_t i = 1 << 20; i < (1 << 20) + (1 << 17); ++i) middle[i] = 'x';  // one tensor
  for (const std::string& changed : {header, last, middle, weights_ + "w"}) {
    write_file(scratch_.file("model.safetensors"), weights_);
    expect_contains(after(changed), "model.safetensors has changed since the import");
  }
}

TEST_F(ModelIdentity, EveryByteOfAFileThatIsNotHugeCounts) {
  for (const std::size_t at : {std::size_t(1 << 20) + 7, weights_.size() / 2 + 5000}) {
    std::string changed = weights_;
    changed[at] = 'x';
    write_file(scratch_.file("model.safetensors"), weights_);
    expect_contains(after(changed), "model.safetensors has changed since the import");
  }
  expect_contains(identity_method(scratch_.path()), "every byte");
}

TEST_F(ModelIdentity, OfHugeFilesSamplesCount) {
  std::filesystem::resize_file(scratch_.file("model.safetensors"), (1u << 30) + 5);  // sparse
  const Json noted = model_identity(scratch_.path());
  expect_contains(identity_method(scratch_.path()), "256 samples");
  std::fstream file(scratch_.file("model.safetensors"),
                    std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(1 << 30).put('x').flush();
  expect_contains(error_of([&] { check_identity(scratch_.path(), noted); }), "has changed");
  file.seekp(1 << 30).put('\0').flush();
  check_identity(scratch_.path(), noted);
  file.seekp((1 << 20) + 7).put('x').flush();  // between two samples
  check_identity(scratch_.path(), noted);
}

TEST_F(ModelIdentity, WhatEarlierVersionsNotedStaysValid) {
  Json noted = model_identity(scratch_.path());
  noted["model.safetensors"] = "9328075fb6c25987";  // of samples
  check_identity(scratch_.path(), noted);
  noted["model.safetensors"] = "9328075fb6c25980";
  expect_contains(error_of([&] { check_identity(scratch_.path(), noted); }), "has changed");
}

TEST_F(ModelIdentity, FilesThatComeOrGoAreNoticed) {
  const Json noted = model_identity(scratch_.path());
  write_file(scratch_.file("model-2.safetensors"), "short");
  expect_contains(error_of([&] { check_identity(scratch_.path(), noted); }), "was not there");
  std::filesystem::remove(scratch_.file("model-2.safetensors"));
  write_file(scratch_.file("tokenizer.json"), "{}");
  expect_contains(error_of([&] { check_identity(scratch_.path(), noted); }), "tokenizer.json");
  const Json more = model_identity(scratch_.path());
  std::filesystem::remove(scratch_.file("tokenizer.json"));
  expect_contains(error_of([&] { check_identity(scratch_.path(), more); }), "missing now");
  std::filesystem::remove(scratch_.file("model.safetensors"));
  expect_contains(error_of([&] { model_identity(scratch_.path()); }), "no weights");
  std::filesystem::remove(scratch_.file("config.json"));
  expect_contains(error_of([&] { model_identity(scratch_.path()); }), "config.json");
  expect_contains(error_of([] { model_identity("/none"); }), "/none");
}

TEST_F(ModelIdentity, AHeaderThatLiesIsNoCrash) {
  std::string lie = weights_;
  for (int i = 0; i < 8; ++i) lie[std::size_t(i)] = '\xff';
  write_file(scratch_.file("model.safetensors"), lie);
  EXPECT_EQ(model_identity(scratch_.path()).size(), 2u);
}

}  // namespace
}  // namespace ramoe
