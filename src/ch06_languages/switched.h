// Chapter 6.12 - switched questions: the frame of one language with the names of another
//
//   English                        repeat two : octopus ?
//   English frame, Swahili names   repeat mbili : pweza ?
//   Swahili frame, English names   rudia two : octopus ?
//
// The frame is all cue words, the words for plus and minus and the answer; the names are
// territories, emoji and numbers. They tell which of the two a model fails at (chapter 7.6).
// Tests: tests/ch06_languages/switched_test.cpp
#pragma once

#include "ch06_languages/corpus.h"

namespace ramoe {

/// The item `id` as asked and answered in the language `frame`, but with the names of `names` in
/// its question.
Example switched_example(const Corpus& corpus, const std::string& id, const std::string& frame,
                         const std::string& names);

}  // namespace ramoe
