#include "formats/tokenizer_json.h"

namespace ramoe {
namespace {

/// Checks the type, and that all flags are booleans; their values matter only in some steps.
void read_byte_level(const JsonPlace& at) {
  at.require("type", {"ByteLevel"});
  at.only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  for (const char* key : {"add_prefix_space", "trim_offsets", "use_regex"}) {
    if (at.has(key)) at[key].flag();
  }
}

/// Checks ByteLevel as a pre-tokenizer; a missing `use_regex` means true.
void read_byte_level(const JsonPlace& at, bool use_regex) {
  read_byte_level(at);
  at.require("add_prefix_space", {false});
  if (!use_regex) at["use_regex"];
  at.expect("use_regex", {use_regex});
}

std::string read_split(const JsonPlace& at) {
  at.require("type", {"Split"});
  at.only({"type", "pattern", "behavior", "invert"});
  at.require("behavior", {"Isolated"});
  at.expect("invert", {false});
  at["pattern"].only({"Regex"});
  const std::string pattern = at["pattern"]["Regex"].text();
  try {
    find_scanner(pattern);
  } catch (const Error& error) {
    fail(at.file, ": ", at.path, ".pattern.Regex: ", error.what());
  }
  return pattern;
}

std::string read_pattern(const JsonPlace& at) {
  at.require("type", {"ByteLevel", "Sequence"});
  if (at["type"].value == "ByteLevel") {
    read_byte_level(at, true);
    return kGpt2Pattern;
  }
  at.only({"type", "pretokenizers"});
  const JsonPlace list = at["pretokenizers"];
  if (list.list().size() != 2) list.wrong("only Split followed by ByteLevel is supported");
  const std::string pattern = read_split(list[0]);
  read_byte_level(list[1], false);
  return pattern;
}

void read_decoder(const JsonPlace& at) {
  at.require("type", {"ByteLevel", "Sequence"});
  if (at["type"].value == "ByteLevel") return read_byte_level(at);
  at.only({"type", "decoders"});
  const JsonPlace list = at["decoders"];
  int byte_levels = 0;
  for (std::size_t i = 0; i < list.list().size(); ++i) {
    list[i].require("type", {"ByteLevel", "Fuse"});
    if (list[i]["type"].value == "ByteLevel") {
      read_byte_level(list[i]);
      ++byte_levels;
    } else {
      list[i].only({"type"});
    }
  }
  if (byte_levels != 1) list.expected("one ByteLevel in it, and no more");
}

/// Reads the ids that a template puts before and after its sequence A (and B, if it is `pair`).
void read_template(const JsonPlace& at, const JsonPlace& specials, const TokenizerParts& parts,
                   std::vector<int>& before, std::vector<int>& after) {
  int sequences = 0;
  for (std::size_t i = 0; i < at.list().size(); ++i) {
    const JsonPlace item = at[i];
    item.only({"SpecialToken", "Sequence"});
    if (item.object().size() != 1) item.expected("one of SpecialToken and Sequence");
    const std::string kind = item.value.begin().key();
    item[kind].only({"id", "type_id"});
    if (item[kind].has("type_id")) item[kind]["type_id"].whole(0, kLargestId);
    const std::string name = item[kind]["id"].text();
    if (kind == "Sequence") {
      item[kind].expect("id", {"A", "B"});
      ++sequences;
      continue;
    }
    if (!specials.has(name)) item[kind]["id"].wrong("special_tokens has no such token");
    const JsonPlace ids = specials[name]["ids"];
    for (std::size_t k = 0; k < ids.list().size(); ++k) {
      const int id = ids[k].whole(0, kLargestId);
      const auto v = parts.tokens.size();
      if (static_cast<std::size_t>(id) >= v) ids[k].wrong("ids are 0..", v - 1);
      (sequences ? after : before).push_back(id);
    }
  }
  if (sequences == 0) at.wrong("it leaves the text out; Sequence A is expected in it");
}

void read_processor(const JsonPlace& at, TokenizerParts& parts, bool in_sequence) {
  at["type"];
  at.expect("type", {"ByteLevel", "TemplateProcessing", in_sequence ? "ByteLevel" : "Sequence"});
  const std::string type = at["type"].text();
  if (type == "ByteLevel") return read_byte_level(at);  // touches offsets only
  if (type == "Sequence") {
    at.only({"type", "processors"});
    const JsonPlace list = at["processors"];
    for (std::size_t i = 0; i < list.list().size(); ++i) read_processor(list[i], parts, true);
    return;
  }
  at.only({"type", "single", "pair", "special_tokens"});
  if (!parts.before.empty() || !parts.after.empty()) at.wrong("one template is supported, not two");
  const JsonPlace specials = at["special_tokens"];
  for (const auto& [name, unused] : specials.object().items()) {
    specials[name].only({"id", "ids", "tokens"});
    if (specials[name]["id"].text() != name) specials[name]["id"].expected("'", name, "'");
    const JsonPlace tokens = specials[name]["tokens"], ids = specials[name]["ids"];
    if (tokens.list().size() != ids.list().size()) tokens.expected("as many as ids");
    for (std::size_t i = 0; i < tokens.list().size(); ++i) tokens[i].text();
  }
  std::vector<int> unused;
  read_template(at["pair"], specials, parts, unused, unused);  // only checked: we have no pairs
  read_template(at["single"], specials, parts, parts.before, parts.after);
}

}  // namespace

void read_steps(const JsonPlace& root, TokenizerParts& parts) {
  root.only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
             "post_processor", "decoder", "model"});
  root.require("version", {"1.0"});
  if (root.given("normalizer")) {
    root["normalizer"].require("type", {"NFC"});
    root["normalizer"].only({"type"});
    parts.nfc = true;
  }
  parts.pattern = read_pattern(root["pre_tokenizer"]);
  read_decoder(root["decoder"]);
  const JsonPlace model = root["model"];
  model.require("type", {"BPE"});
  model.only({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
              "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  model.expect("dropout", {nullptr, 0});
  model.expect("continuing_subword_prefix", {nullptr, ""});
  model.expect("end_of_word_suffix", {nullptr, ""});
  model.expect("fuse_unk", {false});
  model.expect("byte_fallback", {false});
  if (model.has("ignore_merges")) parts.ignore_merges = model["ignore_merges"].flag();
}

void read_post_processor(const JsonPlace& root, TokenizerParts& parts) {
  if (!root.given("post_processor")) return;
  const JsonPlace at = root["post_processor"];
  read_processor(at, parts, false);
  parts.post_processor = at.value.dump(-1, ' ', false, JsonTree::error_handler_t::replace);
}

}  // namespace ramoe
