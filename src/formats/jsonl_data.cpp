#include "formats/jsonl_data.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "ch01_tensor/philox.h"
#include "ch06_languages/corpus.h"
#include "support/error.h"
#include "support/json.h"
#include "support/unicode.h"

namespace ramoe {

void JsonlConfig::list(FieldList& f) {
  f.add("data", &data, "JSONL files of parallel questions: task, id, lang, question, answer");
  f.add("general", &general, "JSONL files of general parallel text: id, lang, text");
  f.add("packs", &packs, "folder of language packs, for languages without general text");
  f.add("extractor", &extractor, "how answers are read where a row does not say");
  f.add("split_seed", &split_seed, "seed that deals items without a split of their own");
  f.add("adapt_share", &adapt_share, "share of these for training in stages 1 to 3", {0, 1});
  f.add("valid_share", &valid_share, "share of these for validation; the rest is test", {0, 1});
}

JsonlData::JsonlData(const JsonlConfig& config) : config_(config) {
  check(!config_.data.empty(), "no data were named; give --data=FILE.jsonl,MORE.jsonl.");
  check(config_.adapt_share + config_.valid_share <= 1,
        "adapt_share + valid_share = ", config_.adapt_share + config_.valid_share,
        "; together they can be 1 at most.");
  read_items();
  join_equal_questions();
  deal();
  check_cells();
  read_general();
  JsonlConfig settings = config_;
  settings.data.clear();  // the data may lie in another folder
  settings.general.clear();
  settings.packs.clear();
  std::string all = fields_of(settings).to_json().dump();
  for (const auto& paths : {config_.data, config_.general})
    for (const std::string& path : paths) all += ramoe::checksum(read_file(path));
  for (const auto& [code, pack] : packs_) all += world_.checksum + code + pack.checksum;
  checksum_ = ramoe::checksum(all);
}

namespace {
bool share_reading(Extractor extractor, const Example& a, const Example& b) {
  const std::vector<std::string> of_a = readings(extractor, a.lang, a.answer),
                                 of_b = readings(extractor, b.lang, b.answer);
  return std::any_of(of_a.begin(), of_a.end(),
                     [&](const std::string& reading) { return contains(of_b, reading); });
}
}  // namespace

void JsonlData::read_items() {
  std::map<std::string, Item> by_id;
  std::map<std::string, std::pair<std::string, Extractor>> places;  // of (item, language)
  for (const std::string& path : config_.data)
    for (ItemRow& row : read_item_rows(path, config_.extractor)) {
      Example& e = row.example;
      const auto [place, is_new] =
          places.emplace(e.id + " " + e.lang, std::pair{row.where, row.extractor});
      check(is_new, row.where, ": \"id\": the item ", e.id, " in ", e.lang, " stands in ",
            place->second.first, " already.");
      Item& item = by_id[e.id];
      if (item.by_language.empty()) {
        item.id = e.id;
        item.task = e.task;
        item.where = row.where;
        item.has_split = row.split.has_value();
        item.split = row.split.value_or(Split::test);
      }
      check(item.has_split == row.split.has_value() && item.split == row.split.value_or(item.split),
            row.where, ": \"split\": the item ", e.id, " has another split, or none, in ",
            item.where, "; an item must be in the same split in all its languages.");
      add_once(tasks_, e.task);
      add_once(languages_, e.lang);
      item.by_language.emplace(e.lang, std::move(e));
    }
  for (auto& [id, item] : by_id) {
    check(item.by_language.contains(english), item.where, ": \"lang\": the item ", id,
          " has no row in English (en); every item needs one.");
    const Example& en = item.by_language.at(english);
    const Extractor extractor = places.at(id + " " + english).second;
    for (const auto& [lang, e] : item.by_language) {
      const auto& [where, other] = places.at(id + " " + lang);
      if (extractor != Extractor::exact && other == extractor && !share_reading(extractor, en, e))
        other_answers_.push_back({where, id, lang, en.answer, e.answer});
    }
    item.same = items_.size();
    items_.push_back(std::move(item));
  }
  check(languages_.size() > 1, config_.data[0],
        " and what else was named hold English rows only; give the same ids in a target language.");
}

std::size_t JsonlData::root_of(std::size_t item) const {
  while (items_[item].same != item) item = items_[item].same;
  return item;
}

void JsonlData::join_equal_questions() {
  std::map<std::pair<std::string, std::string>, std::size_t> asked;  // (language, question) -> item
  for (std::size_t i = 0; i < items_.size(); ++i)
    for (const auto& [lang, example] : items_[i].by_language) {
      const auto [first, is_new] =
          asked.emplace(std::pair{lang, normalise_answer(example.question)}, i);
      if (is_new) continue;
      const std::size_t a = root_of(first->second), b = root_of(i);
      Item &kept = items_[std::min(a, b)], &joined = items_[std::max(a, b)];
      check(!kept.has_split || !joined.has_split || kept.split == joined.split, joined.where,
            ": \"split\": the item ", items_[i].id, " asks in ", lang, " what the item ",
            items_[first->second].id, " asks in another split (", kept.where,
            "); give both the same split.");
      if (joined.has_split) kept.has_split = true, kept.split = joined.split;
      joined.same = std::min(a, b);
    }
}

void JsonlData::deal() {
  std::map<std::string, std::vector<std::size_t>> open;  // by task: roots without a split
  for (std::size_t i = 0; i < items_.size(); ++i)
    if (root_of(i) == i && !items_[i].has_split) open[items_[i].task].push_back(i);
  for (auto& [task, roots] : open) {
    Random(seed_for(config_.split_seed, "deal/" + task), 0).shuffle(roots);
    const double n = static_cast<double>(roots.size());
    const auto train = static_cast<std::size_t>(std::lround(config_.adapt_share * n));
    const auto valid = static_cast<std::size_t>(std::lround(config_.valid_share * n));
    for (std::size_t i = 0; i < roots.size(); ++i)
      items_[roots[i]].split = i < train           ? Split::adapt_train
                               : i < train + valid ? Split::adapt_valid
                                                   : Split::test;
  }
  for (std::size_t i = 0; i < items_.size(); ++i) items_[i].split = items_[root_of(i)].split;
}

void JsonlData::check_cells() const {
  for (const std::string& lang : targets())
    for (const std::string& task : tasks_)
      for (const Split split : {Split::adapt_train, Split::test})
        check(!examples(lang, task, split).empty(), "the data have no item of the task ", task,
              " in ", lang, " for ", name_of(split),
              "; every target language needs some of every task. Add rows, or import such tasks "
              "and languages apart.");
}

void JsonlData::read_general() {
  std::map<std::string, std::string> english_by_id, places;
  std::vector<TextRow> rows;
  for (const std::string& path : config_.general)
    for (TextRow& row : read_text_rows(path)) {
      const auto [place, is_new] = places.emplace(row.id + " " + row.lang, row.where);
      check(is_new, row.where, ": \"id\": the text ", row.id, " in ", row.lang, " stands in ",
            place->second, " already.");
      if (row.lang == english) {
        english_by_id[row.id] = row.text;
        english_lines_.push_back(row.text);
      }
      rows.push_back(std::move(row));
    }
  for (const TextRow& row : rows) {
    if (row.lang == english) continue;
    const auto found = english_by_id.find(row.id);
    check(found != english_by_id.end(), row.where, ": \"id\": the text ", row.id,
          " has no row in English (en); every text needs one.");
    general_[row.lang].push_back({found->second, row.text});
  }
  std::vector<std::string> without;
  for (const std::string& lang : languages_)
    if (lang == english ? english_lines_.empty() : !general_.contains(lang))
      without.push_back(lang);
  if (!without.empty()) read_packs(without);
}

void JsonlData::read_packs(const std::vector<std::string>& languages) {
  const std::string folder = config_.packs + "/languages";
  for (const std::string& lang : languages)
    check(std::filesystem::exists(folder + "/" + lang + ".json"), "there is no general text in ",
          lang, ": neither in --general=FILE.jsonl (rows with id, lang and text, the same ids in ",
          "English) nor a language pack ", folder, "/", lang, ".json (--packs=FOLDER).");
  std::vector<std::string> codes = languages;
  add_once(codes, english);
  world_ = load_world(config_.packs + "/world.json");
  for (LanguagePack& pack : load_packs(config_.packs, codes, world_)) {
    const std::string code = pack.code;
    packs_.emplace(code, std::move(pack));
  }
}

std::vector<const JsonlData::Item*> JsonlData::items_of(const std::string& task,
                                                        Split split) const {
  require_task(task);
  check(split != Split::base, "one's own data have no part for pre-training.");
  std::vector<const Item*> found;
  for (const Item& item : items_)
    if (item.task == task && item.split == split) found.push_back(&item);
  return found;
}

std::vector<Example> JsonlData::examples(const std::string& lang, const std::string& task,
                                         Split split) const {
  require_language(lang);
  std::vector<Example> found;
  for (const Item* item : items_of(task, split))
    if (item->by_language.contains(lang)) found.push_back(item->by_language.at(lang));
  return found;
}

std::vector<ExamplePair> JsonlData::pairs(const std::string& lang, const std::string& task,
                                          Split split) const {
  require_language(lang);
  std::vector<ExamplePair> found;
  for (const Item* item : items_of(task, split))
    if (item->by_language.contains(lang))
      found.push_back({item->by_language.at(english), item->by_language.at(lang)});
  return found;
}

std::vector<TextPair> JsonlData::general_text(const std::string& lang, int names) const {
  require_language(lang);
  const auto found = general_.find(lang);
  if (found != general_.end()) return found->second;
  std::vector<TextPair> pairs;
  const std::vector<LanguagePack> packs = {packs_.at(english), packs_.at(lang)};
  for (const ParallelText& line : emoji_lines(world_, packs, names, config_.split_seed))
    pairs.push_back({line.text.at(english), line.text.at(lang)});
  return pairs;
}

std::vector<std::string> JsonlData::english_text(int names) const {
  if (!english_lines_.empty()) return english_lines_;
  std::vector<std::string> lines;
  for (const ParallelText& line :
       emoji_lines(world_, {packs_.at(english)}, names, config_.split_seed))
    lines.push_back(line.text.at(english));
  return lines;
}

}  // namespace ramoe
