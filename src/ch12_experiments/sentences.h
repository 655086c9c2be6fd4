// Chapter 12.4 - what was seen, in sentences made from the numbers alone
//
// Each sentence states no more than its numbers: a difference within noise is called that, a number
// without an interval is not judged, and what was not measured is not mentioned or called n/a.
// Tests: tests/ch12_experiments/sentences_test.cpp compares them with their JSON.
#pragma once

#include <string>
#include <vector>

#include "support/files.h"

namespace ramoe {

/// Of results that compare_methods (comparison.h) has completed.
std::vector<std::string> sentences(const Json& results);

/// Of one fine-tuning run: a sentence for each row of `accuracy`, each with the one method of the
/// run, and what cannot be said of one seed.
std::vector<std::string> run_sentences(const Json& results);

}  // namespace ramoe
