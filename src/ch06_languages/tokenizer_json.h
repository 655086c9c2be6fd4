// Chapter 6.5 - tokenizers as files: tokenizer.json and tokenizer_config.json
//
// The format of the PyPI package `tokenizers`, version "1.0", so that Hugging Face tools read what
// we write. We read the part of it that we can honour exactly: model BPE over bytes, pre-tokenizer
// Split by a known pattern and then ByteLevel, normalizer NFC or none. Anything else is an Error
// that names the key, never a tokenizer that almost agrees.
#pragma once

#include <string>
#include <string_view>

#include "ch06_languages/bpe.h"

namespace ramoe {

/// Writes folder/tokenizer.json and folder/tokenizer_config.json; makes the folder if need be.
void save_tokenizer(const Tokenizer& tokenizer, const std::string& folder);

/// Reads both files. Error: broken JSON, a key unknown, missing or with a value we cannot honour,
/// ids with holes or duplicates, a merge of unknown tokens, a bos, eos or pad token that does not
/// exist.
Tokenizer load_tokenizer(const std::string& folder);

/// Bytes as the printable characters that tokenizer.json writes for them (GPT-2's alphabet: a blank
/// is U+0120).
std::string to_byte_letters(std::string_view bytes);

/// The inverse. False if a character is not of the alphabet; `bytes` is then unspecified.
bool from_byte_letters(std::string_view letters, std::string& bytes);

}  // namespace ramoe
