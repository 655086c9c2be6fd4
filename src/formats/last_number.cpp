#include "formats/last_number.h"

#include <algorithm>

#include "formats/myriads.h"
#include "formats/number_run.h"
#include "formats/number_sign.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

/// The text without invisible characters, and with the LaTeX forms of separators and signs
/// ({,} \, \! \$ \%) replaced by plain ones.
std::u32string plain_text(std::u32string_view text) {
  std::u32string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::u32string_view rest = text.substr(i, 3);
    if (rest.size() == 3 && rest[0] == U'{' && separator_kind(rest[1]) != 0 && rest[2] == U'}') {
      plain += rest[1];
      i += 2;
    } else if (rest.size() >= 2 && rest[0] == U'\\' && (rest[1] == U',' || rest[1] == U'!')) {
      plain += U' ';
      i += 1;
    } else if (rest.size() >= 2 && rest[0] == U'\\' && (rest[1] == U'$' || rest[1] == U'%')) {
      continue;
    } else if (!is_invisible(text[i])) {
      plain += text[i];
    }
  }
  return plain;
}

/// The content of the last \boxed{...}, or the whole text.
std::u32string_view boxed(std::u32string_view text) {
  constexpr std::u32string_view kOpen = U"\\boxed{";
  const std::size_t at = text.rfind(kOpen);
  if (at == std::u32string_view::npos) return text;
  const std::u32string_view inside = text.substr(at + kOpen.size());
  int depth = 1;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    depth += inside[i] == U'{' ? 1 : inside[i] == U'}' ? -1 : 0;
    if (depth == 0) return inside.substr(0, i);
  }
  return inside;
}

/// Replaces the language's own decimal sign between two digits by the Arabic one; a slash only
/// between Persian digits.
void read_decimal_sign(std::u32string& text, char32_t sign) {
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    const bool between = digit_value(text[i - 1]) >= 0 && digit_value(text[i + 1]) >= 0;
    const bool persian = text[i - 1] >= 0x06F0 && text[i - 1] <= 0x06F9;
    if (text[i] == sign && between && (persian || sign != U'/')) text[i] = 0x066B;
  }
}

}  // namespace

std::vector<std::string> last_number(std::string_view lang, std::u32string_view text) {
  const NumberCustoms customs = number_customs(lang);
  std::u32string plain = without_myriads(plain_text(boxed(text)));
  if (customs.decimal_sign != 0) read_decimal_sign(plain, customs.decimal_sign);
  NumberRun run = last_number_run(plain);
  if (run.groups.empty()) return {};
  run.negative = is_negative(plain, run, customs);
  // "in 2020 1,234 people": an earlier number may have joined the run, so cut it at blanks first.
  for (std::vector<std::string> found; run.groups.size() > 1;) {
    found = readings_of(run, customs);
    if (!found.empty()) return found;
    const auto blank = std::find(run.separators.begin(), run.separators.end(), ' ');
    const bool has_blank = blank != run.separators.end();
    run.keep_last(has_blank ? static_cast<std::size_t>(run.separators.end() - blank) : 1);
  }
  return readings_of(run, customs);
}

}  // namespace ramoe
