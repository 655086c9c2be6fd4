// Runs - which model a folder holds, without reading all of it
//
// A run that builds on a model of tens of gigabytes refers to its folder and notes its content: a
// checksum of each file up to 1 GiB, and of each larger file a checksum of its size, its header and
// samples of its data. This finds another model, another fine-tuning or a broken download, but it
// may miss a single changed number in a larger file.
// Tests: tests/runs/model_identity_test.cpp
#pragma once

#include <string>

#include "support/files.h"

namespace ramoe {

/// File name -> checksum, sorted, for config.json, generation_config.json, the tokenizer's files,
/// the index of the shards and all *.safetensors. Error: no such folder, no config.json, no
/// weights, or a weight file that cannot be read.
Json model_identity(const std::string& folder);

/// Says in words which part of the files in this folder model_identity checks.
std::string identity_method(const std::string& folder);

/// Error if a file of `noted` is missing or different now, or if a file is new; names the first.
void check_identity(const std::string& folder, const Json& noted);

}  // namespace ramoe
