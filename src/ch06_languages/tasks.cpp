#include "ch06_languages/tasks.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "ch01_tensor/philox.h"
#include "support/config.h"
#include "support/error.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

const std::vector<std::string> kVerbs = {"first", "last", "reverse", "repeat"};

std::vector<std::string> split(const std::string& text, char sign) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  for (std::size_t at; (at = text.find(sign, start)) != std::string::npos; start = at + 1)
    parts.push_back(text.substr(start, at - start));
  parts.push_back(text.substr(start));
  return parts;
}

[[noreturn]] void bad_id(const std::string& id) {
  fail("\"", id, "\" is not a task item; ids look like sums/27+12, facts/KE/currency or ",
       "follow/repeat3/1f419.");
}

/// A whole number without sign; otherwise bad_id.
int parse_number(const std::string& text, const std::string& id) {
  if (text.empty() || text.size() > 3 || text.find_first_not_of("0123456789") != std::string::npos)
    bad_id(id);
  return std::stoi(text);
}

std::string hex_of(const std::string& emoji) {
  std::string out;
  for (const char32_t c : decode_utf8(emoji)) {
    char text[16];
    std::snprintf(text, sizeof text, "%s%x", out.empty() ? "" : "-", static_cast<unsigned>(c));
    out += text;
  }
  return out;
}

std::string emoji_of(const std::string& hex, const std::string& id) {
  std::string out;
  for (const std::string& part : split(hex, '-')) {
    if (part.empty() || part.size() > 6 ||
        part.find_first_not_of("0123456789abcdef") != std::string::npos)
      bad_id(id);
    append_utf8(out, static_cast<char32_t>(std::stoul(part, nullptr, 16)));
  }
  return out;
}

/// A number of a question. Error, in either form: a number that packs have no word for.
std::string asked(int value, const LanguagePack& pack, const TaskForm& form) {
  const std::string& word = pack.number(value);
  return form.numbers == NumberForm::digits ? std::to_string(value) : word;
}

void fill_sum(const std::string& body, const LanguagePack& pack, const TaskForm& form,
              Example& example) {
  const std::size_t at = body.find_first_of("+-");
  if (at == std::string::npos) bad_id(example.id);
  const int a = parse_number(body.substr(0, at), example.id);
  const int b = parse_number(body.substr(at + 1), example.id);
  const bool plus = body[at] == '+';
  example.question = asked(a, pack, form) + " " +
                     pack.name(Concept::operators, plus ? "plus" : "minus") + " " +
                     asked(b, pack, form) + " ?";
  const int value = plus ? a + b : a - b;
  const std::string& word = pack.number(value);
  example.answer = form.answers == AnswerForm::neutral ? std::to_string(value) : word;
}

void fill_fact(const std::string& code, const std::string& relation, const LanguagePack& pack,
               const World& world, const TaskForm& form, Example& example) {
  const auto found = world.territories.find(code);
  if (found == world.territories.end()) bad_id(example.id);
  const Territory& territory = found->second;
  Concept kind = Concept::subregions;
  std::string value = territory.subregion;
  if (relation == "currency") {
    kind = Concept::currencies;
    value = territory.currency;
  } else if (relation == "language") {
    kind = Concept::languages;
    value = territory.language;
  } else if (relation != "subregion") {
    bad_id(example.id);
  }
  if (value.empty()) bad_id(example.id);
  example.question =
      pack.name(Concept::territories, code) + " : " + pack.name(Concept::cues, relation) + " ?";
  example.answer = form.answers == AnswerForm::neutral ? value : pack.name(kind, value);
  example.local = territory.is_official(pack.code);
}

std::vector<std::string> names_of(const std::vector<std::string>& emoji, const LanguagePack& pack) {
  std::vector<std::string> names;
  for (const std::string& e : emoji) names.push_back(pack.name(Concept::emoji, e));
  return names;
}

