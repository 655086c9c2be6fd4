// Formats - tokenizers as files: tokenizer.json and tokenizer_config.json
//
// The format of the PyPI package `tokenizers`, version "1.0", so that Hugging Face tools read what
// we write and we read the byte-level tokenizers of real models (OLMoE, Qwen, Llama 3; the forms
// are below). A setting that we cannot follow exactly is an Error that names
// the key; we never load a tokenizer that only almost agrees.
//
// Tokens keep the ids of the file. Ids may have holes: encoding never gives a hole, and it decodes
// to nothing. The vocab_size of a real model is often larger than its tokenizer.
#pragma once

#include <string>
#include <string_view>

#include "ch06_languages/bpe.h"
#include "support/json_place.h"

namespace ramoe {

/// Writes folder/tokenizer.json and folder/tokenizer_config.json; makes the folder if
/// it is missing. A loaded tokenizer gives the same ids after saving, here and in `tokenizers`.
void save_tokenizer(const Tokenizer& tokenizer, const std::string& folder);

/// Reads folder/tokenizer.json, and the names of bos, eos and pad from tokenizer_config.json or, if
/// it does not name them, special_tokens_map.json; both may be missing, and their other
/// keys (chat_template and so on) are ignored. Error: invalid JSON; a key of tokenizer.json that is
/// unknown, missing or has a value that we cannot follow; ids that are duplicate or far apart; a
/// merge of unknown tokens; a bos, eos or pad token that does not exist; add_prefix_space; an
/// added_tokens_decoder that contradicts tokenizer.json. Settings of truncation and padding are
/// ignored, as in AutoTokenizer, and `notes` gets a line that says so.
Tokenizer load_tokenizer(const std::string& folder, std::vector<std::string>* notes = nullptr);

/// Bytes as the printable characters that tokenizer.json writes for them (GPT-2's alphabet: a blank
/// is U+0120).
std::string to_byte_letters(std::string_view bytes);

/// The inverse. False if a character is not in the alphabet; `bytes` is then unspecified.
bool from_byte_letters(std::string_view letters, std::string& bytes);

// ---- The steps around the vocabulary (tokenizer_steps.cpp) --------------------------------------
//
// normalizer, pre_tokenizer, post_processor, decoder and the flags of the model, in the forms of
// the byte-level tokenizers of OLMoE, Qwen and Llama 3:
//
//   normalizer      null or NFC
//   pre_tokenizer   ByteLevel with use_regex (GPT-2's pattern), or Sequence[Split by a pattern of
//                   pretokenize.h, ByteLevel without]
//   post_processor  null, ByteLevel (offsets only), TemplateProcessing, a Sequence of these
//   decoder         ByteLevel, or a Sequence of it and Fuse

inline constexpr int kLargestId = 100'000'000;

/// Fills in nfc, pattern and ignore_merges. Error: a step that would change ids in a way that we do
/// not support; names its key.
void read_steps(const JsonPlace& root, TokenizerParts& parts);

/// Fills in before, after and post_processor. Error: another form, or an id that is not in `parts`.
void read_post_processor(const JsonPlace& root, TokenizerParts& parts);

}  // namespace ramoe
