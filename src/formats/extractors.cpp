#include "formats/extractors.h"

#include <algorithm>

#include "formats/choice_letter.h"
#include "formats/last_number.h"
#include "support/config.h"
#include "support/error.h"
#include "support/unicode.h"

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

std::vector<std::string> readings(Extractor extractor, std::string_view lang,
                                  std::string_view text) {
  switch (extractor) {
    case Extractor::last_number:
      return last_number(lang, decode_utf8(text));
    case Extractor::choice_letter: {
      const Choice choice = choice_letter(lang, decode_utf8(to_nfc(text)));
      if (choice.latin == 0) return {};
      return {std::string(1, choice.latin)};
    }
    case Extractor::exact:
      break;
  }
  return {normalise_answer(text)};
}

bool is_same_answer(Extractor extractor, std::string_view lang, std::string_view answer,
                    std::string_view output) {
  if (extractor == Extractor::choice_letter) {
    const Choice wanted = choice_letter(lang, decode_utf8(to_nfc(answer)));
    return wanted.latin != 0 &&
           is_same_choice(wanted, choice_letter(lang, decode_utf8(to_nfc(output))));
  }
  const std::vector<std::string> wanted = readings(extractor, lang, answer);
  for (const std::string& reading : readings(extractor, lang, output))
    if (std::find(wanted.begin(), wanted.end(), reading) != wanted.end()) return true;
  return false;
}

}  // namespace ramoe
