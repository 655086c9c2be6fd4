#include "formats/language_customs.h"

#include <string_view>

namespace ramoe {
namespace {

struct Codes {
  std::string_view two, three;
};
/// The codes of languages in the lists below, and their other codes in data sets.
constexpr Codes kCodes[] = {
    {"am", "amh"}, {"ar", "ara"}, {"ar", "arb"}, {"as", "asm"}, {"az", "aze"},  {"az", "azj"},
    {"bg", "bul"}, {"bn", "ben"}, {"bs", "bos"}, {"ca", "cat"}, {"cs", "ces"},  {"cy", "cym"},
    {"da", "dan"}, {"dv", "div"}, {"en", "eng"}, {"es", "spa"}, {"fa", "fas"},  {"fa", "pes"},
    {"fa", "prs"}, {"fr", "fra"}, {"fy", "fry"}, {"ga", "gle"}, {"gd", "gla"},  {"gl", "glg"},
    {"gu", "guj"}, {"ha", "hau"}, {"he", "heb"}, {"hi", "hin"}, {"hr", "hrv"},  {"hu", "hun"},
    {"ig", "ibo"}, {"it", "ita"}, {"ja", "jpn"}, {"kn", "kan"}, {"ko", "kor"},  {"ku", "ckb"},
    {"mi", "mri"}, {"ml", "mal"}, {"mr", "mar"}, {"ms", "msa"}, {"ms", "zsm"},  {"my", "mya"},
    {"nb", "nob"}, {"ne", "nep"}, {"ne", "npi"}, {"nn", "nno"}, {"no", "nor"},  {"om", "gaz"},
    {"om", "orm"}, {"or", "ory"}, {"pa", "pan"}, {"pl", "pol"}, {"ps", "pbt"},  {"ps", "pus"},
    {"pt", "por"}, {"ro", "ron"}, {"ru", "rus"}, {"sd", "snd"}, {"si", "sin"},  {"sk", "slk"},
    {"sl", "slv"}, {"so", "som"}, {"sq", "als"}, {"sq", "sqi"}, {"sr", "srp"},  {"sv", "swe"},
    {"sw", "swa"}, {"sw", "swh"}, {"ta", "tam"}, {"te", "tel"}, {"fil", "tgl"}, {"fil", "tl"},
    {"th", "tha"}, {"tr", "tur"}, {"ug", "uig"}, {"ur", "urd"}, {"yi", "yid"},  {"yo", "yor"},
    {"xh", "xho"}, {"zu", "zul"}, {"zh", "cmn"}, {"zh", "zho"}, {"zh", "yue"}};

/// Languages with decimal point and thousands comma everywhere except in the regions of kNoPoint.
constexpr std::string_view kPoint =
    " am as bn cy en fil ga gd gu ha he hi ig ja kn ko mi ml mr ms my ne om or pa si so sw ta te "
    "th "
    "yo zh de-ch de-li es-419 es-bz es-cu es-do es-gt es-hn es-mx es-ni es-pa es-pe es-pr es-sv "
    "es-us it-ch ";
constexpr std::string_view kNoPoint =
    " en-at en-be en-cz en-de en-dk en-es en-fi en-fr en-hu en-id en-it en-nl en-no en-pl en-pt "
    "en-ro en-se en-si en-sk en-za ms-bn ms-id sw-cd ";

struct Words {
  std::string_view lang;
  std::u32string_view letters;
};
/// Articles, prepositions, conjunctions, pronouns and verbs: "A dog", "A mi juicio", "E o resto",
/// "I am".
constexpr Words kWords[] = {
    {"bg", U"АВС"}, {"bs", U"AI"}, {"ca", U"AEI"}, {"cs", U"AI"},  {"cy", U"AEI"},  {"da", U"I"},
    {"en", U"AI"},  {"es", U"AE"}, {"fr", U"A"},   {"ga", U"AI"},  {"gd", U"A"},    {"gl", U"AE"},
    {"ha", U"A"},   {"hr", U"AI"}, {"hu", U"A"},   {"ig", U"A"},   {"it", U"AEI"},  {"mi", U"AEI"},
    {"nb", U"I"},   {"nn", U"I"},  {"no", U"I"},   {"pl", U"AI"},  {"pt", U"AE"},   {"ro", U"AE"},
    {"ru", U"АВС"}, {"sk", U"AI"}, {"sl", U"A"},   {"sq", U"AEI"}, {"sr", U"AIАИ"}, {"sv", U"I"},
    {"uk", U"АВ"},  {"be", U"АВ"}, {"mk", U"АВС"}, {"yo", U"A"}};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool holds(std::string_view list, const std::string& code) {
  return list.find(" " + code + " ") != std::string_view::npos;
}

}  // namespace

std::string primary_language(std::string_view lang) {
  std::string code;
  for (const char c : lang.substr(0, lang.find_first_of("-_"))) code += lower(c);
  for (const Codes& codes : kCodes)
    if (code == codes.three) return std::string(codes.two);
  return code;
}

NumberCustoms number_customs(std::string_view lang) {
  std::string code = " ";  // in lower case, its parts as words
  for (const char c : lang) code += c == '_' || c == '-' ? ' ' : lower(c);
  const std::string primary = primary_language(lang);
  const std::string region = primary + "-" + code.substr(code.rfind(' ') + 1);
  const bool arabic = (code + " ").find(" arab ") != std::string::npos;
  NumberCustoms customs;
  customs.point =
      holds(kPoint, region) || (holds(kPoint, primary) && !holds(kNoPoint, region) && !arabic);
  if (primary == "fa") customs.decimal_sign = U'/';
  if (primary == "kea" || region == "pt-cv") customs.decimal_sign = U'$';
  customs.sign_behind = holds(" ar dv fa fy he ku ps sd ug ur yi ", primary);
  customs.three_decimals =
      holds(" ar-bh ar-jo ar-kw ar-ly ar-om ar-ps ar-tn en-bh en-jo en-kw en-om fr-tn ", region);
  customs.groups_of_two = primary == "tok";
  return customs;
}

std::u32string letters_that_are_words(std::string_view lang) {
  const std::string primary = primary_language(lang);
  for (const Words& words : kWords)
    if (words.lang == primary) return std::u32string(words.letters);
  return {};
}

}  // namespace ramoe
