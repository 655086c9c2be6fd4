#include "formats/checksum_list.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/checksum.h"
#include "support/files.h"
#include "support/scratch.h"
#include "support/texts.h"
#include "support/tools.h"

namespace ramoe {
namespace {

class ChecksumList : public testing::Test {
 protected:
  ChecksumList() {
    make_folder(scratch_.file("model"));
    for (const char* name : {"model/config.json", "model/tokenizer.json", "model/model.safetensors",
                             "metrics.jsonl", "run.json"})
      write_file(scratch_.file(name), cat("{} of ", name));
    write_checksum_list(scratch_.path());
    list_ = read_file(scratch_.file("checksums.txt"));
  }
  void expect_found(const std::string& part) {
    expect_contains(error_of([&] { check_checksum_list(scratch_.path()); }), part);
    expect_contains(error_of([&] { check_model_folder(scratch_.file("model")); }), part);
    expect_contains(error_of([&] { check_model_folder(scratch_.file("model/")); }), part);
  }
  ScratchFolder scratch_;
  std::string list_;
};

TEST_F(ChecksumList, NamesTheSmallFilesAsSha256sumDoes) {
  EXPECT_EQ(list_, sha256("{} of model/config.json") + "  model/config.json\n" +
                       sha256("{} of model/tokenizer.json") + "  model/tokenizer.json\n");
  EXPECT_TRUE(checksums_hold(scratch_.path()));
  check_checksum_list(scratch_.path());
  check_model_folder(scratch_.file("model"));
}

TEST_F(ChecksumList, ChangedAndMissingFilesAreErrors) {
  write_file(scratch_.file("model/config.json"), "{} of model/confih.json");
  expect_found("model/config.json is not as it was");
  expect_found("remove " + scratch_.file("checksums.txt"));
  std::filesystem::remove(scratch_.file("model/config.json"));
  expect_found("model/config.json is missing");
}

TEST_F(ChecksumList, LinesThatAreNoneAreErrors) {
  for (const std::string& bad :
       {std::string("checksum of the model"), list_.substr(1, 83), "X" + list_.substr(1),
        list_.substr(0, 64) + "\tmodel/config.json", list_.substr(0, 66), std::string(80, 'a')}) {
    write_file(scratch_.file("checksums.txt"), bad + "\n");
    expect_found("checksums.txt, line 1");
  }
}

TEST_F(ChecksumList, WhatTheModelDoesNotNeedMayBeMissingButNotDiffer) {
  write_file(scratch_.file("checksums.txt"),
             list_ + sha256("{} of metrics.jsonl") + " *metrics.jsonl\n");
  check_checksum_list(scratch_.path());
  write_file(scratch_.file("metrics.jsonl"), "other");
  expect_found("metrics.jsonl is not as it was");
  std::filesystem::remove(scratch_.file("metrics.jsonl"));
  check_checksum_list(scratch_.path());
}

TEST_F(ChecksumList, OnlyRunsHaveOne) {
  write_file(scratch_.file("model/config.json"), "changed");
  std::filesystem::remove(scratch_.file("run.json"));  // now a folder that is no run of ours
  check_model_folder(scratch_.file("model"));
  std::filesystem::rename(scratch_.file("model"), scratch_.file("other"));
  check_model_folder(scratch_.file("other"));
  std::filesystem::remove(scratch_.file("checksums.txt"));
  check_checksum_list(scratch_.path());
}

}  // namespace
}  // namespace ramoe
