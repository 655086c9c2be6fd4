// App - a folder of Hugging Face's form: how its model is prompted and saved after training
#pragma once

#include <string>
#include <vector>

#include "ch06_languages/prompts.h"
#include "formats/model_files.h"

namespace ramoe {

/// Reads a config.json, or that of a folder. What is passed over in it is said on standard error.
ModelConfig read_model_config(const std::string& path);
ModelConfig load_model_config(const std::string& folder);

/// Prompts with the question alone, the BOS and the EOS tokens that the folder's files name. BOS as
/// `bos` says: auto puts it if tokenizer and config.json name the same one, or add_bos_token of
/// tokenizer_config.json is true, but not where that is false. Every EOS of tokenizer, config.json
/// and generation_config.json ends an answer, the tokenizer's first.
PromptFormat folder_format(const std::string& folder, const Tokenizer& tokenizer,
                           const ModelConfig& config, const std::string& bos = "auto");

/// Error for what looks like a special token of a chat, "<|...|>", and neither is one of this
/// tokenizer's nor stands in the folder's own chat template. `key` names the text.
void check_specials(const std::string& key, const std::string& text, const Tokenizer& tokenizer,
                    const std::string& folder);

/// Saves a model that was read from `from` and trained: its config.json and generation_config.json
/// with all their keys, where `eos` (the one that was learnt first) and the dtype may be new; the
/// files of tokenizer and chat templates, licences and code byte by byte; and the weights as
/// `dtype` says (see saved_dtypes). The values must be rounded to it. Returns the names of the
/// files that were copied.
std::vector<std::string> save_tuned_model(const Model<float>& model, const std::string& from,
                                          const std::string& to, const std::vector<int>& eos,
                                          const SavedForm& form);

}  // namespace ramoe
