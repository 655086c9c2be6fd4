#include "ch06_languages/tokenizer_json.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <unordered_map>

#include "ch06_languages/unicode.h"
#include "support/error.h"
#include "support/files.h"

namespace ramoe {
namespace {

// Sorted objects for reading: an ordered one is searched from its start for each key of the
// vocabulary.
using Tree = nlohmann::json;

/// GPT-2's alphabet: printable Latin-1 stands for itself, the other 68 bytes are U+0100 and on.
std::array<char32_t, 256> byte_letters() {
  std::array<char32_t, 256> letters = {};
  char32_t next = 0x100;
  for (char32_t b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    letters[b] = printable ? b : next++;
  }
  return letters;
}

/// A place in a JSON file, for errors: file, path of keys, value.
struct At {
  const std::string& file;
  std::string path;
  const Tree& value;

  template <class... Parts>
  [[noreturn]] void wrong(const Parts&... parts) const {
    std::string shown = value.dump(-1, ' ', false, Tree::error_handler_t::replace);
    if (shown.size() > 120) shown = shown.substr(0, 117) + "...";
    fail(file, ": ", path, " is ", shown, "; ", parts...);
  }
  At operator[](const std::string& key) const {
    if (!value.is_object()) wrong("wanted an object");
    const auto found = value.find(key);
    check(found != value.end(), file, ": ", join(key), " is missing");
    return {file, join(key), *found};
  }
  bool has(const std::string& key) const { return value.is_object() && value.contains(key); }
  std::string text() const {
    if (!value.is_string()) wrong("wanted a text");
    return value.get<std::string>();
  }
  bool flag() const {
    if (!value.is_boolean()) wrong("wanted true or false");
    return value.get<bool>();
  }
  const Tree& list() const {
    if (!value.is_array()) wrong("wanted a list");
    return value;
  }
  /// An id below the number of ids there can be.
  int id() const {
    if (!value.is_number_integer()) wrong("wanted a whole number");
    const auto number = value.get<std::int64_t>();
    if (number < 0 || number > 100'000'000) wrong("wanted an id of 0 or more");
    return static_cast<int>(number);
  }
  void only(std::initializer_list<const char*> keys) const {
    if (!value.is_object()) wrong("wanted an object");
    for (const auto& [key, unused] : value.items()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        fail(file, ": ", join(key), " is not a key we know; we cannot tell what it would change");
      }
    }
  }
  /// The key, where present, has one of these values.
  void expect(const std::string& key, std::initializer_list<Tree> allowed) const {
    if (!has(key)) return;
    const At at = (*this)[key];
    if (std::find(allowed.begin(), allowed.end(), at.value) != allowed.end()) return;
    std::string wanted;
    for (const Tree& a : allowed) wanted += (wanted.empty() ? "" : " or ") + a.dump();
    at.wrong("only ", wanted, " is supported");
  }
  std::string join(const std::string& key) const { return path.empty() ? key : path + "." + key; }
};

Tree parse(const std::string& file) {
  try {
    return Tree::parse(read_file(file));
  } catch (const Tree::parse_error& error) {
    fail(file, ": not JSON, or cut short: ", error.what());
  }
}

void read_byte_level(const At& at) {
  at.only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  at.expect("type", {"ByteLevel"});
  at.expect("trim_offsets", {true, false});  // no effect on ids
}

/// Sequence[Split(pattern), ByteLevel]; the pattern is checked by find_scanner.
std::string read_pattern(const At& at) {
  at["type"];
  at.expect("type", {"Sequence"});
  at.only({"type", "pretokenizers"});
  const At list = at["pretokenizers"];
  if (list.list().size() != 2) list.wrong("only Split followed by ByteLevel is supported");
  const At split{at.file, list.path + "[0]", list.value[0]};
  const At bytes{at.file, list.path + "[1]", list.value[1]};
  split["type"];
  split.expect("type", {"Split"});
  split.only({"type", "pattern", "behavior", "invert"});
  split["behavior"];
  split.expect("behavior", {"Isolated"});
  split.expect("invert", {false});
  split["pattern"].only({"Regex"});
  bytes["type"];
  read_byte_level(bytes);
  bytes["add_prefix_space"];
  bytes.expect("add_prefix_space", {false});
  bytes["use_regex"];  // true if left out
  bytes.expect("use_regex", {false});
  const std::string pattern = split["pattern"]["Regex"].text();
  try {
    find_scanner(pattern);
  } catch (const Error& error) {
    fail(at.file, ": ", split.path, ".pattern.Regex: ", error.what());
  }
  return pattern;
}

/// Everything but the vocabulary: what would change the ids must be as we do it.
void read_steps(const At& root, TokenizerParts& parts) {
  root.only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
             "post_processor", "decoder", "model"});
  root["version"];
  root.expect("version", {"1.0"});
  root.expect("truncation", {nullptr});
  root.expect("padding", {nullptr});
  if (root.has("normalizer") && !root["normalizer"].value.is_null()) {
    const At normalizer = root["normalizer"];
    normalizer["type"];
    normalizer.expect("type", {"NFC"});
    normalizer.only({"type"});
    parts.nfc = true;
  }
  parts.pattern = read_pattern(root["pre_tokenizer"]);
  if (root.has("post_processor") && !root["post_processor"].value.is_null()) {
    root["post_processor"]["type"];
    read_byte_level(root["post_processor"]);  // touches offsets only
  }
  root["decoder"]["type"];
  read_byte_level(root["decoder"]);
  const At model = root["model"];
  model["type"];
  model.expect("type", {"BPE"});
  model.only({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
              "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  model.expect("dropout", {nullptr});
  model.expect("unk_token", {nullptr});
  model.expect("continuing_subword_prefix", {nullptr, ""});
  model.expect("end_of_word_suffix", {nullptr, ""});
  model.expect("fuse_unk", {false});
  model.expect("byte_fallback", {false});
  model.expect("ignore_merges", {false});
}

/// Tokens as the file spells them, by id: those of the vocabulary and the added ones.
class Spelled {
 public:
  void add(const std::string& name, int id, const At& at, bool added) {
    const auto [known, fresh] = id_from_name_.emplace(name, id);
    if (!fresh && known->second != id) at.wrong("'", name, "' is id ", known->second, " already");
    const auto [other, free] = name_from_id_.emplace(id, name);
    if (other->second != name) at.wrong("id ", id, " belongs to '", other->second, "' already");
    if (added) added_[name] = true;
  }
  int find(const std::string& name) const {
    const auto found = id_from_name_.find(name);
    return found == id_from_name_.end() ? -1 : found->second;
  }
  /// Bytes by id. Error: a hole, a name that is neither added nor made of byte letters.
  std::vector<std::string> tokens(const std::string& file) const {
    std::vector<std::string> tokens(name_from_id_.size());
    for (std::size_t id = 0; id < tokens.size(); ++id) {
      const auto found = name_from_id_.find(static_cast<int>(id));
      check(found != name_from_id_.end(), file, ": model.vocab and added_tokens have ",
            tokens.size(), " tokens but none with id ", id, "; ids must run from 0 without holes");
      const std::string& name = found->second;
      if (added_.contains(name)) {
        tokens[id] = name;
      } else {
        check(from_byte_letters(name, tokens[id]), file, ": model.vocab.", name,
              " is not written in the byte-level alphabet and is no added token");
      }
    }
    return tokens;
  }

 private:
  std::unordered_map<std::string, int> id_from_name_;
  std::unordered_map<int, std::string> name_from_id_;
  std::unordered_map<std::string, bool> added_;
};

void read_tokens(const At& root, TokenizerParts& parts, Spelled& spelled) {
  const At vocab = root["model"]["vocab"];
  if (!vocab.value.is_object()) vocab.wrong("wanted an object of token: id");
  for (const auto& [name, id] : vocab.value.items()) {
    const At at{root.file, vocab.join(name), id};
    spelled.add(name, at.id(), at, false);
  }
  const At added = root["added_tokens"];
  for (std::size_t i = 0; i < added.list().size(); ++i) {
    const At at{root.file, cat(added.path, "[", i, "]"), added.value[i]};
    at.only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    for (const char* key : {"single_word", "lstrip", "rstrip"}) at.expect(key, {false});
    // Matching in normalised text is the same thing only where nothing is normalised.
    if (parts.nfc) at.expect("normalized", {false});
    if (at["content"].text().empty()) at["content"].wrong("wanted at least one character");
    spelled.add(at["content"].text(), at["id"].id(), at, true);
    parts.added.push_back({at["id"].id(), at["special"].flag()});
  }
  parts.tokens = spelled.tokens(root.file);
}

/// "left right" or ["left", "right"].
std::pair<std::string, std::string> read_merge(const At& at) {
  if (at.value.is_array()) {
    if (at.value.size() != 2 || !at.value[0].is_string() || !at.value[1].is_string()) {
      at.wrong("wanted two tokens");
    }
    return {at.value[0].get<std::string>(), at.value[1].get<std::string>()};
  }
  const std::string both = at.text();
  const std::size_t blank = both.find(' ');
  if (blank == std::string::npos || both.find(' ', blank + 1) != std::string::npos) {
    at.wrong("wanted two tokens with one blank between");
  }
  return {both.substr(0, blank), both.substr(blank + 1)};
}

void read_merges(const At& root, TokenizerParts& parts, const Spelled& spelled) {
  const At merges = root["model"]["merges"];
  for (std::size_t rank = 0; rank < merges.list().size(); ++rank) {
    const At at{root.file, cat(merges.path, "[", rank, "]"), merges.value[rank]};
    const auto [left, right] = read_merge(at);
    const auto id = [&](const std::string& name) {
      const int found = spelled.find(name);
      if (found < 0) at.wrong("'", name, "' is not in model.vocab");
      return found;
    };
    parts.merges.push_back({id(left), id(right), id(left + right)});
  }
}

/// The id of a token named in tokenizer_config.json: a text, an object with `content`, or null.
int read_named(const At& config, const std::string& key, const Spelled& spelled) {
  if (!config.has(key) || config[key].value.is_null()) return -1;
  const At at = config[key];
  const int id = spelled.find(at.value.is_object() ? at["content"].text() : at.text());
  if (id < 0) at.wrong("tokenizer.json has no such token");
  return id;
}

Json byte_level(bool add_prefix_space, bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json model_json(const TokenizerParts& parts, const std::vector<std::string>& names) {
  Json vocab = Json::object(), merges = Json::array();
  auto& entries = vocab.get_ref<Json::object_t&>();
  for (std::size_t id = 0; id < names.size(); ++id) {
    entries.emplace_back(names[id], id);  // distinct, so no need for the search that [] makes
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
          {"ignore_merges", false},
          {"vocab", vocab},
          {"merges", merges}};
}

Json tokenizer_json(const TokenizerParts& parts) {
  std::vector<std::string> names;
  for (const std::string& bytes : parts.tokens) names.push_back(to_byte_letters(bytes));
  Json added = Json::array();
  for (const AddedToken& a : parts.added) {
    const auto id = static_cast<std::size_t>(a.id);
    names[id] = parts.tokens[id];
    added.push_back({{"id", a.id},
                     {"content", names[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", a.special}});
  }
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", parts.pattern}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const Json steps = Json::array({split, byte_level(false, false)});
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", parts.nfc ? Json{{"type", "NFC"}} : Json(nullptr)},
          {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", steps}}},
          {"post_processor", nullptr},
          {"decoder", byte_level(true, true)},
          {"model", model_json(parts, names)}};
}

}  // namespace

std::string to_byte_letters(std::string_view bytes) {
  const std::array<char32_t, 256> letters = byte_letters();
  std::string out;
  for (const char c : bytes) append_utf8(out, letters[static_cast<unsigned char>(c)]);
  return out;
}

bool from_byte_letters(std::string_view letters, std::string& bytes) {
  const std::array<char32_t, 256> alphabet = byte_letters();
  bytes.clear();
  for (const char32_t c : decode_utf8(letters)) {
    const auto found = std::find(alphabet.begin(), alphabet.end(), c);
    if (found == alphabet.end()) return false;
    bytes += static_cast<char>(found - alphabet.begin());
  }
  return true;
}

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

Tokenizer load_tokenizer(const std::string& folder) {
  const std::string file = folder + "/tokenizer.json",
                    config_file = folder + "/tokenizer_config.json";
  const Tree tree = parse(file), config_tree = parse(config_file);
  const At root{file, "", tree}, config{config_file, "", config_tree};
  TokenizerParts parts;
  Spelled spelled;
  read_steps(root, parts);
  read_tokens(root, parts, spelled);
  read_merges(root, parts, spelled);
  parts.bos = read_named(config, "bos_token", spelled);
  parts.eos = read_named(config, "eos_token", spelled);
  parts.pad = read_named(config, "pad_token", spelled);
  try {
    return Tokenizer(std::move(parts));
  } catch (const Error& error) {
    fail(file, ": ", error.what());
  }
}

}  // namespace ramoe
