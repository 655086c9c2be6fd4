#include "formats/jsonl_rows.h"

#include <functional>
#include <set>

#include "support/json_place.h"
#include "support/stop.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

/// The texts of one line by key.
class Row {
 public:
  Row(const std::string& path, int number, const std::string& line,
      const std::vector<std::string>& keys)
      : where_(cat(path, ", line ", number)) {
    stop_point();
    check_utf8(line);
    std::set<std::string> seen;
    const auto watch_keys = [&](int depth, Json::parse_event_t event, Json& parsed) {
      if (event != Json::parse_event_t::key || depth != 1) return true;
      const auto key = parsed.get<std::string>();
      check(seen.insert(key).second, where_, ": the key \"", key, "\" is given twice.");
      return true;
    };
    object_ = parse_json(line, path, number, watch_keys);
    at_.only(keys);
  }

  const std::string& where() const { return where_; }
  bool has(const std::string& key) const { return object_.contains(key); }

  /// A text that is neither empty nor blank.
  std::string text(const std::string& key) const {
    const std::string text = at_[key].text();
    check(text.find('\0') == std::string::npos, at_[key].name(),
          " holds the character U+0000; the file is damaged. Make it again.");
    check(!normalise_answer(text).empty(), at_[key].name(), " is empty.");
    return text;
  }

  /// A text that can be used in file names, tables and lists.
  std::string name(const std::string& key) const {
    const std::string name = text(key);
    for (const char c : name)
      check(std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.',
            at_[key].name(), " = \"", name,
            "\"; it may hold only letters, digits and _ - . (ASCII).");
    return name;
  }

  /// One of the names of an enum.
  template <NamedEnum Enum>
  Enum choice(const std::string& key) const {
    try {
      return from_name<Enum>(text(key), key);
    } catch (const Error& error) {
      const std::string what = error.what();
      fail(what.starts_with(where_) ? "" : at_[key].name() + ": ", what);
    }
  }

 private:
  void check_utf8(const std::string& line) const {
    for (std::size_t at = 0; at < line.size();) {
      const CodePoint c = read_utf8(line, at);
      check(c.valid, where_, ": byte ", at + 1,
            " of the line is no valid UTF-8; save the file as UTF-8.");
      at += c.bytes;
    }
  }

  std::string where_;
  Json object_;
  const JsonAt<Json> at_{where_, "", object_};
};

void each_row(const std::string& path, const std::vector<std::string>& keys,
              const std::function<void(const Row&)>& visit) {
  std::string text = read_file(path);
  check_json_encoding(text, path);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);  // a byte order mark
  std::istringstream lines(text);
  int number = 0, rows = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    visit(Row(path, number, line, keys));
    ++rows;
  }
  check(rows > 0, path, " holds no line at all.");
}

}  // namespace

std::vector<ItemRow> read_item_rows(const std::string& path, Extractor extractor) {
  static const std::vector<std::string> keys = {"task",   "id",        "lang", "question",
                                                "answer", "extractor", "split"};
  std::vector<ItemRow> rows;
  each_row(path, keys, [&](const Row& row) {
    ItemRow item{row.where(), {}, extractor, {}};
    Example& e = item.example;
    e.task = row.name("task");
    e.id = e.task + "/" + row.text("id");
    e.lang = row.name("lang");
    e.question = row.text("question");
    e.answer = row.text("answer");
    if (row.has("extractor")) item.extractor = row.choice<Extractor>("extractor");
    e.is_same = answer_rule(item.extractor);
    if (row.has("split")) item.split = row.choice<Split>("split");
    check(item.split != Split::base, row.where(),
          ": \"split\" = \"base\" is pre-training's; expected adapt_train, adapt_valid or test.");
    check(!readings(item.extractor, e.lang, e.answer).empty(), row.where(), ": \"answer\" = \"",
          e.answer, "\" cannot be read by its extractor ", name_of(item.extractor),
          item.extractor == Extractor::last_number
              ? ": it has no number."
              : ": it has no letter of a choice (A to J) that stands alone.");
    rows.push_back(std::move(item));
  });
  return rows;
}

std::vector<TextRow> read_text_rows(const std::string& path) {
  std::vector<TextRow> rows;
  each_row(path, {"id", "lang", "text"}, [&](const Row& row) {
    rows.push_back({row.where(), row.text("id"), row.name("lang"), row.text("text")});
  });
  return rows;
}

}  // namespace ramoe
