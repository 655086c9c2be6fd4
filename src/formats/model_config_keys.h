// Formats - config.json is an open format: what is done with a key that is no size of a model
//
//   fixed     another value would compute something else: refused, naming the values accepted
//   passive   known to change nothing that is computed here: passed over
//   unknown   passed over with a note, or refused if its name may mean a part of the computation
//
// The lists are what transformers 4.40 to 5.24 writes for the three families, and what other tools
// leave in such files. Tests: tests/formats/model_config_reader_test.cpp
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ch04_moe/model_config.h"

namespace ramoe {

/// Keys with the values that this family computes with; null, not set, is accepted too.
std::map<std::string, std::vector<Json>> fixed_keys(const ModelConfig& family);

bool is_passive_key(const std::string& key);

/// Whether a key that is on no list may be passed over. transformers ignores whatever its classes
/// for these families do not read, so such a key cannot change what is compared with. Not so if it
/// is one of `read` misspelt, or if its name has a word of a model's computation in it: a newer or
/// another program may compute something else by it.
bool may_be_passed_over(const std::string& key, const std::vector<std::string>& read);

}  // namespace ramoe
