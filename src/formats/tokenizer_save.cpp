#include "formats/tokenizer_json.h"
#include "support/files.h"
#include "support/json.h"

namespace ramoe {
namespace {

Json byte_level_json(bool add_prefix_space, bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

/// The spelling of each id in model.vocab or added_tokens; empty: the id is a hole.
std::vector<std::string> names_of(const TokenizerParts& parts) {
  std::vector<std::string> names;
  for (const std::string& bytes : parts.tokens) names.push_back(to_byte_letters(bytes));
  for (const AddedToken& a : parts.added) {
    names[static_cast<std::size_t>(a.id)] = parts.tokens[static_cast<std::size_t>(a.id)];
  }
  return names;
}

Json model_json(const TokenizerParts& parts, const std::vector<std::string>& names) {
  std::vector<char> listed(names.size(), 1);
  for (const AddedToken& a : parts.added) listed[static_cast<std::size_t>(a.id)] = a.in_vocab;
  Json vocab = Json::object(), merges = Json::array();
  auto& entries = vocab.get_ref<Json::object_t&>();
  for (std::size_t id = 0; id < names.size(); ++id) {
    // The names are distinct, so the search of operator[] is not needed.
    if (listed[id] && !names[id].empty()) entries.emplace_back(names[id], id);
  }
  const auto name = [&](int id) { return names[static_cast<std::size_t>(id)]; };
  for (const Merge& m : parts.merges) merges.push_back(name(m.left) + " " + name(m.right));
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", parts.ignore_merges},
          {"vocab", vocab},
          {"merges", merges}};
}

Json pre_tokenizer_json(const TokenizerParts& parts) {
  if (parts.pattern == kGpt2Pattern) return byte_level_json(false, true);
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", parts.pattern}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const Json steps = Json::array({split, byte_level_json(false, false)});
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

Json tokenizer_json(const TokenizerParts& parts) {
  const std::vector<std::string> names = names_of(parts);
  Json added = Json::array();
  for (const AddedToken& a : parts.added) {
    added.push_back({{"id", a.id},
                     {"content", names[static_cast<std::size_t>(a.id)]},
                     {"single_word", a.single_word},
                     {"lstrip", a.lstrip},
                     {"rstrip", a.rstrip},
                     {"normalized", a.normalized},
                     {"special", a.special}});
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", parts.nfc ? Json{{"type", "NFC"}} : Json(nullptr)},
          {"pre_tokenizer", pre_tokenizer_json(parts)},
          {"post_processor", json_or_discarded(parts.post_processor)},
          {"decoder", byte_level_json(true, true)},
          {"model", model_json(parts, names)}};
}

}  // namespace

void save_tokenizer(const Tokenizer& tokenizer, const std::string& folder) {
  const TokenizerParts& parts = tokenizer.parts();
  const auto named = [&](int id) { return id < 0 ? Json(nullptr) : Json(tokenizer.token(id)); };
  make_folder(folder);
  write_json(folder + "/tokenizer.json", tokenizer_json(parts));
  write_json(folder + "/tokenizer_config.json", {{"tokenizer_class", "PreTrainedTokenizerFast"},
                                                 {"bos_token", named(parts.bos)},
                                                 {"eos_token", named(parts.eos)},
                                                 {"pad_token", named(parts.pad)},
                                                 {"clean_up_tokenization_spaces", false}});
}

}  // namespace ramoe
