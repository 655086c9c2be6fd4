// Every key of a tokenizer.json and a tokenizer_config.json, broken in every way: each ends in an
// Error that names the key, or is listed here as harmless.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "ch06_languages/bpe_train.h"
#include "formats/tokenizer_json.h"
#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

using Pointer = Json::json_pointer;

/// What takes a value's place. "removed" and "surprise", a key too many, are done by hand.
std::map<std::string, Json> replacements() {
  Json deep = Json::array();
  for (int i = 0; i < 100; ++i) deep = Json::array({std::move(deep)});
  return {{"null", nullptr},
          {"true", true},
          {"7", 7},
          {"-1", -1},
          {"2.5", 2.5},
          {"1e300", 1e300},
          {"2^31", 2147483648},
          {"2^64-1", 18446744073709551615u},
          {"text", "surprise"},
          {"empty text", ""},
          {"empty list", Json::array()},
          {"empty object", Json::object()},
          {"deep", std::move(deep)}};
}

void collect(const Json& value, const Pointer& at, std::vector<Pointer>& all) {
  all.push_back(at);
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) collect(inner, at / key, all);
  }
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) collect(value[i], at / i, all);
  }
}

bool is_index(const std::string& key) {
  return !key.empty() && key.find_first_not_of("0123456789") == std::string::npos;
}

class BrokenTokenizer : public testing::Test {
 protected:
  BrokenTokenizer() {
    save_tokenizer(train_bpe(std::vector<std::string>{"hello hello help"}, 261), folder_.path());
  }

