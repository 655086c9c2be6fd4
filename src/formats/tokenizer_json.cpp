#include "formats/tokenizer_json.h"

#include <array>
#include <filesystem>
#include <unordered_map>

#include "support/files.h"
#include "support/json.h"
#include "support/json_place.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

/// GPT-2's alphabet: printable Latin-1 stands for itself, the other 68 bytes are U+0100 and on.
constexpr std::size_t kLastLetter = 0x100 + 68;  // one past
struct Alphabet {
  std::array<char32_t, 256> letter_from_byte = {};
  std::array<int, kLastLetter> byte_from_letter = {};

  Alphabet() {
    byte_from_letter.fill(-1);
    char32_t next = 0x100;
    for (char32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      letter_from_byte[b] = printable ? b : next++;
      byte_from_letter[letter_from_byte[b]] = static_cast<int>(b);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet letters;
  return letters;
}

JsonTree parse_tree(const std::string& file) {
  const std::string text = read_file(file);
  check_json_depth(text, file);
  return parse_json<JsonTree>(text, file);
}

/// Tokens as they are spelled in the file: those of model.vocab and the added ones.
struct Spelled {
  std::unordered_map<std::string, int> vocab, added;

  int find(const std::string& name) const {
    for (const auto* names : {&added, &vocab}) {
      if (const auto found = names->find(name); found != names->end()) return found->second;
    }
    return -1;
  }
};

/// Makes room for all ids. Error: ids that leave more holes than tokens; a small file must not make
/// us allocate gigabytes.
void make_room(const JsonPlace& vocab, const JsonPlace& added, TokenizerParts& parts) {
  const std::size_t count = vocab.object().size() + added.list().size();
  std::size_t rows = 0;
  const auto note = [&](const JsonPlace& at) {
    const auto id = static_cast<std::size_t>(at.whole(0, kLargestId));
    if (id > 2 * count + 1024) at.wrong("it leaves more holes than there are tokens, ", count);
    rows = std::max(rows, id + 1);
  };
  for (const auto& [name, id] : vocab.value.items()) note({vocab.file, vocab.join(name), id});
  for (std::size_t i = 0; i < added.value.size(); ++i) note(added[i]["id"]);
  parts.tokens.resize(rows);
}

void read_added(const JsonPlace& list, TokenizerParts& parts, Spelled& spelled) {
  for (std::size_t i = 0; i < list.list().size(); ++i) {
    const JsonPlace at = list[i];
    at.only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    const int id = at["id"].whole(0, kLargestId);
    const std::string content = at["content"].text();
    if (content.empty()) at["content"].expected("at least one character");
    const auto known = spelled.vocab.find(content);
    const bool in_vocab = known != spelled.vocab.end();
    if (in_vocab && known->second != id) {
      at["id"].wrong("'", content, "' is id ", known->second, " already");
    }
    if (std::string bytes; in_vocab && from_byte_letters(content, bytes) && bytes != content) {
      at["content"].wrong("model.vocab has the same letters for other bytes");
    }
    if (!spelled.added.emplace(content, id).second) at["content"].wrong("it is listed twice");
    std::string& token = parts.tokens[static_cast<std::size_t>(id)];
    if (!token.empty()) at["id"].wrong("it belongs to '", token, "' already");
    token = content;
    parts.added.push_back({id, at["special"].flag(), at["normalized"].flag(),
                           at["single_word"].flag(), at["lstrip"].flag(), at["rstrip"].flag(),
                           in_vocab});
  }
}

void read_tokens(const JsonPlace& root, TokenizerParts& parts, Spelled& spelled) {
  const JsonPlace vocab = root["model"]["vocab"], added = root["added_tokens"];
  make_room(vocab, added, parts);
  for (const auto& [name, id] : vocab.value.items()) spelled.vocab.emplace(name, id.get<int>());
  read_added(added, parts, spelled);
  for (const auto& [name, id] : spelled.vocab) {
    if (spelled.added.contains(name)) continue;
    std::string bytes;
    const JsonPlace at{root.file, vocab.join(name), vocab.value.at(name)};
    if (!from_byte_letters(name, bytes)) {
      at.wrong("its name is not written in the byte-level alphabet, and is no added token");
    }
    if (bytes.empty()) at.wrong("a token needs at least one byte");
    std::string& token = parts.tokens[static_cast<std::size_t>(id)];
    if (!token.empty()) at.wrong("id ", id, " belongs to '", token, "' already");
    token = std::move(bytes);
  }
}

/// "left right" or ["left", "right"].
std::pair<std::string, std::string> read_merge(const JsonPlace& at) {
  if (at.value.is_array()) {
    if (at.value.size() != 2) at.expected("two tokens");
    return {at[0].text(), at[1].text()};
  }
  const std::string both = at.text();
  const std::size_t blank = both.find(' ');
  if (blank == std::string::npos || both.find(' ', blank + 1) != std::string::npos) {
    at.expected("two tokens with one blank between");
  }
  return {both.substr(0, blank), both.substr(blank + 1)};
}

void read_merges(const JsonPlace& root, TokenizerParts& parts, const Spelled& spelled) {
  const JsonPlace merges = root["model"]["merges"];
  parts.merges.reserve(merges.list().size());
  for (std::size_t rank = 0; rank < merges.value.size(); ++rank) {
    const JsonPlace at = merges[rank];
    const auto [left, right] = read_merge(at);
    const auto id = [&](const std::string& name) {
      const auto found = spelled.vocab.find(name);
      if (found == spelled.vocab.end()) at.wrong("'", name, "' is not in model.vocab");
      return found->second;
    };
    parts.merges.push_back({id(left), id(right), id(left + right)});
  }
}

/// All bytes that UTF-8 uses are known, so the unknown token is never used; it only has to be
/// valid.
void check_unknown(const JsonPlace& root, const Spelled& spelled) {
  if (!root["model"].given("unk_token")) return;
  const JsonPlace at = root["model"]["unk_token"];
  if (!at.text().empty() && spelled.find(at.text()) < 0) at.wrong("there is no such token");
}

/// The id of a token named in a configuration: a text, an object with `content`, or null.
int read_named(const JsonPlace& at, const Spelled& spelled) {
  if (at.value.is_null()) return -1;
  const JsonPlace name = at.value.is_object() ? at["content"] : at;
  const int id = spelled.find(name.text());
  if (id < 0) name.wrong("tokenizer.json has no such token");
  return id;
}

/// Reads the names of tokens from tokenizer_config.json, and those that it does not name from
/// special_tokens_map.json.
void read_configuration(const std::string& folder, TokenizerParts& parts, const Spelled& spelled) {
  const std::vector<std::pair<const char*, int*>> named = {
      {"bos_token", &parts.bos}, {"eos_token", &parts.eos}, {"pad_token", &parts.pad}};
  std::vector<char> found(named.size(), 0);
  for (const char* name : {"/tokenizer_config.json", "/special_tokens_map.json"}) {
    const std::string file = folder + name;
    if (!std::filesystem::exists(file)) continue;
    const JsonTree tree = parse_tree(file);
    const JsonPlace root{file, "", tree};
    root.object();
    for (std::size_t i = 0; i < named.size(); ++i) {
      if (found[i] || !root.has(named[i].first)) continue;
      *named[i].second = read_named(root[named[i].first], spelled);
      found[i] = 1;
    }
    root.expect("add_prefix_space", {nullptr, false});
    if (!root.given("added_tokens_decoder")) continue;
    const JsonPlace added = root["added_tokens_decoder"];
    for (const auto& [id, unused] : added.object().items()) {
      const JsonPlace content = added[id]["content"];
      if (std::to_string(spelled.find(content.text())) != id) {
        content.wrong("tokenizer.json has no such token with id ", id);
      }
    }
  }
}

}  // namespace

std::string to_byte_letters(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    append_utf8(out, alphabet().letter_from_byte[static_cast<unsigned char>(c)]);
  }
  return out;
}

