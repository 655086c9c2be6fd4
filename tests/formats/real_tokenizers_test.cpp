// Tokenizers built like those of real models, against what `tokenizers` makes of the same lines;
// make_real_tokenizer_fixtures.py says how the fixtures come about.
#include <gtest/gtest.h>

#include <sstream>

#include "formats/tokenizer_json.h"
#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

const std::string kReal = RAMOE_SOURCE_DIR "/tests/formats/fixtures/real/";

std::vector<std::string> real_lines() {
  return read_json(kReal + "lines.json").get<std::vector<std::string>>();
}

/// A line of ids.txt: special tokens recognised, and their text plain.
struct Ids {
  std::vector<int> special, plain;
};

std::vector<int> numbers(const std::string& text) {
  std::istringstream in(text);
  std::vector<int> ids;
  for (int id; in >> id;) ids.push_back(id);
  return ids;
}

std::vector<Ids> real_ids(const std::string& kind) {
  std::istringstream in(read_file(kReal + kind + "/ids.txt"));
  std::vector<Ids> rows;
  for (std::string line; std::getline(in, line);) {
    const std::size_t bar = line.find('|');
    const std::vector<int> first = numbers(line.substr(0, bar));
    rows.push_back({first, bar == std::string::npos ? first : numbers(line.substr(bar + 1))});
  }
  return rows;
}

class RealTokenizer : public testing::TestWithParam<const char*> {
 protected:
  RealTokenizer() : tokenizer_(load_tokenizer(kReal + GetParam())) {}
  Tokenizer tokenizer_;
  ScratchFolder scratch_;
};

/// All but "flags", whose tokens take white space along that decode does not bring back.
class LosslessTokenizer : public RealTokenizer {};

void expect_ids(const Tokenizer& tokenizer, const std::string& kind) {
  const std::vector<std::string> lines = real_lines();
  const std::vector<Ids> rows = real_ids(kind);
  ASSERT_GE(lines.size(), 2000u);
  ASSERT_EQ(rows.size(), lines.size());
  CachedEncoder special(tokenizer), plain(tokenizer);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    SCOPED_TRACE(cat("line ", i, " of lines.json: ", Json(lines[i]).dump(-1, ' ', true)));
    ASSERT_EQ(tokenizer.encode(lines[i], SpecialText::tokens), rows[i].special);
    ASSERT_EQ(special.encode(lines[i], SpecialText::tokens), rows[i].special);
    ASSERT_EQ(tokenizer.encode(lines[i]), rows[i].plain);
    ASSERT_EQ(plain.encode(lines[i]), rows[i].plain);
  }
}

TEST_P(RealTokenizer, SameIdsAsTheReferenceOnEveryLine) {
  expect_ids(tokenizer_, GetParam());
}

TEST_P(LosslessTokenizer, DecodeOfEncodeIsTheLineInNfc) {
  for (const std::string& line : real_lines()) {
    const std::string wanted = tokenizer_.parts().nfc ? to_nfc(line) : line;
    ASSERT_EQ(tokenizer_.decode(tokenizer_.encode(line, SpecialText::tokens)), wanted);
    ASSERT_EQ(tokenizer_.decode_text(tokenizer_.encode(line)), wanted);
  }
}

/// "a b" and ["a", "b"] are the same merge.
Json merges_as_pairs(const Json& merges) {
  Json pairs = Json::array();
  for (const Json& merge : merges) {
    if (merge.is_array()) {
      pairs.push_back(merge);
      continue;
    }
    const std::string both = merge.get<std::string>();
    const std::size_t blank = both.find(' ');
    pairs.push_back({both.substr(0, blank), both.substr(blank + 1)});
  }
  return pairs;
}

