// ramoe tokenize on the small tokenizers of chapter 6's tests.
#include <gtest/gtest.h>

#include "app/cli.h"
#include "support/files.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

const std::string kLlama = RAMOE_SOURCE_DIR "/tests/formats/fixtures/real/llama";

TEST(Tokenize, ThereAndBack) {
  ScratchFolder scratch;
  const std::string texts = "Kenya : 12\n\n<|eot_id|>\xE0\xA4\x95\n", in = scratch.file("in");
  write_file(in, texts);
  const Outcome plain = run_cli("tokenize " + kLlama + " --input=" + in);
  EXPECT_EQ(plain.code, 0) << plain.text;
  write_file(scratch.file("ids"), plain.text);
  EXPECT_EQ(run_cli("tokenize " + kLlama + " --decode=true --input=" + scratch.file("ids")).text,
            texts);
  const Outcome special =
      run_cli("tokenize " + kLlama + " --special=true --add_special=true --input=" + in);
  EXPECT_NE(special.text, plain.text);
  write_file(scratch.file("ids"), special.text);
  EXPECT_EQ(
      run_cli("tokenize " + kLlama + " --decode=true --special=true --input=" + scratch.file("ids"))
          .text,
      "<|begin_of_text|>Kenya : 12\n<|begin_of_text|>\n"
      "<|begin_of_text|><|eot_id|>\xE0\xA4\x95\n");
}

TEST(Tokenize, JsonTextsHoldLineBreaks) {
  ScratchFolder scratch;
  const std::string in = scratch.file("in"), texts = "\"two\\nlines\"\n";
  write_file(in, texts);
  write_file(scratch.file("ids"),
             run_cli("tokenize " + kLlama + " --json=true --input=" + in).text);
  EXPECT_EQ(
      run_cli("tokenize " + kLlama + " --json=true --decode=true --input=" + scratch.file("ids"))
          .text,
      texts);
}

TEST(Tokenize, BadLinesAreNamed) {
  ScratchFolder scratch;
  const auto error = [&](const std::string& text, const std::string& flag) {
    write_file(scratch.file("in"), text);
    const Outcome outcome =
        run_cli("tokenize " + kLlama + " " + flag + " --input=" + scratch.file("in"));
    EXPECT_EQ(outcome.code, 1);
    return outcome.text;
  };
  expect_contains(error("[1]\n[2\n", "--decode=true"), "line 2 is not a list of ids");
  expect_contains(error("[1,\"x\"]\n", "--decode=true"), "line 1 is not a list of ids");
  expect_contains(error("[999999]\n", "--decode=true"), "token id 999999 is outside");
  expect_contains(error("[-1]\n", "--decode=true"), "token id -1 is outside");
  expect_contains(error("7\n", "--json=true"), "line 1 is not a JSON string");
  expect_contains(run_cli("tokenize").text, "needs a folder");
}

}  // namespace
}  // namespace ramoe
