// Chapter 6.7 - three tiny tasks: sums, facts and follow
//
//   sums    twenty-seven plus twelve ?       -> thirty-nine
//   facts   Kenya : currency ?               -> Kenyan Shilling
//   follow  repeat three : octopus ?         -> octopus, octopus, and octopus
//
// The three stand for GSM8K, MMLU and IFEval (our choice; the paper's tasks are far larger). The id
// of an item does not depend on the language, so that the same item can be asked in each:
//   sums/27+12  sums/30-4  facts/KE/currency  follow/repeat3/1f419  follow/reverse/1f419,1f40d
// (emoji as hexadecimal code points). Questions use ASCII blanks, ':', ',' and '?' in every
// language; the answer is in the language of the question and follows after one blank.
//
// TaskForm makes answers that are the same in every language, as GSM8K's numbers and MMLU's
// letters are, and questions with digits:
//   answers=neutral  sums 39   facts KES (ISO 4217), sw (CLDR's code), 014 (UN M49)
//   numbers=digits   27 plus 12 ?   repeat 3 : octopus ?
// follow answers in the words of its question in either form.
// Tests: tests/ch06_languages/tasks_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ch06_languages/pack.h"
#include "ch06_languages/parallel_data.h"

namespace ramoe {

enum class Task { sums, facts, follow };
constexpr auto names(Task) {
  return std::array{"sums", "facts", "follow"};
}

enum class AnswerForm { native, neutral };
constexpr auto names(AnswerForm) {
  return std::array{"native", "neutral"};
}
enum class NumberForm { words, digits };
constexpr auto names(NumberForm) {
  return std::array{"words", "digits"};
}
/// How items are written.
struct TaskForm {
  AnswerForm answers = AnswerForm::native;
  NumberForm numbers = NumberForm::words;  // of questions
  bool operator==(const TaskForm&) const = default;
};

/// The task of an id. Error: no task has such ids.
Task task_of(const std::string& id);

/// Every a+b <= max_sum with a, b >= 1, and every a-b >= 0 with a <= max_sum, b >= 1.
/// max_sum from 2 to largest_number.
std::vector<std::string> sum_ids(int max_sum);

/// All named facts of all territories.
std::vector<std::string> fact_ids(const World& world);

/// `count` distinct instructions drawn with `seed`: about a quarter each of first, last, reverse
/// (of 2 to longest_list different names) and repeat (2 to longest_list times), if there are
/// enough. Error: fewer than 4 or more than there are.
std::vector<std::string> follow_ids(const World& world, int count, int longest_list,
                                    std::uint64_t seed);

/// The item in the language of the pack. Error: not the id of an item.
Example make_example(const std::string& id, const LanguagePack& pack, const World& world,
                     const TaskForm& form = {});

/// The instruction of a follow item.
struct Instruction {
  std::string verb;                // first, last, reverse, repeat
  int times = 1;                   // of repeat
  std::vector<std::string> emoji;  // the items given
  /// The expected items of the output, in order.
  std::vector<std::string> wanted() const;
};

/// Error: not a follow id.
Instruction parse_instruction(const std::string& id);

/// Whether an output follows an instruction; `failed` is empty or says what is wrong and begins
/// with "vocabulary", "count", "order" or "separator".
struct Verdict {
  bool ok = false;
  std::string failed;
};

/// Checks vocabulary (only emoji names of this language), then count, order and separators.
/// Case, number and kind of blanks and Unicode normal form do not matter.
Verdict follows(const Instruction& instruction, const std::string& output,
                const LanguagePack& pack);

}  // namespace ramoe