void fill_follow(const LanguagePack& pack, const TaskForm& form, Example& example) {
  const Instruction instruction = parse_instruction(example.id);
  example.question = pack.name(Concept::cues, instruction.verb);
  if (instruction.verb == "repeat") example.question += " " + asked(instruction.times, pack, form);
  const char* before = " : ";
  for (const std::string& name : names_of(instruction.emoji, pack)) {
    example.question += before + name;
    before = " , ";
  }
  example.question += " ?";
  example.answer = pack.list.join(names_of(instruction.wanted(), pack));
}

/// An output cut into known names and the text before, between and after them.
struct Cut {
  std::vector<std::string> names, gaps;  // gaps: one more than names
};

Cut cut_names(const std::string& text, const LanguagePack& pack) {
  std::vector<std::string> vocabulary;
  for (const auto& [emoji, name] : pack.names.at(Concept::emoji))
    vocabulary.push_back(normalise_answer(name));
  Cut cut;
  std::string gap;
  for (std::size_t at = 0; at < text.size();) {
    std::string longest;
    for (const std::string& name : vocabulary)
      if (name.size() > longest.size() && text.compare(at, name.size(), name) == 0) longest = name;
    if (longest.empty()) {
      gap += text[at++];
      continue;
    }
    cut.names.push_back(longest);
    cut.gaps.push_back(gap);
    gap.clear();
    at += longest.size();
  }
  cut.gaps.push_back(gap);
  return cut;
}

/// Whether a gap has no words except those of the separators of the language.
bool is_separator_like(const std::string& gap, const ListPattern& list) {
  if (gap.empty()) return true;
  for (const auto& [i, count] : {std::pair{0, 2}, {0, 3}, {1, 3}, {1, 4}})
    if (normalise_answer(gap) == normalise_answer(list.separator(i, count))) return true;
  for (const char32_t c : decode_utf8(gap))
    if (char_class(c) == CharClass::letter || char_class(c) == CharClass::number) return false;
  return true;
}

}  // namespace

Task task_of(const std::string& id) {
  const std::string name = id.substr(0, id.find('/'));
  for (const Task task : every<Task>())
    if (name_of(task) == name && id.size() > name.size()) return task;
  bad_id(id);
}

std::vector<std::string> sum_ids(int max_sum) {
  check(max_sum >= 2 && max_sum <= largest_number, "sums go up to ", max_sum,
        ", but the largest sum can be from 2 to ", largest_number, "; set --max_sum.");
  std::vector<std::string> ids;
  for (int a = 1; a <= max_sum; ++a)
    for (int b = 1; a + b <= max_sum; ++b) ids.push_back(cat("sums/", a, "+", b));
  for (int a = 1; a <= max_sum; ++a)
    for (int b = 1; b <= a; ++b) ids.push_back(cat("sums/", a, "-", b));
  return ids;
}

std::vector<std::string> fact_ids(const World& world) {
  std::vector<std::string> ids;
  for (const auto& [code, t] : world.territories) {
    ids.push_back("facts/" + code + "/subregion");
    if (!t.currency.empty()) ids.push_back("facts/" + code + "/currency");
    if (!t.language.empty()) ids.push_back("facts/" + code + "/language");
  }
  return ids;
}

std::vector<std::string> follow_ids(const World& world, int count, int longest_list,
                                    std::uint64_t seed) {
  check(longest_list >= 2 && longest_list <= 4, "a list of ", longest_list,
        " names was asked for; set --longest_list from 2 to 4.");
  const int names = static_cast<int>(world.emoji.size());
  // Lists of two names alone give names*(names-1) each of first, last and reverse: far more than
  // needed.
  check(count >= 4 && count <= 3 * names * (names - 1) / 4, count,
        " follow items were asked for; from ", names, " emoji there can be 4 to ",
        3 * names * (names - 1) / 4, ".");
  std::vector<std::string> repeats;
  for (int n = 2; n <= longest_list; ++n)
    for (const std::string& e : world.emoji)
      repeats.push_back(cat("follow/repeat", n, "/", hex_of(e)));
  Random random(seed);
  random.shuffle(repeats);
  repeats.resize(std::min(repeats.size(), static_cast<std::size_t>(count) / 4));
  std::vector<std::string> ids = std::move(repeats);
  std::set<std::string> seen;
  while (ids.size() < static_cast<std::size_t>(count)) {
    const std::string& verb = kVerbs[ids.size() % 3];
    const int length = 2 + static_cast<int>(random.below(static_cast<unsigned>(longest_list) - 1));
    std::vector<std::string> chosen;
    while (static_cast<int>(chosen.size()) < length) {
      const std::string hex = hex_of(world.emoji[random.below(static_cast<unsigned>(names))]);
      add_once(chosen, hex);
    }
    std::string id = "follow/" + verb;
    for (std::size_t i = 0; i < chosen.size(); ++i) id += (i == 0 ? "/" : ",") + chosen[i];
    if (seen.insert(id).second) ids.push_back(id);
  }
  return ids;
}

