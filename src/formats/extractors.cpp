#include "formats/extractors.h"

#include <algorithm>

#include "formats/choice_letter.h"
#include "formats/last_number.h"
#include "support/error.h"
#include "support/unicode.h"

namespace ramoe {

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
    if (contains(wanted, reading)) return true;
  return false;
}

namespace {
template <Extractor extractor>
bool is_same(std::string_view lang, std::string_view answer, std::string_view output) {
  return is_same_answer(extractor, lang, answer, output);
}
}  // namespace

AnswerRule answer_rule(Extractor extractor) {
  constexpr std::array<AnswerRule, 3> rules = {is_same_text, is_same<Extractor::last_number>,
                                               is_same<Extractor::choice_letter>};
  return rules[static_cast<std::size_t>(extractor)];
}

}  // namespace ramoe
