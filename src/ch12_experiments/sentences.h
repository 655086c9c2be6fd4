// Chapter 12.6 - the results in sentences, made from the numbers alone
//
// No sentence states more than its numbers do. A difference within noise is called that, a number
// without an interval is not judged, and what was not measured is left out or called n/a.
// Tests: tests/ch12_experiments/sentences_test.cpp compares them with their JSON.
#pragma once

#include <string>
#include <vector>

#include "ch12_experiments/run_results.h"

namespace ramoe {

/// "RA-MoE" for ramoe and so on; other names as they are.
std::string method_label(const std::string& method);
/// A longer form of the same: "Routing Steering (soft) of the base model".
std::string method_in_words(const std::string& method);
/// Whether the method is an extension of ours, and not the paper's or published elsewhere.
bool method_is_ours(const std::string& method);
/// The form of headroom (7.6) that a method's loss asks for: last of ramoe-last, else seq.
std::string asked_form(const std::string& method);

/// The sentences of results that compare_methods() (comparison.h) has completed.
std::vector<std::string> sentences(const RunResults& results);

/// The sentences of one fine-tuning run: one for each row of `accuracy`, each of which has the one
/// method of the run, and one on what a single seed cannot tell.
std::vector<std::string> run_sentences(const RunResults& results);

}  // namespace ramoe
