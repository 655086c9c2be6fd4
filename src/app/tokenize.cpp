// ramoe tokenize: text to token ids and back with the tokenizer of a model folder.
#include <fstream>
#include <iostream>

#include "app/base_run.h"
#include "app/command.h"
#include "formats/checksum_list.h"
#include "formats/tokenizer_json.h"
#include "support/error.h"
#include "support/files.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

struct TokenizeOptions {
  std::string folder, input;
  bool special = false, add_special = false, decode = false, json = false;

  void list(FieldList& f) {
    f.add("folder", &folder, "folder that holds tokenizer.json, or a run folder");
    f.also("folder", model_aliases());
    f.add("input", &input, "file with one text per line; empty: standard input");
    f.add("special", &special, "text that spells a special token is that token");
    f.add("add_special", &add_special, "put bos or eos around each text if the tokenizer says so");
    f.add("decode", &decode, "the other way: lists of ids to text");
    f.add("json", &json, "texts are JSON strings, one per line, so that they may hold line breaks");
  }
};

Json parse_line(const std::string& line, long number, const char* wanted) {
  check(line.find('\0') == std::string::npos, "line ", number, " holds a NUL byte, ",
        "which no JSON does; make the input again.");
  const Json json = json_or_discarded(line);
  check(!json.is_discarded(), "line ", number, " is not ", wanted, ": ", line.substr(0, 80), ".");
  return json;
}

std::string encode_line(const TokenizeOptions& o, const Tokenizer& tokenizer,
                        CachedEncoder& encoder, const std::string& line, long number) {
  const char* wanted = "a JSON string, such as \"two\\nlines\"";
  Json text = o.json ? parse_line(line, number, wanted) : Json(line);
  check(text.is_string(), "line ", number, " is not ", wanted, ": ", line.substr(0, 80), ".");
  const auto special = o.special ? SpecialText::tokens : SpecialText::plain;
  std::vector<int> ids = encoder.encode(text.get_ref<const std::string&>(), special);
  if (o.add_special) ids = tokenizer.with_specials(ids);
  return Json(ids).dump();
}

std::string decode_line(const TokenizeOptions& o, const Tokenizer& tokenizer,
                        const std::string& line, long number) {
  const char* wanted = "a list of ids, such as [5, 17]";
  const Json list = parse_line(line, number, wanted);
  check(list.is_array(), "line ", number, " is not ", wanted, ": ", line.substr(0, 80), ".");
  std::vector<int> ids;
  for (const Json& id : list) {
    check(id.is_number_integer(), "line ", number, " is not ", wanted, ": ", line.substr(0, 80),
          ".");
    const auto value = id.get<std::int64_t>();
    check(value >= 0 && value < tokenizer.vocab_size(), "line ", number, ": token id ", value,
          " is outside the vocabulary 0..", tokenizer.vocab_size() - 1, ".");
    ids.push_back(static_cast<int>(value));
  }
  const std::string text = o.special ? tokenizer.decode(ids) : tokenizer.decode_text(ids);
  return o.json ? Json(encode_utf8(decode_utf8(text))).dump() : text;
}

}  // namespace

int run_tokenize(const Arguments& arguments) {
  TokenizeOptions o;
  FieldList fields = fields_of(o);
  if (!read_arguments(fields, arguments, "tokenize", {"folder", false})) return 0;
  check(!o.folder.empty(), "ramoe tokenize needs a folder, as in ramoe tokenize runs/base.");
  o.folder = find_tokenizer_folder(o.folder);
  check_model_folder(o.folder);
  std::vector<std::string> notes;
  const Tokenizer tokenizer = load_tokenizer(o.folder, &notes);
  for (const std::string& note : notes) std::cerr << note << "\n";
  CachedEncoder encoder(tokenizer);
  std::ifstream file;
  if (!o.input.empty()) {
    file.open(o.input);
    check(file.is_open(), o.input, " cannot be read.");
  }
  std::istream& in = o.input.empty() ? std::cin : file;
  long number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    std::cout << (o.decode ? decode_line(o, tokenizer, line, number)
                           : encode_line(o, tokenizer, encoder, line, number))
              << '\n';
  }
  return 0;
}

}  // namespace ramoe