TEST_P(RealTokenizer, SavedAgainTheFileSaysTheSame) {
  save_tokenizer(tokenizer_, scratch_.path());
  expect_ids(load_tokenizer(scratch_.path()), GetParam());
  // Sorted objects, so that the order of keys does not count.
  const auto read = [](const std::string& folder) {
    return nlohmann::json::parse(read_file(folder + "/tokenizer.json"));
  };
  nlohmann::json before = read(kReal + GetParam()), after = read(scratch_.path());
  for (const char* key : {"version", "truncation", "padding", "added_tokens", "normalizer",
                          "pre_tokenizer", "post_processor"}) {
    EXPECT_EQ(after[key], before[key]) << key;
  }
  EXPECT_EQ(after["decoder"]["type"], before["decoder"]["type"]);
  EXPECT_EQ(after["model"]["vocab"], before["model"]["vocab"]);
  EXPECT_EQ(merges_as_pairs(after["model"]["merges"]), merges_as_pairs(before["model"]["merges"]));
  EXPECT_EQ(after["model"]["ignore_merges"], before["model"].value("ignore_merges", false));
}

TEST_P(LosslessTokenizer, BrokenBytesAreKeptOrReplaced) {
  for (const std::string broken : {"\xFF", "a\xC3", "\xE2\x82 x", "\xED\xA0\x80", "\xC0\xAF",
                                   "\xF5\x80\x80\x80", "caf\xC3\xA9 \x80", "\xF0\x9F\x90"}) {
    const std::string replaced = encode_utf8(decode_utf8(broken));
    const std::vector<int> ids = tokenizer_.encode(broken);
    if (tokenizer_.parts().nfc) {  // as the reference on bytes.decode("utf-8", "replace")
      EXPECT_EQ(ids, tokenizer_.encode(replaced));
      EXPECT_EQ(tokenizer_.decode(ids), replaced);
    } else {
      EXPECT_EQ(tokenizer_.decode(ids), broken);
    }
  }
}

const auto kind_name = [](const auto& kind) { return std::string(kind.param); };
INSTANTIATE_TEST_SUITE_P(Kinds, RealTokenizer, testing::Values("olmoe", "qwen", "llama", "flags"),
                         kind_name);
INSTANTIATE_TEST_SUITE_P(Kinds, LosslessTokenizer, testing::Values("olmoe", "qwen", "llama"),
                         kind_name);

TEST(RealTokenizers, BytesWithoutATokenAreReadAsReplacement) {
  TokenizerParts parts = load_tokenizer(kReal + "olmoe").parts();
  ASSERT_TRUE(parts.nfc);
  parts.nfc = false;
  const Tokenizer raw(parts);
  ASSERT_EQ(raw.find_token("\xC0"), -1);
  EXPECT_EQ(raw.decode(raw.encode("a\xC0z\x80")), "a\uFFFDz\x80");
}

TEST(RealTokenizers, SpecialTokensOfTheConfigurations) {
  const Tokenizer olmoe = load_tokenizer(kReal + "olmoe"), qwen = load_tokenizer(kReal + "qwen");
  EXPECT_EQ(olmoe.token(olmoe.eos()), "<|endoftext|>");
  EXPECT_EQ(olmoe.pad(), 1);
  EXPECT_THROW(olmoe.bos(), Error);
  EXPECT_EQ(qwen.token(qwen.eos()), "<|im_end|>");  // an object with `content`
  EXPECT_FALSE(qwen.is_special(qwen.find_token("<tool_call>")));
  EXPECT_TRUE(qwen.is_special(qwen.find_token("<|im_start|>")));
}

TEST(RealTokenizers, TemplatePutsBosInFrontOnlyWhenAsked) {
  const Tokenizer llama = load_tokenizer(kReal + "llama");
  const std::vector<int> ids = llama.encode("Kenya");
  std::vector<int> wanted = ids;
  wanted.insert(wanted.begin(), llama.bos());
  EXPECT_EQ(llama.with_specials(ids), wanted);
  EXPECT_EQ(load_tokenizer(kReal + "olmoe").with_specials(ids), ids);
}

}  // namespace
}  // namespace ramoe
