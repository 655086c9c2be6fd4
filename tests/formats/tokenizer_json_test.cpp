#include "formats/tokenizer_json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "ch06_languages/bpe_train.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"

namespace ramoe {
namespace {

const std::string kFixtures = RAMOE_SOURCE_DIR "/tests/formats/fixtures";

/// A folder of this test alone, gone afterwards.
class TokenizerJson : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "ramoe_tokenizer_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// The error of loading the small tokenizer after a change to tokenizer.json.
  std::string error_after(const std::function<void(Json&)>& change,
                          const std::string& file = "tokenizer.json") {
    save_tokenizer(small(), folder_);
    Json json = read_json(folder_ + "/" + file);
    change(json);
    write_json(folder_ + "/" + file, json);
    return load_error();
  }
  std::string load_error() {
    try {
      load_tokenizer(folder_);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  static Tokenizer small() {
    return train_bpe(std::vector<std::string>{"hello help yell", "hello help", "\u0915\u093F"},
                     264);
  }
  std::string folder_;
};

#define EXPECT_NAMES(error, word)                          \
  do {                                                     \
    const std::string what = (error);                      \
    EXPECT_NE(what.find(word), std::string::npos) << what; \
  } while (false)

void expect_same(const TokenizerParts& a, const TokenizerParts& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  ASSERT_EQ(a.merges.size(), b.merges.size());
  for (std::size_t i = 0; i < a.merges.size(); ++i) {
    EXPECT_TRUE(a.merges[i].left == b.merges[i].left && a.merges[i].right == b.merges[i].right &&
                a.merges[i].result == b.merges[i].result);
  }
  ASSERT_EQ(a.added.size(), b.added.size());
  for (std::size_t i = 0; i < a.added.size(); ++i) {
    const AddedToken &x = a.added[i], &y = b.added[i];
    EXPECT_TRUE(x.id == y.id && x.special == y.special && x.normalized == y.normalized &&
                x.single_word == y.single_word && x.lstrip == y.lstrip && x.rstrip == y.rstrip &&
                x.in_vocab == y.in_vocab);
  }
  EXPECT_EQ(a.pattern, b.pattern);
  EXPECT_EQ(a.nfc, b.nfc);
  EXPECT_EQ(a.ignore_merges, b.ignore_merges);
  EXPECT_EQ(a.before, b.before);
  EXPECT_EQ(a.after, b.after);
  EXPECT_EQ(a.post_processor, b.post_processor);
  EXPECT_TRUE(a.bos == b.bos && a.eos == b.eos && a.pad == b.pad);
}

TEST_F(TokenizerJson, ByteLettersAreGpt2s) {
  EXPECT_EQ(to_byte_letters(" a\n\xC3"), "\u0120a\u010A\u00C3");
  EXPECT_EQ(to_byte_letters(std::string(1, '\0')), "\u0100");
  EXPECT_EQ(to_byte_letters("\x7F\xAD"), "\u0121\u0143");
  std::string all, back;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  ASSERT_TRUE(from_byte_letters(to_byte_letters(all), back));
  EXPECT_EQ(back, all);
  EXPECT_FALSE(from_byte_letters("a b", back));
}

/// A post-processor that puts one token behind the text.
nlohmann::json template_json(const char* name, int id) {
  const nlohmann::json a = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
                       b = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}},
                       token = {{"SpecialToken", {{"id", name}, {"type_id", 0}}}};
  return {{"type", "TemplateProcessing"},
          {"single", nlohmann::json::array({a, token})},
          {"pair", nlohmann::json::array({a, b, token})},
          {"special_tokens",
           {{name, {{"id", name}, {"ids", {id}}, {"tokens", nlohmann::json::array({name})}}}}}};
}

TEST_F(TokenizerJson, SavedAndLoadedIsTheSame) {
  save_tokenizer(small(), folder_);
  expect_same(load_tokenizer(folder_).parts(), small().parts());
  TokenizerParts parts = small().parts();
  parts.nfc = true;
  parts.bos = -1;
  parts.added.push_back({static_cast<int>(parts.tokens.size()), false});
  parts.tokens.push_back("two words \u4E2D");
  parts.tokens.push_back("");  // a hole
  parts.added.push_back(
      {static_cast<int>(parts.tokens.size()), true, true, true, true, true, false});
  parts.tokens.push_back("<x>");
  parts.ignore_merges = true;
  parts.after = {kEos};
  parts.post_processor = template_json("<|eos|>", kEos).dump();
  save_tokenizer(Tokenizer(parts), folder_);
  expect_same(load_tokenizer(folder_).parts(), parts);
}

TEST_F(TokenizerJson, MergesAsListsReadTheSame) {
  EXPECT_EQ(error_after([](Json& json) {
              for (Json& merge : json["model"]["merges"]) {
                const std::string both = merge.get<std::string>();
                const std::size_t blank = both.find(' ');
                merge = Json::array({both.substr(0, blank), both.substr(blank + 1)});
              }
            }),
            "");
  expect_same(load_tokenizer(folder_).parts(), small().parts());
}

TEST_F(TokenizerJson, WhatWeCannotHonourIsNamed) {
  const auto with = [&](const std::string& pointer, const Json& value) {
    return error_after([&](Json& json) { json[Json::json_pointer(pointer)] = value; });
  };
  EXPECT_NAMES(with("/version", "2.0"), "version is \"2.0\"");
  EXPECT_NAMES(with("/surprise", 1), "surprise is an unknown key");
  EXPECT_NAMES(with("/normalizer", {{"type", "NFKC"}}), "normalizer.type is \"NFKC\"");
  EXPECT_NAMES(with("/pre_tokenizer/type", "Metaspace"), "pre_tokenizer.type is \"Metaspace\"");
  const std::string split = "/pre_tokenizer/pretokenizers/0";
  EXPECT_NAMES(with(split + "/pattern/Regex", "\\w+"), "pretokenizers[0].pattern.Regex");
  EXPECT_NAMES(with(split + "/pattern", {{"String", " "}}), "pattern.String");
  EXPECT_NAMES(with(split + "/behavior", "Removed"), "behavior");
  EXPECT_NAMES(with(split + "/invert", true), "invert");
  const std::string bytes = "/pre_tokenizer/pretokenizers/1";
  EXPECT_NAMES(with(bytes + "/type", "Digits"), "pretokenizers[1].type");
  EXPECT_NAMES(with(bytes + "/use_regex", true), "use_regex");
  EXPECT_NAMES(with(bytes + "/add_prefix_space", true), "add_prefix_space");
  EXPECT_NAMES(with("/post_processor", {{"type", "TemplateProcessing"}}),
               "post_processor.special_tokens is missing");
  EXPECT_NAMES(with("/post_processor", {{"type", "RobertaProcessing"}}), "post_processor.type");
  EXPECT_NAMES(with("/decoder/type", "WordPiece"), "decoder.type");
  EXPECT_NAMES(with("/model/type", "Unigram"), "model.type is \"Unigram\"");
  EXPECT_NAMES(with("/model/dropout", 0.1), "model.dropout");
  EXPECT_NAMES(with("/model/unk_token", "<unk>"), "model.unk_token");
  EXPECT_NAMES(with("/model/byte_fallback", true), "model.byte_fallback");
  EXPECT_NAMES(with("/model/ignore_merges", 1), "model.ignore_merges");
  EXPECT_NAMES(with("/model/fuse_unk", true), "model.fuse_unk");
  EXPECT_NAMES(with("/model/end_of_word_suffix", "</w>"), "model.end_of_word_suffix");
  EXPECT_NAMES(with("/added_tokens/0/lstrip", "yes"), "added_tokens[0].lstrip");
  EXPECT_EQ(with("/post_processor", {{"type", "ByteLevel"}, {"trim_offsets", false}}), "");
}

TEST_F(TokenizerJson, MissingKeysAndWrongTypesAreNamed) {
  for (const char* key : {"version", "added_tokens", "pre_tokenizer", "decoder", "model"}) {
    EXPECT_NAMES(error_after([&](Json& json) { json.erase(key); }), key);
  }
  for (const char* key : {"vocab", "merges", "type"}) {
    EXPECT_NAMES(error_after([&](Json& json) { json["model"].erase(key); }),
                 std::string("model.") + key + " is missing");
    EXPECT_NAMES(error_after([&](Json& json) { json["model"][key] = 3; }),
                 cat("model.", key, key == std::string("type") ? " is 3" : ": expected "));
  }
  EXPECT_NAMES(error_after([](Json& json) { json["added_tokens"][1].erase("content"); }),
               "added_tokens[1].content is missing");
  EXPECT_NAMES(error_after([](Json& json) { json["added_tokens"][1]["special"] = "yes"; }),
               "added_tokens[1].special");
  EXPECT_NAMES(error_after([](Json& json) { json = Json::array(); }), "expected an object");
}

TEST_F(TokenizerJson, VocabularyFaultsAreNamed) {
  const auto vocab = [&](const std::function<void(Json&)>& change) {
    return error_after([&](Json& json) { change(json["model"]["vocab"]); });
  };
  EXPECT_NAMES(vocab([](Json& v) { v["Q"] = 5; }), "id 5 belongs to");
  EXPECT_EQ(vocab([](Json& v) { v["QQ"] = 400; }), "");  // holes
  EXPECT_EQ(load_tokenizer(folder_).vocab_size(), 401);
  EXPECT_EQ(load_tokenizer(folder_).decode({300, 400}), "QQ");
  EXPECT_NAMES(vocab([](Json& v) { v["QQ"] = 99'999'999; }),
               "model.vocab.QQ is 99999999; it leaves more holes");
  EXPECT_NAMES(vocab([](Json& v) { v["QQ"] = -1; }),
               "model.vocab.QQ: expected a whole number from 0 to 100000000, found -1");
  EXPECT_NAMES(vocab([](Json& v) { v["QQ"] = 264.5; }), "found 264.5");
  EXPECT_NAMES(vocab([](Json& v) { v["Q Q"] = 264; }), "model.vocab.Q Q");
  EXPECT_NAMES(vocab([](Json& v) { v.erase("Q"); }), "byte 81 has no token");
  EXPECT_NAMES(vocab([](Json& v) { v["QQ"] = v["Q"], v.erase("Q"); }), "byte 81 has no token");
  EXPECT_NAMES(error_after([](Json& json) { json["added_tokens"][1]["id"] = 7; }),
               "'<|eos|>' is id 1 already");
}

TEST_F(TokenizerJson, MergeFaultsAreNamed) {
  const auto second = [&](const Json& merge) {
    return error_after([&](Json& json) { json["model"]["merges"][1] = merge; });
  };
  EXPECT_NAMES(second("Q R"), "model.merges[1] is \"Q R\"; 'QR' is not in model.vocab");
  EXPECT_NAMES(second("Q missing"), "'missing' is not in model.vocab");
  EXPECT_NAMES(second("QR"), "one blank between");
  EXPECT_NAMES(second("a b c"), "one blank between");
  EXPECT_NAMES(second(Json::array({"h"})), "expected two tokens");
  EXPECT_NAMES(second(7), "model.merges[1]: expected text, found 7");
  EXPECT_NAMES(error_after([](Json& json) {
                 json["model"]["merges"].push_back(json["model"]["merges"][0]);
               }),
               "listed once");
}

TEST_F(TokenizerJson, BrokenFilesAreErrors) {
  EXPECT_NAMES(load_error(), "tokenizer.json");  // not there
  save_tokenizer(small(), folder_);
  const std::string path = folder_ + "/tokenizer.json", whole = read_file(path);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, whole.size() / 2}) {
    write_file(path, whole.substr(0, bytes));
    EXPECT_NAMES(load_error(), "the file ends too early");
  }
  write_file(path, whole);
  EXPECT_EQ(load_error(), "");
  std::filesystem::remove(folder_ + "/tokenizer_config.json");
  EXPECT_THROW(load_tokenizer(folder_).eos(), Error);
  write_json(folder_ + "/special_tokens_map.json", {{"eos_token", {{"content", "<|eos|>"}}}});
  EXPECT_EQ(load_tokenizer(folder_).eos(), kEos);
  write_json(folder_ + "/tokenizer_config.json", {{"eos_token", "<|pad|>"}});
  EXPECT_EQ(load_tokenizer(folder_).eos(), kPad);
}

