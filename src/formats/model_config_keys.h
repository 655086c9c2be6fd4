// Formats - keys of config.json that are not sizes of a model: accepted, skipped or refused
//
//   fixed     another value would compute something else: refused; names the accepted values
//   passive   known not to change the computation here: skipped
//   unknown   skipped with a note, or refused if the name may mean a part of the computation
//
// The lists contain the keys that transformers 4.40 to 5.24 writes for the three families, and
// those that other tools leave in such files. Tests: tests/formats/model_config_reader_test.cpp
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ch04_moe/model_config.h"

namespace ramoe {

/// Keys with the only values that this family supports; null (not set) is accepted too.
std::map<std::string, std::vector<Json>> fixed_keys(const ModelConfig& family);

bool is_passive_key(const std::string& key);

/// Whether a key that is on no list may be skipped. transformers ignores keys that its classes for
/// these families do not read, so such a key does not change the reference. It must not be skipped
/// if it is a misspelt key of `read`, or if its name contains a word of a model's computation: a
/// newer or another program may use it.
bool may_be_passed_over(const std::string& key, const std::vector<std::string>& read);

}  // namespace ramoe
