// Numbers as CLDR's patterns write them in every locale come back; fixtures/number_forms.tsv is
// made by make_number_forms.py from Unicode CLDR 47 (data/LICENSE-unicode).
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "formats/extractors.h"
#include "formats/language_customs.h"
#include "support/files.h"

namespace ramoe {
namespace {

constexpr std::size_t npos = std::string::npos;

struct Form {
  std::string locale, value, text;
};

std::vector<Form> all_forms() {
  std::istringstream in(read_file(RAMOE_SOURCE_DIR "/tests/formats/fixtures/number_forms.tsv"));
  std::vector<Form> forms;
  std::vector<std::string> locales;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("@ ")) {
      std::istringstream names(line.substr(2));
      locales.assign(std::istream_iterator<std::string>(names), {});
      continue;
    }
    const std::size_t tab = line.find('\t');
    for (const std::string& locale : locales)
      forms.push_back({locale, line.substr(0, tab), line.substr(tab + 1)});
  }
  return forms;
}

TEST(NumberForms, ThoseOfEveryLocaleComeBack) {
  const std::vector<Form> forms = all_forms();
  std::set<std::string> locales;
  int wrong = 0;
  for (const Form& form : forms) {
    locales.insert(form.locale);
    const auto is_same = [&](const std::string& lang, const std::string& text) {
      return is_same_answer(Extractor::last_number, lang, form.value, text);
    };
    // A sign behind the number, groups of two and three decimals need the language; most do not.
    const std::string language = form.locale.substr(0, form.locale.find('_'));
    const bool needed = language == "fy" || language == "tok" ||
                        form.text.find(",000\u00a0") != npos ||
                        form.text.find(".000\u00a0") != npos;
    if (is_same(form.locale, form.text) && (needed || is_same("", form.text)) &&
        is_same(form.locale, "(1) = " + form.text + "."))
      continue;
    if (++wrong <= 40)
      ADD_FAILURE() << form.locale << ": " << form.value << " is written " << form.text;
  }
  EXPECT_EQ(wrong, 0) << "of " << forms.size();
  EXPECT_GT(locales.size(), 1000u);
  EXPECT_GT(forms.size(), 12000u);
}

TEST(NumberForms, LanguagesWithADecimalPointAreThoseOfCldr) {
  std::set<std::string> pointed;
  for (const Form& form : all_forms()) {
    if (form.value != "0.5" || !number_customs(form.locale).point) continue;
    pointed.insert(form.locale);
    EXPECT_EQ(form.text.find(','), npos) << form.locale << ": " << form.text;
    EXPECT_EQ(form.text.find("\u066b"), npos) << form.locale << ": " << form.text;
  }
  EXPECT_GT(pointed.size(), 200u);
}

TEST(NumberForms, AnotherNumberDoesNot) {
  for (const Form& form : all_forms()) {
    const std::string other = form.value[0] == '-' ? form.value.substr(1) : "-" + form.value;
    EXPECT_FALSE(is_same_answer(Extractor::last_number, form.locale, other, form.text))
        << form.locale << ": " << other << " and " << form.text;
    EXPECT_FALSE(is_same_answer(Extractor::last_number, form.locale, form.value + "1", form.text))
        << form.locale << ": " << form.value << "1 and " << form.text;
  }
}

}  // namespace
}  // namespace ramoe