  std::string load_error() const {
    try {
      load_tokenizer(folder_.path());
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  /// Writes the file with one fault and notes what comes of it.
  void try_fault(const Json& broken, const Pointer& at, const std::string& fault) {
    std::ofstream(folder_.file(name_)) << broken;  // write_file would wait for the disk each time
    const std::string error = load_error();
    // "/model/vocab/Q" is one of many alike, and "/added_tokens/3" too.
    std::string place;
    bool token = false;
    for (Pointer up = at; !up.empty(); up.pop_back()) {
      const bool of_vocab = up.parent_pointer() == Pointer("/model/vocab");
      token = token || of_vocab || up == Pointer("/added_tokens");
      place = "/" + (of_vocab || is_index(up.back()) ? "*" : up.back()) + place;
    }
    const auto names = [&](const std::string& key) { return error.find(key) != std::string::npos; };
    if (error.empty()) {
      harmless_.insert(place + " " + fault);
    } else if (token) {  // two keys that disagree: the error names the one or the other
      EXPECT_TRUE(names("model.vocab") || names("added_tokens")) << at << " " << fault << error;
    } else if (!at.empty() && is_index(at.back())) {
      const std::string parent = at.parent_pointer().back();
      EXPECT_TRUE(names("[" + at.back() + "]") || names("." + at.back()) ||
                  (fault == "removed" && names(parent)))
          << at << " " << fault << error;
    } else {
      EXPECT_TRUE(names(at.empty() ? name_ : at.back())) << at << " " << fault << error;
    }
  }

  /// All faults of the file `name`, which holds `whole`.
  void try_all(const std::string& name, const Json& whole) {
    name_ = name;
    write_json(folder_.file(name), whole);
    ASSERT_EQ(load_error(), "");
    std::vector<Pointer> all;
    collect(whole, Pointer(), all);
    const std::map<std::string, Json> values = replacements();
    long tokens = 0;
    for (const Pointer& at : all) {
      // Of the 260 tokens every 20th will do.
      if (!at.empty() && at.parent_pointer() == Pointer("/model/vocab") && tokens++ % 20) continue;
      Json broken = whole;
      if (broken[at].is_object()) {
        broken[at]["surprise"] = 1;
        try_fault(broken, at / "surprise", "added");
      }
      for (const auto& [fault, value] : values) {
        if (value == whole[at]) continue;
        broken = whole;
        broken[at] = value;
        try_fault(broken, at, fault);
      }
      if (at.empty()) continue;
      broken = whole;
      Json& parent = broken[at.parent_pointer()];
      if (parent.is_array()) {
        parent.erase(parent.begin() + std::stol(at.back()));
      } else {
        parent.erase(at.back());
      }
      try_fault(broken, at, "removed");
    }
  }

  ScratchFolder folder_;
  std::string name_;
  std::set<std::string> harmless_;
};

TEST_F(BrokenTokenizer, EveryKeyOfTokenizerJson) {
  Json whole = read_json(folder_.file("tokenizer.json"));
  whole["normalizer"] = {{"type", "NFC"}};
  const Json a = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
             bos = {{"SpecialToken", {{"id", "<|bos|>"}, {"type_id", 0}}}};
  const Json special = {{"id", "<|bos|>"}, {"ids", {0}}, {"tokens", Json::array({"<|bos|>"})}};
  const Json level = {{"type", "ByteLevel"},
                      {"add_prefix_space", true},
                      {"trim_offsets", false},
                      {"use_regex", true}};
  const Json processor = {{"type", "TemplateProcessing"},
                          {"single", Json::array({bos, a})},
                          {"pair", Json::array({a, a})},
                          {"special_tokens", {{"<|bos|>", special}}}};
  whole["post_processor"] = {{"type", "Sequence"}, {"processors", Json::array({level, processor})}};
  try_all("tokenizer.json", whole);
  const std::string processor_keys = "/post_processor/processors/*";
  std::set<std::string> wanted = {
      // other tokenizers, but tokenizers
      "/added_tokens empty list", "/added_tokens/* removed", "/added_tokens/*/lstrip true",
      "/added_tokens/*/normalized true", "/added_tokens/*/rstrip true",
      "/added_tokens/*/single_word true", "/model/ignore_merges true", "/model/merges empty list",
      "/model/merges/* removed", "/model/vocab/* removed",  // of a byte that UTF-8 never uses
      "/normalizer null", "/post_processor null", "/post_processor/processors empty list",
      processor_keys + " removed", processor_keys + "/pair/* removed",
      processor_keys + "/single/* removed",
      // the same with another word
      "/model/continuing_subword_prefix empty text", "/model/end_of_word_suffix empty text",
      "/model/unk_token empty text", processor_keys + "/trim_offsets true",
      processor_keys + "/pair/*/Sequence/type_id 7",
      processor_keys + "/single/*/Sequence/type_id 7",
      processor_keys + "/single/*/SpecialToken/type_id 7",
      processor_keys + "/special_tokens/<|bos|>/ids/* 7",
      processor_keys + "/special_tokens/<|bos|>/tokens/* empty text",
      processor_keys + "/special_tokens/<|bos|>/tokens/* text"};
  for (const std::string key :  // what may be left out
       {"/decoder/add_prefix_space", "/decoder/trim_offsets", "/decoder/use_regex",
        "/model/byte_fallback", "/model/continuing_subword_prefix", "/model/dropout",
        "/model/end_of_word_suffix", "/model/fuse_unk", "/model/ignore_merges", "/model/unk_token",
        "/normalizer", "/post_processor", "/pre_tokenizer/pretokenizers/*/invert",
        "/pre_tokenizer/pretokenizers/*/trim_offsets"}) {
    wanted.insert(key + " removed");
  }
  for (const char* key :
       {"/add_prefix_space", "/trim_offsets", "/use_regex", "/pair/*/Sequence/type_id",
        "/single/*/Sequence/type_id", "/single/*/SpecialToken/type_id"}) {
    wanted.insert(processor_keys + key + " removed");
  }
  for (const std::string key : {"/padding", "/truncation"})  // not read
    EXPECT_GE(std::erase_if(harmless_, [&](const auto& h) { return h.starts_with(key + " "); }), 3u)
        << key;
  EXPECT_EQ(harmless_, wanted);
}

TEST_F(BrokenTokenizer, EveryKeyOfTokenizerConfig) {
  Json whole = read_json(folder_.file("tokenizer_config.json"));
  whole["add_prefix_space"] = false;
  whole["pad_token"] = {{"content", "<|pad|>"}, {"lstrip", false}};
  whole["added_tokens_decoder"] = {{"0", {{"content", "<|bos|>"}, {"special", true}}}};
  whole["chat_template"] = "{{ messages }}";
  try_all("tokenizer_config.json", whole);
  // Keys that change no id are not read, so nothing is wrong with them.
  for (const std::string key :
       {"/chat_template", "/clean_up_tokenization_spaces", "/tokenizer_class", "/surprise",
        "/pad_token/surprise", "/pad_token/lstrip", "/added_tokens_decoder/*/special",
        "/added_tokens_decoder/*/surprise"}) {
    EXPECT_GE(std::erase_if(harmless_, [&](const auto& h) { return h.starts_with(key + " "); }), 1u)
        << key;
  }
  EXPECT_EQ(harmless_, (std::set<std::string>{
                           " empty object", "/add_prefix_space null", "/add_prefix_space removed",
                           "/added_tokens_decoder empty object", "/added_tokens_decoder null",
                           "/added_tokens_decoder removed", "/added_tokens_decoder/* removed",
                           "/bos_token null", "/bos_token removed", "/eos_token null",
                           "/eos_token removed", "/pad_token null", "/pad_token removed"}));
}

TEST_F(BrokenTokenizer, CutAnywhere) {
  for (const std::string name : {"tokenizer.json", "tokenizer_config.json"}) {
    const std::string path = folder_.file(name), whole = read_file(path);
    for (std::size_t bytes = 0; bytes + 2 <= whole.size(); bytes += bytes < 300 ? 1 : 41) {
      write_file(path, whole.substr(0, bytes));
      const std::string error = load_error();
      ASSERT_NE(error.find(name + ", line "), std::string::npos) << error;
      ASSERT_NE(error.find("not valid JSON (the file ends too early)"), std::string::npos) << error;
    }
    write_file(path, whole);
    EXPECT_EQ(load_error(), "");
  }
}

TEST_F(BrokenTokenizer, NumbersTooLargeAndDeepListsAreErrors) {
  const std::string path = folder_.file("tokenizer.json");
  write_file(path, "{\"version\": 1e999}");
  expect_contains(load_error(), "tokenizer.json");
  write_file(path, std::string(1 << 20, '['));
  expect_contains(load_error(), "tokenizer.json: lists and objects lie more than 200 deep");
  write_file(path, "[{\"[\\\"[[[\": [[]]}]");
  expect_contains(load_error(), "expected an object");
}

}  // namespace
}  // namespace ramoe
