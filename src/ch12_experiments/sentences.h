// Chapter 12.5 - what was seen, in sentences made from the numbers alone
//
// Each sentence states no more than its numbers: a difference within noise is called that, a number
// without an interval is not judged, and what was not measured is not mentioned or called n/a.
// Tests: tests/ch12_experiments/sentences_test.cpp compares them with their JSON.
#pragma once

#include <string>
#include <vector>

#include "ch12_experiments/run_results.h"

namespace ramoe {

/// "RA-MoE" for ramoe and so on; other names as they are.
std::string method_label(const std::string& method);
/// The same where there is more room: "Routing Steering (soft) of the base model".
std::string method_in_words(const std::string& method);

/// Of results that compare_methods (comparison.h) has completed.
std::vector<std::string> sentences(const RunResults& results);

/// Of one fine-tuning run: a sentence for each row of `accuracy`, each with the one method of the
/// run, and what cannot be said of one seed.
std::vector<std::string> run_sentences(const RunResults& results);

}  // namespace ramoe