// As a tokenizer is saved after it was called with padding and truncation.
TEST_F(TokenizerJson, TruncationAndPaddingAreIgnoredAndItIsSaid) {
  save_tokenizer(small(), folder_);
  std::vector<std::string> notes;
  load_tokenizer(folder_, &notes);
  EXPECT_TRUE(notes.empty());
  const Json truncation = {
      {"direction", "Right"}, {"max_length", 2}, {"strategy", "LongestFirst"}, {"stride", 0}};
  const Json padding = {{"strategy", {{"Fixed", 8}}},
                        {"direction", "Right"},
                        {"pad_to_multiple_of", nullptr},
                        {"pad_id", 2},
                        {"pad_type_id", 0},
                        {"pad_token", "<|pad|>"}};
  for (const auto& [key, value] : {std::pair{"truncation", truncation}, {"padding", padding}}) {
    EXPECT_EQ(error_after([&, k = key, v = value](Json& json) { json[k] = v; }), "");
    notes.clear();
    expect_same(load_tokenizer(folder_, &notes).parts(), small().parts());
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_NAMES(notes[0], key);
    EXPECT_NAMES(notes[0], "tokenizer.json");
  }
}

TEST_F(TokenizerJson, ConfigNamesTheSpecialTokens) {
  const auto config = [&](const std::string& key, const Json& value) {
    return error_after([&](Json& json) { json[key] = value; }, "tokenizer_config.json");
  };
  EXPECT_NAMES(config("bos_token", "<s>"), "bos_token is \"<s>\"");
  EXPECT_NAMES(config("eos_token", 4), "eos_token: expected text, found 4");
  EXPECT_EQ(config("pad_token", {{"content", "<|eos|>"}}), "");
  EXPECT_EQ(load_tokenizer(folder_).pad(), kEos);
  EXPECT_EQ(config("chat_template", {{"name", "x"}}), "");
  EXPECT_EQ(config("added_tokens_decoder", {{"1", {{"content", "<|eos|>"}}}}), "");
  EXPECT_NAMES(config("added_tokens_decoder", {{"9", {{"content", "<|eos|>"}}}}),
               "added_tokens_decoder.9.content");
  EXPECT_NAMES(config("add_prefix_space", true), "add_prefix_space is true");
  EXPECT_EQ(config("bos_token", nullptr), "");
  EXPECT_THROW(load_tokenizer(folder_).bos(), Error);
}

