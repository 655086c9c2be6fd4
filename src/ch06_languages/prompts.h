// Chapter 6.10 - prompts: from a question to what a model reads, and from its output to an answer
//
//   [BOS] template with the question in it | prefix answer EOS
//          <------------ prompt ---------->  <- what is learnt ->
//
// Our own models read the question alone, and a blank stands before the answer. A model from
// elsewhere expects its own form, such as "Question: {question}\nAnswer:" or a chat's
// "<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n". Special tokens are recognised
// in the template; what spells one in a question, an answer or a general text stays plain text.
// The question is tokenised together with the template's text around it, up to the next special
// token, so that pieces fall as in ordinary text; prompt and answer are tokenised apart.
// Routing statistics are over all tokens of the prompt but BOS: the template's too (a choice; they
// are the same in both languages, so short templates blur the divergence less).
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
  std::string stop;      // ends an answer wherever it comes up in it; empty: only EOS does
  int bos = -1;          // opens every prompt and text; -1: nothing does
  std::vector<int> eos;  // each ends an answer; the first closes those to be learnt
};

/// A text as typed on a command line: \n, \t and \\ become new line, tab and backslash. Error with
/// the key: another character behind a backslash.
std::string unescaped(const std::string& key, const std::string& text);
/// Sets the stop text as typed. One that is a special token is an EOS as well.
void set_stop(PromptFormat& format, const Tokenizer& tokenizer, const std::string& typed);

class Prompts {
 public:
  /// Questions alone, with the tokenizer's BOS and EOS as far as it has them. Not explicit: where
  /// prompts are wanted, a tokenizer stands for this plain form.
  Prompts(const Tokenizer& tokenizer);
  /// The tokenizer must outlive the object. Error: not exactly one {question} in the template, ids
  /// outside the vocabulary, neither EOS nor stop text, so that no answer could end.
  Prompts(const Tokenizer& tokenizer, PromptFormat format);

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const PromptFormat& format() const { return format_; }

  /// BOS and the template with the question. Error: no token at all.
  std::vector<int> prompt(CachedEncoder& encoder, const std::string& question) const;
  /// BOS and the text without the template.
  std::vector<int> text(CachedEncoder& encoder, const std::string& text) const;
  /// Prompt, prefix, answer and EOS (the stop text if there is no EOS); `prompt` of the result
  /// counts the tokens up to the prefix. An empty question: BOS, answer, EOS and no template.
  TrainingSequence example(CachedEncoder& encoder, const std::string& question,
                           const std::string& answer) const;

  /// Whether an output has ended by the stop text, which may have special tokens in it; EOS is the
  /// business of generate().
  bool has_stopped(const std::vector<int>& output) const;
  /// The text of an output, up to the stop text, without special tokens. Broken bytes of a
  /// character that was not ended become U+FFFD, so that the text can be kept in JSON.
  std::string answer_text(const std::vector<int>& output) const;

 private:
  /// A special token, or text that the question may belong to.
  struct Part {
    int token = -1;
    std::string before, after;  // of a text: around the question, if it has one
    bool has_question = false;
  };
  void parse_template();

  const Tokenizer* tokenizer_;
  PromptFormat format_;
  std::vector<Part> parts_;
};

/// Prompts(tokenizer).prompt(...): BOS and the question.
std::vector<int> encode_prompt(CachedEncoder& encoder, const Tokenizer& tokenizer,
                               const std::string& question);
/// Prompts(tokenizer).example(...): BOS, question, answer, EOS.
TrainingSequence encode_example(CachedEncoder& encoder, const Tokenizer& tokenizer,
                                const std::string& question, const std::string& answer);

}  // namespace ramoe
