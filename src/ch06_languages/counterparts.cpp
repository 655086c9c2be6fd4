#include "ch06_languages/counterparts.h"

namespace ramoe {
namespace {

/// A segment of a prompt, [begin, end).
struct Segment {
  int begin, end;
};

/// Texts and signs in turn: segment 0, 2, 4, ... are the texts between the signs, perhaps empty.
std::vector<Segment> segments_of(const std::string& signs) {
  std::vector<Segment> segments = {{0, 0}};
  for (int t = 0; t < static_cast<int>(signs.size()); ++t) {
    if (signs[std::size_t(t)] == ' ') {
      segments.back().end = t + 1;
    } else {
      segments.push_back({t, t + 1});
      segments.push_back({t + 1, t + 1});
    }
  }
  return segments;
}

std::string without_blanks(std::string signs) {
  std::erase(signs, ' ');
  return signs;
}

/// The sign that a token is, white space aside; ' ' if it is none.
char sign_of(std::string sign) {
  std::erase_if(sign, [](char byte) { return byte == ' ' || byte == '\n' || byte == '\t'; });
  return sign == ":" || sign == "," || sign == "?" ? sign[0] : ' ';
}

}  // namespace

PromptTokens prompt_tokens(const Tokenizer& tokenizer, const TrainingSequence& sequence, int bos) {
  PromptTokens prompt;
  for (int t = 0; t < sequence.prompt; ++t) {
    const int token = sequence.tokens[std::size_t(t)];
    if (token == bos) continue;
    prompt.at.push_back(t);
    prompt.signs += sign_of(tokenizer.token(token));
  }
  return prompt;
}

std::vector<int> counterparts(const std::string& english_signs, const std::string& target_signs) {
  std::vector<Segment> english = {{0, static_cast<int>(english_signs.size())}};
  std::vector<Segment> target = {{0, static_cast<int>(target_signs.size())}};
  if (without_blanks(english_signs) == without_blanks(target_signs)) {
    english = segments_of(english_signs);
    target = segments_of(target_signs);
  }
  std::vector<int> from(target_signs.size(), -1);
  for (std::size_t s = 0; s < target.size(); ++s) {
    const int length = target[s].end - target[s].begin, count = english[s].end - english[s].begin;
    for (int t = target[s].begin; t < target[s].end && count > 0; ++t)
      from[std::size_t(t)] = english[s].end - 1 - (target[s].end - 1 - t) * count / length;
  }
  return from;
}

}  // namespace ramoe
