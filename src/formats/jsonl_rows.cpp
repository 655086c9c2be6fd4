#include "formats/jsonl_rows.h"

#include <algorithm>
#include <functional>
#include <set>

#include "support/config.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"
#include "support/stop.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

/// One line as its texts by key.
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
    check(object_.is_object(), where_, ": a JSON object was wanted, such as {\"id\": ...}.");
    for (const auto& [key, value] : object_.items())
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) unknown(key, keys);
  }

  const std::string& where() const { return where_; }
  bool has(const std::string& key) const { return object_.contains(key); }

  /// A text that is not empty or blank.
  std::string text(const std::string& key) const {
    check(has(key), where_, ": the key \"", key, "\" is missing.");
    const Json& value = object_[key];
    check(value.is_string(), where_, ": \"", key, "\" is ",
          value.is_structured() ? value.type_name() : value.dump(),
          "; a text was wanted, in quotation marks.");
    const auto text = value.get<std::string>();
    check(text.find('\0') == std::string::npos, where_, ": \"", key,
          "\" holds the character U+0000; the file is damaged. Make it again.");
    check(!normalise_answer(text).empty(), where_, ": \"", key, "\" is empty.");
    return text;
  }

  /// A text that can stand in file names, tables and lists.
  std::string name(const std::string& key) const {
    const std::string name = text(key);
    for (const char c : name)
      check(std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.', where_,
            ": \"", key, "\" = \"", name, "\" may hold only letters, digits and _ - . (ASCII).");
    return name;
  }

  /// One of the names of an enum.
  template <NamedEnum Enum>
  Enum choice(const std::string& key) const {
    try {
      return from_name<Enum>(text(key), key);
    } catch (const Error& error) {
      const std::string what = error.what();
      fail(what.starts_with(where_) ? "" : where_ + ": \"" + key + "\": ", what);
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

  [[noreturn]] void unknown(const std::string& key, const std::vector<std::string>& keys) const {
    const std::string nearest = nearest_word(key, keys);
    std::string list;
    for (const std::string& known : keys) list += (list.empty() ? "" : ", ") + known;
    fail(where_, ": the key \"", key, "\" is unknown",
         nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?", " There are ", list, ".");
  }

  std::string where_;
  Json object_;
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
          ": \"split\" = \"base\" is pre-training's; wanted adapt_train, adapt_valid or test.");
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
