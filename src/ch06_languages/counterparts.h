// Chapter 6.13 - counterparts: which English token a token of a target prompt corresponds to
//
//   English   Mauritania : language ?        signs  "   : ?"
//   target    Mauritania : idioma   ?        the same signs, so segment for segment
//
// Headroom forces tokens by this map (chapter 7.6), and span = tokens aligns them (chapter 10).
// Ours: the paper's abstract says nothing of single tokens.
// Tests: tests/ch06_languages/counterparts_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch06_languages/prompts.h"

namespace ramoe {

/// The prompt tokens that count, all but BOS.
struct PromptTokens {
  std::vector<int> at;  // their places in the sequence
  std::string signs;    // a char for each: ':', ',' or '?' if the token is that sign, else ' '
};
/// Of the first `sequence.prompt` tokens; `bos` is -1 if there is none.
PromptTokens prompt_tokens(const Tokenizer& tokenizer, const TrainingSequence& sequence, int bos);

/// For each target token the index of its English counterpart, -1 for none. If both prompts have
/// the same signs in the same order, as those of our tasks have in every language, then signs and
/// the segments between them correspond; otherwise each prompt is one segment. Within a segment the
/// last token corresponds to the last, and the others by their relative position.
std::vector<int> counterparts(const std::string& english_signs, const std::string& target_signs);

}  // namespace ramoe
