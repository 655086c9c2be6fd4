#include "ch06_languages/extractors.h"

#include <algorithm>

#include "ch06_languages/choice_letter.h"
#include "ch06_languages/last_number.h"
#include "ch06_languages/unicode.h"
#include "support/config.h"
#include "support/error.h"

namespace ramoe {

std::vector<std::string> extractor_names() {
  return {"exact", "last_number", "choice_letter"};
}

std::string name_of(Extractor extractor) {
  return extractor_names()[static_cast<std::size_t>(extractor)];
}

Extractor parse_extractor(const std::string& name) {
  for (const Extractor extractor : all_extractors)
    if (name == name_of(extractor)) return extractor;
  const std::string nearest = nearest_word(name, extractor_names());
  fail("extractor \"", name, "\" is unknown; there are exact, last_number and choice_letter",
       nearest.empty() ? "." : "; did you mean " + nearest + "?");
}

std::vector<std::string> readings(Extractor extractor, std::string_view text) {
  switch (extractor) {
    case Extractor::last_number:
      return last_number(decode_utf8(text));
    case Extractor::choice_letter:
      return choice_letter(decode_utf8(text));
    case Extractor::exact:
      break;
  }
  return {normalise_answer(text)};
}

bool is_same_answer(Extractor extractor, std::string_view answer, std::string_view output) {
  const std::vector<std::string> wanted = readings(extractor, answer);
  for (const std::string& reading : readings(extractor, output))
    if (std::find(wanted.begin(), wanted.end(), reading) != wanted.end()) return true;
  return false;
}

}  // namespace ramoe