/// All texts in the language packs, in the order of the files' names.
std::vector<std::string> pack_lines() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(RAMOE_SOURCE_DIR "/data/languages")) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> lines;
  const std::function<void(const Json&)> collect = [&](const Json& json) {
    if (json.is_string()) lines.push_back(json.get<std::string>());
    if (json.is_structured()) std::for_each(json.begin(), json.end(), collect);
  };
  for (const auto& file : files) collect(read_json(file.string()));
  return lines;
}

// Makes the tokenizer that make_tokenizer_fixture.py feeds to the reference; see there.
TEST(TokenizerFixture, WrittenAnewOnlyWhenAsked) {
  if (!std::getenv("RAMOE_WRITE_TOKENIZER_FIXTURE")) GTEST_SKIP() << "only by hand";
  save_tokenizer(train_bpe(pack_lines(), 1500), kFixtures + "/tokenizer");
}

TEST(TokenizerFixture, SameIdsAsTheReference) {
  const Tokenizer tokenizer = load_tokenizer(kFixtures + "/tokenizer");
  EXPECT_EQ(tokenizer.vocab_size(), 1500);
  CachedEncoder cached(tokenizer);
  const Json golden = read_json(kFixtures + "/tokenizer_golden.json");
  ASSERT_GE(golden["lines"].size(), 300u);
  for (const Json& row : golden["lines"]) {
    const std::string text = row[0].get<std::string>();
    const std::vector<int> ids = row[1].get<std::vector<int>>();
    ASSERT_EQ(tokenizer.encode(text, SpecialText::tokens), ids) << text;
    ASSERT_EQ(cached.encode(text, SpecialText::tokens), ids) << text;
    ASSERT_EQ(tokenizer.decode(ids), text);
    ASSERT_EQ(tokenizer.decode_text(ids), row[2].get<std::string>());
  }
}

}  // namespace
}  // namespace ramoe
