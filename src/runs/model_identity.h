// Runs - which model a folder holds, without reading all of it
//
// A run that builds on a model of tens of gigabytes refers to its folder and notes what was there:
// a checksum of each file up to 1 GiB, and of each larger one its size, its header and samples of
// its data. That finds another model, another fine-tuning of it or a broken download; of the larger
// ones it is no proof against one changed number.
// Tests: tests/runs/model_identity_test.cpp
#pragma once

#include <string>

#include "support/files.h"

namespace ramoe {

/// File name -> checksum, sorted, for config.json, generation_config.json, the tokenizer's files,
/// the index of the shards and all *.safetensors. Error: no such folder, no config.json or no
/// weights in it, a weight file that cannot be read.
Json model_identity(const std::string& folder);

/// In words, what of the files in this folder model_identity looks at.
std::string identity_method(const std::string& folder);

/// Error naming the first file of `noted` that is missing or different now, or that is new.
void check_identity(const std::string& folder, const Json& noted);

}  // namespace ramoe