bool from_byte_letters(std::string_view letters, std::string& bytes) {
  bytes.clear();
  for (std::size_t at = 0; at < letters.size();) {
    const CodePoint c = read_utf8(letters, at);
    const int byte = c.value < kLastLetter ? alphabet().byte_from_letter[c.value] : -1;
    if (byte < 0) return false;
    bytes += static_cast<char>(byte);
    at += c.bytes;
  }
  return true;
}

Tokenizer load_tokenizer(const std::string& folder, std::vector<std::string>* notes) {
  const std::string file = folder + "/tokenizer.json";
  const JsonTree tree = parse_tree(file);
  const JsonPlace root{file, "", tree};
  TokenizerParts parts;
  Spelled spelled;
  read_steps(root, parts);
  if (notes && (root.given("truncation") || root.given("padding")))
    notes->push_back(file +
                     ": its settings of truncation and padding are ignored, as AutoTokenizer "
                     "ignores them.");
  read_tokens(root, parts, spelled);
  read_merges(root, parts, spelled);
  check_unknown(root, spelled);
  read_post_processor(root, parts);
  read_configuration(folder, parts, spelled);
  try {
    return Tokenizer(std::move(parts));
  } catch (const Error& error) {
    fail(file, ": model.vocab, model.merges and added_tokens do not fit: ", error.what());
  }
}

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
