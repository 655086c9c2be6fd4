// Formats - checksums.txt next to a model: the checksums of its files when the run wrote them
//
//   <64 hexadecimal digits>  model/config.json      as sha256sum writes and checks it
//
// Runs list the small files of their model folder, since weights have their own checksum
// (safetensors.h); the models that come with the program list all files. A damaged file is found
// before anything is read from it. Tests: tests/formats/checksum_list_test.cpp
#pragma once

#include <string>

namespace ramoe {

inline constexpr const char* checksum_list_name = "checksums.txt";

/// Writes folder/checksums.txt for the files in folder/model except the weights.
void write_checksum_list(const std::string& folder);

/// Compares the listed files with folder/checksums.txt, if it exists. A listed file outside of
/// model/ may be missing. Error: a file differs or is missing, or a line is not a checksum; says
/// what to do.
void check_checksum_list(const std::string& folder);

/// check_checksum_list for the run that a model folder such as runs/base/model belongs to.
void check_model_folder(const std::string& model_folder);

}  // namespace ramoe
