// Chapter 6.10 - prompts: from a question to what a model reads, and from its output to an answer
//
//   [BOS] template with the question in it | prefix answer EOS
//          <------------ prompt ---------->  <- what is learnt ->
//
// Our own models read only the question, followed by a blank and the answer. Other models expect
// their own form, such as "Question: {question}\nAnswer:" or a chat's
// "<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n". Special tokens are recognised
// only in the template, not in a question, an answer or a general text. The question is tokenised
// together with the text of the template around it, up to the next special token, so that the
// pieces are those of ordinary text; prompt and answer are tokenised separately.
// Routing statistics are over all tokens of the prompt except BOS, with those of the template (a
// choice; they are the same in both languages, so short templates blur the divergence less).
// Tests: tests/ch06_languages/prompts_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch05_training/trainer.h"
#include "ch06_languages/bpe.h"

namespace ramoe {

struct PromptFormat {
  std::string prompt = "{question}";
  std::string answer_prefix = " ";
  std::string stop;      // ends an answer where it occurs; empty: only EOS does
  int bos = -1;          // starts every prompt and text; -1: no BOS
  std::vector<int> eos;  // each ends an answer; the first is learnt as the end
};

/// Converts a text typed on a command line: \n, \t and \\ become new line, tab and backslash.
/// Error: another character after a backslash; names the key.
std::string unescaped(const std::string& key, const std::string& text);
/// Sets the stop text from typed text. If it is a special token, it is added to `eos` too.
void set_stop(PromptFormat& format, const Tokenizer& tokenizer, const std::string& typed);

class Prompts {
 public:
  /// Only the question, with the BOS and EOS of the tokenizer if it has them. Not explicit, so that
  /// a tokenizer can be passed where prompts are expected.
  Prompts(const Tokenizer& tokenizer);
  /// The tokenizer must outlive the object. Error: not exactly one {question} in the template, ids
  /// outside the vocabulary, neither EOS nor stop text (answers would not end).
  Prompts(const Tokenizer& tokenizer, PromptFormat format);

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const PromptFormat& format() const { return format_; }

  /// BOS and the template with the question. Error: no token at all.
  std::vector<int> prompt(CachedEncoder& encoder, const std::string& question) const;
  /// BOS and the text without the template.
  std::vector<int> text(CachedEncoder& encoder, const std::string& text) const;
  /// Prompt, prefix, answer and EOS (the stop text if there is no EOS); `prompt` of the result is
  /// the number of tokens before the prefix. An empty question gives BOS, answer, EOS and no
  /// template.
  TrainingSequence example(CachedEncoder& encoder, const std::string& question,
                           const std::string& answer) const;

  /// Whether an output contains the stop text, which may have special tokens in it; generate()
  /// handles EOS.
  bool has_stopped(const std::vector<int>& output) const;
  /// The text of an output up to the stop text, without special tokens. Bytes of an incomplete
  /// character become U+FFFD, so that the text can be stored in JSON.
  std::string answer_text(const std::vector<int>& output) const;

 private:
  /// A special token, or text that the question may belong to.
  struct Part {
    int token = -1;
    std::string before, after;  // the text around the question, if there is one
    bool has_question = false;
  };
  void parse_template();

  const Tokenizer* tokenizer_;
  PromptFormat format_;
  std::vector<Part> parts_;
};

}  // namespace ramoe
