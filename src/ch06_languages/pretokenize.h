// Chapter 6.1 - cutting text into pieces that byte-pair merges never cross
//
// A tokenizer.json defines the pieces by a regular expression. We know a few of these expressions
// and have a handwritten scanner for each; any other one is an Error, never a guess.
//
// Our own (choice), kWordsPattern: in Hindi and Thai the vowel signs are marks, \p{M}. GPT-2's
// expression treats them as punctuation and cuts words apart; here letters and marks stay together.
// Each digit is a piece, so that a number is read digit by digit.
//
//   "Kenya : 12"  ->  "Kenya" " :" " 1" "2"
//
// Those of real models, so that their files load: GPT-2's (OLMoE), Qwen2's (Qwen1.5-MoE, Qwen3-MoE)
// and Llama 3's. Classes are those of unicode.h, white space is the property White_Space. Under
// (?i:...) the long s U+017F counts as s; no other character folds to a letter of the contractions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ramoe {

inline constexpr char kWordsPattern[] =
    R"( ?[\p{L}\p{M}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s+(?!\S)|\s+)";

inline constexpr char kGpt2Pattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

inline constexpr char kQwen2Pattern[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// The same as Qwen2's, but with up to three digits together.
inline constexpr char kLlama3Pattern[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// Length in bytes (at least 1) of the piece that starts at byte `at` < text.size().
/// Invalid UTF-8 counts as U+FFFD, that is, as punctuation; its bytes stay unchanged.
using PieceScanner = std::size_t (*)(std::string_view text, std::size_t at);

/// The scanner of a pattern. Error: no scanner for it; names the pattern and the known ones.
PieceScanner find_scanner(const std::string& pattern);

/// The pieces, in order; joined they are the text.
std::vector<std::string_view> pretokenize(std::string_view text, PieceScanner scanner);

}  // namespace ramoe
