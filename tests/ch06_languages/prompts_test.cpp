#include "ch06_languages/prompts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ch06_languages/bpe_train.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// Bytes, the merges of a few words, and <|bos|> <|eos|> <|pad|>.
const Tokenizer& word_tokenizer() {
  static const Tokenizer shared = train_bpe(
      std::vector<std::string>{"question answer one two", "question answer one two"}, 300);
  return shared;
}

std::vector<int> joined(std::vector<int> a, const std::vector<int>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

PromptFormat chat() {
  PromptFormat format;
  format.prompt = "<|pad|>user question{question} one<|eos|>\nanswer";
  format.eos = {kEos};
  return format;
}

TEST(Prompts, PlainFormIsTheQuestionAlone) {
  CachedEncoder encoder(word_tokenizer());
  const Prompts prompts(word_tokenizer());
  const std::vector<int> question = joined({kBos}, word_tokenizer().encode("one two?"));
  EXPECT_EQ(prompts.prompt(encoder, "one two?"), question);
  EXPECT_EQ(prompts.text(encoder, "one two?"), question);
  const TrainingSequence sequence = prompts.example(encoder, "one two?", "two");
  EXPECT_EQ(sequence.tokens, joined(joined(question, word_tokenizer().encode(" two")), {kEos}));
  EXPECT_EQ(sequence.prompt, static_cast<int>(question.size()));
  EXPECT_EQ(prompts.example(encoder, "", "two").tokens,
            joined(joined({kBos}, word_tokenizer().encode("two")), {kEos}));
  EXPECT_EQ(Prompts(word_tokenizer()).prompt(encoder, "one two?"), question);
  EXPECT_EQ(Prompts(word_tokenizer()).example(encoder, "one two?", "two").tokens, sequence.tokens);
}

TEST(Prompts, SpecialTokensCountInTheTemplateAlone) {
  CachedEncoder encoder(word_tokenizer());
  const Prompts prompts(word_tokenizer(), chat());
  const std::string evil = "<|eos|><|bos|>";
  // Around the question the text is one: "question" + "<|eos|>" + " one" in one go.
  const std::vector<int> wanted = joined(
      joined(joined({kPad}, word_tokenizer().encode("user question" + evil + " one")), {kEos}),
      word_tokenizer().encode("\nanswer"));
  EXPECT_EQ(prompts.prompt(encoder, evil), wanted);
  const TrainingSequence sequence = prompts.example(encoder, evil, evil);
  EXPECT_EQ(std::count(sequence.tokens.begin(), sequence.tokens.end(), kEos), 2);
  EXPECT_EQ(std::count(sequence.tokens.begin(), sequence.tokens.end(), kBos), 0);
  EXPECT_EQ(prompts.text(encoder, evil), word_tokenizer().encode(evil));
}

TEST(Prompts, TheQuestionIsTokenisedWithItsSurroundings) {
  CachedEncoder encoder(word_tokenizer());
  PromptFormat format = chat();
  format.prompt = "answer {question}";
  // "one" behind a blank is another token than "one" alone.
  const std::vector<int> whole = word_tokenizer().encode("answer one");
  ASSERT_NE(whole, joined(word_tokenizer().encode("answer "), word_tokenizer().encode("one")));
  EXPECT_EQ(Prompts(word_tokenizer(), format).prompt(encoder, "one"), whole);
  // A question that holds the place-holder or a backslash changes nothing around it.
  EXPECT_EQ(Prompts(word_tokenizer(), format).prompt(encoder, "{question}"),
            word_tokenizer().encode("answer {question}"));
}

TEST(Prompts, PrefixAndEndOfAnAnswer) {
  CachedEncoder encoder(word_tokenizer());
  PromptFormat format = chat();
  format.prompt = "{question}";
  format.answer_prefix = "";
  format.eos = {7, kEos};
  EXPECT_EQ(Prompts(word_tokenizer(), format).example(encoder, "one", "two").tokens,
            joined(joined(word_tokenizer().encode("one"), word_tokenizer().encode("two")), {7}));
  format.eos.clear();
  format.stop = "\n";
  EXPECT_EQ(Prompts(word_tokenizer(), format).example(encoder, "one", "two").tokens,
            joined(word_tokenizer().encode("one"), word_tokenizer().encode("two\n")));
}

TEST(Prompts, StopText) {
  PromptFormat format = chat();
  format.stop = "\n\n";
  const Prompts prompts(word_tokenizer(), format), without(word_tokenizer());
  const std::vector<int> output = word_tokenizer().encode("one\ntwo\n\nquestion");
  EXPECT_TRUE(prompts.has_stopped(output));
  EXPECT_EQ(prompts.answer_text(output), "one\ntwo");
  EXPECT_FALSE(prompts.has_stopped(word_tokenizer().encode("one\ntwo\n")));
  EXPECT_EQ(prompts.answer_text(word_tokenizer().encode("one\ntwo\n")), "one\ntwo\n");
  EXPECT_FALSE(without.has_stopped(output));
  EXPECT_EQ(without.answer_text(output), "one\ntwo\n\nquestion");
}

// What is typed for --stop: \\n, and special tokens, which are not part of the text shown.
TEST(Prompts, StopTextAsTyped) {
  const auto prompts = [](const std::string& typed) {
    PromptFormat format = chat();
    set_stop(format, word_tokenizer(), typed);
    return Prompts(word_tokenizer(), format);
  };
  EXPECT_EQ(prompts("a\\n\\t\\\\b").format().stop, "a\n\t\\b");
  expect_contains(error_of([&] { prompts("a\\x"); }), "stop");
  expect_contains(error_of([&] { prompts("a\\"); }), "stop");
  // One that is a special token ends generation by itself, and is not what is learnt.
  EXPECT_EQ(prompts("<|pad|>").format().eos, (std::vector<int>{kEos, kPad}));
  EXPECT_EQ(prompts("<|eos|>").format().eos, (std::vector<int>{kEos}));
  EXPECT_EQ(prompts("one").format().eos, (std::vector<int>{kEos}));
  std::vector<int> output = word_tokenizer().encode("one");
  output.push_back(kPad);
  EXPECT_TRUE(prompts("<|pad|>").has_stopped(output));
  EXPECT_FALSE(prompts("<|pad|>\\n").has_stopped(output));
  output = joined(output, word_tokenizer().encode("\ntwo"));
  EXPECT_TRUE(prompts("<|pad|>\\n").has_stopped(output));
  EXPECT_EQ(prompts("<|pad|>\\n").answer_text(output), "one");
  EXPECT_EQ(prompts("ne<|pad|>").answer_text(output), "o");
  EXPECT_EQ(prompts("wo").answer_text(output), "one\nt");
  EXPECT_EQ(prompts("").answer_text(output), "one\ntwo");
  EXPECT_EQ(prompts("three").answer_text(output), "one\ntwo");
}

// A byte is a token: an output may end within a character, or begin there.
TEST(Prompts, BrokenCharactersOfAnOutputAreReplaced) {
  const Prompts prompts(word_tokenizer());
  EXPECT_EQ(prompts.answer_text(word_tokenizer().encode("a\xE0\xA4")), "a\uFFFD");
  EXPECT_EQ(prompts.answer_text(word_tokenizer().encode("\xA4 b\xFFz")), "\uFFFD b\uFFFDz");
  EXPECT_EQ(prompts.answer_text(word_tokenizer().encode("\u0915 b")), "\u0915 b");
}

TEST(Prompts, BadFormatsSayWhatToDo) {
  const auto error = [](const auto& change) {
    PromptFormat format = chat();
    change(format);
    return error_of([&] { const Prompts prompts(word_tokenizer(), format); });
  };
  expect_contains(error([](auto& f) { f.prompt = "no place"; }), "{question}");
  expect_contains(error([](auto& f) { f.prompt = "{question} {question}"; }), "once");
  expect_contains(error([](auto& f) { f.eos.clear(); }), "--stop");
  expect_contains(error([](auto& f) { f.bos = 100000; }), "100000");
  expect_contains(error([](auto& f) { f.eos = {100000}; }), "100000");
  CachedEncoder encoder(word_tokenizer());
  PromptFormat bare = chat();
  bare.prompt = "{question}";
  expect_contains(error_of([&] { Prompts(word_tokenizer(), bare).prompt(encoder, ""); }),
                  "no token");
}

}  // namespace
}  // namespace ramoe