Example make_example(const std::string& id, const LanguagePack& pack, const World& world,
                     const TaskForm& form) {
  Example example;
  example.id = id;
  const Task task = task_of(id);
  example.task = name_of(task);
  example.lang = pack.code;
  const std::vector<std::string> parts = split(id, '/');
  if (parts.size() != (task == Task::sums ? 2u : 3u)) bad_id(id);
  if (task == Task::sums) fill_sum(parts[1], pack, form, example);
  if (task == Task::facts) fill_fact(parts[1], parts[2], pack, world, form, example);
  if (task == Task::follow) fill_follow(pack, form, example);
  return example;
}

std::vector<std::string> Instruction::wanted() const {
  if (verb == "first") return {emoji.front()};
  if (verb == "last") return {emoji.back()};
  if (verb == "reverse") return {emoji.rbegin(), emoji.rend()};
  return std::vector<std::string>(static_cast<std::size_t>(times), emoji.front());
}

Instruction parse_instruction(const std::string& id) {
  const std::vector<std::string> parts = split(id, '/');
  if (parts.size() != 3 || parts[0] != "follow") bad_id(id);
  Instruction instruction;
  instruction.verb = parts[1];
  if (parts[1].starts_with("repeat")) {
    instruction.verb = "repeat";
    instruction.times = parse_number(parts[1].substr(6), id);
  }
  if (!contains(kVerbs, instruction.verb)) bad_id(id);
  for (const std::string& hex : split(parts[2], ','))
    instruction.emoji.push_back(emoji_of(hex, id));
  if (instruction.verb == "repeat" && (instruction.times < 1 || instruction.emoji.size() != 1))
    bad_id(id);
  return instruction;
}

Verdict follows(const Instruction& instruction, const std::string& output,
                const LanguagePack& pack) {
  std::vector<std::string> wanted;
  for (const std::string& name : names_of(instruction.wanted(), pack))
    wanted.push_back(normalise_answer(name));
  const Cut cut = cut_names(normalise_answer(output), pack);
  const std::size_t found = cut.names.size();
  for (std::size_t i = 0; i <= found; ++i) {
    const bool outside = i == 0 || i == found;
    if (outside ? !cut.gaps[i].empty() : !is_separator_like(cut.gaps[i], pack.list))
      return {false, "vocabulary: \"" + cut.gaps[i] + "\" is no name known here"};
  }
  if (found != wanted.size())
    return {false, cat("count: ", found, " names where ", wanted.size(), " were expected")};
  for (std::size_t i = 0; i < found; ++i)
    if (cut.names[i] != wanted[i])
      return {false, cat("order: name ", i + 1, " is \"", cut.names[i], "\", expected \"",
                         wanted[i], "\"")};
  for (std::size_t i = 0; i + 1 < found; ++i) {
    // Normalise the joined names: blanks of a separator alone would be stripped.
    const std::string separator = pack.list.separator(static_cast<int>(i), static_cast<int>(found));
    const std::string pair = normalise_answer(wanted[i] + separator + wanted[i + 1]);
    if (pair != wanted[i] + cut.gaps[i + 1] + wanted[i + 1])
      return {false,
              "separator: \"" + cut.gaps[i + 1] + "\" where \"" + separator + "\" was expected"};
  }
  return {true, ""};
}

}  // namespace ramoe
