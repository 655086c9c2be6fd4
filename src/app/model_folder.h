// App - a folder in Hugging Face's format: how its model is prompted, and saved after training
#pragma once

#include <string>
#include <vector>

#include "ch06_languages/prompts.h"
#include "formats/model_files.h"

namespace ramoe {

/// Reads a config.json, or that of a folder. What is ignored in it is reported on standard error.
ModelConfig read_model_config(const std::string& path);
ModelConfig load_model_config(const std::string& folder);

/// Whether BOS opens a text. automatic: if tokenizer and config.json name the same one, or if
/// add_bos_token of tokenizer_config.json is true, but not if that is false.
enum class UseBos { automatic, never, always };
constexpr auto names(UseBos) {
  return std::array{"auto", "never", "always"};
}

/// Prompts with the question alone, and the BOS and EOS tokens that the files of the folder name.
/// Every EOS of tokenizer, config.json and generation_config.json ends an answer; the tokenizer's
/// is first.
PromptFormat folder_format(const std::string& folder, const Tokenizer& tokenizer,
                           const ModelConfig& config, UseBos bos = UseBos::automatic);

/// Error if the text has what looks like a special token of a chat, "<|...|>", but is neither a
/// token of this tokenizer nor in the chat template of the folder. `key` names the text.
void check_specials(const std::string& key, const std::string& text, const Tokenizer& tokenizer,
                    const std::string& folder);

/// Saves a model that was read from `from` and then trained: config.json and generation_config.json
/// with all their keys, of which `eos` (the learnt one first) and the dtype may be new; the files
/// of tokenizer, chat templates, licences and code byte by byte; and the weights in the given form
/// (see saved_dtypes), to which the values must already be rounded. Returns the names of the copied
/// files.
std::vector<std::string> save_tuned_model(const Model<float>& model, const std::string& from,
                                          const std::string& to, const std::vector<int>& eos,
                                          const SavedForm& form);

}  // namespace ramoe
