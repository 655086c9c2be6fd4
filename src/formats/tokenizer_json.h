// Formats - tokenizers as files: tokenizer.json and tokenizer_config.json
//
// The format of the PyPI package `tokenizers`, version "1.0", so that Hugging Face tools read what
// we write and we read the byte-level tokenizers of real models (OLMoE, Qwen, Llama 3; the forms
// are those of tokenizer_steps.h). What we cannot honour exactly is an Error that names the key,
// never a tokenizer that almost agrees.
//
// An id that the file names is the id the token gets. Ids may have holes: a hole encodes nothing
// and decodes to nothing. The vocab_size of a real model is often larger than its tokenizer.
#pragma once

#include <string>
#include <string_view>

#include "ch06_languages/bpe.h"

namespace ramoe {

/// Writes folder/tokenizer.json and folder/tokenizer_config.json; makes the folder if need be. A
/// tokenizer that was loaded gives the same ids again, here and in `tokenizers`.
void save_tokenizer(const Tokenizer& tokenizer, const std::string& folder);

/// Reads folder/tokenizer.json, and the names of bos, eos and pad from tokenizer_config.json or, if
/// it does not name them, special_tokens_map.json; both may be missing, and what else they hold
/// (chat_template and so on) is left alone. Error: broken JSON; a key of tokenizer.json unknown,
/// missing or with a value we cannot honour; ids twice or far apart; a merge of unknown tokens; a
/// bos, eos or pad token that does not exist; add_prefix_space; an added_tokens_decoder that
/// tokenizer.json contradicts. Settings of truncation and padding are ignored, as AutoTokenizer
/// does, and `notes` gets a line that says so.
Tokenizer load_tokenizer(const std::string& folder, std::vector<std::string>* notes = nullptr);

/// Bytes as the printable characters that tokenizer.json writes for them (GPT-2's alphabet: a blank
/// is U+0120).
std::string to_byte_letters(std::string_view bytes);

/// The inverse. False if a character is not of the alphabet; `bytes` is then unspecified.
bool from_byte_letters(std::string_view letters, std::string& bytes);

}  // namespace ramoe
