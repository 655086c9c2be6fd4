#include "ch06_languages/parallel_data.h"

#include <algorithm>

#include "ch06_languages/pack.h"
#include "support/config.h"
#include "support/error.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

void require(const std::string& what, const std::string& name,
             const std::vector<std::string>& known) {
  if (contains(known, name)) return;
  const std::string nearest = nearest_word(name, known);
  fail("the data have no ", what, " \"", name, "\"",
       nearest.empty() ? std::string(".") : "; did you mean \"" + nearest + "\"?",
       " There are: ", joined(known, " "), ".");
}

}  // namespace

bool is_same_text(std::string_view, std::string_view answer, std::string_view output) {
  return normalise_answer(answer) == normalise_answer(output);
}

bool ParallelData::is_verified(const Example& example, const std::string& output) const {
  return example.is_answered_by(output);
}

std::vector<std::string> ParallelData::names_of(const std::string&) const {
  return {};
}

std::string ParallelData::language_code(const std::string& given) const {
  const std::vector<std::string> codes = languages();
  if (contains(codes, given)) return given;
  for (const std::string& code : codes)
    if (names_language(given, code, names_of(code))) return code;
  require_language(given);
  return given;
}

std::vector<std::string> ParallelData::targets() const {
  std::vector<std::string> codes = languages();
  std::erase(codes, english);
  return codes;
}

void ParallelData::require_language(const std::string& lang) const {
  require("language", lang, languages());
}

void ParallelData::require_task(const std::string& task) const {
  require("task", task, tasks_by_name());
}

}  // namespace ramoe
