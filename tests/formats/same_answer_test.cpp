// Answers as people write them in their languages: right ones must count, wrong ones must not.
#include <gtest/gtest.h>

#include "ch06_languages/parallel_data.h"
#include "formats/extractors.h"

namespace ramoe {
namespace {

struct Case {
  std::string lang, answer, output;
};

void expect_all(Extractor extractor, bool same, const std::vector<Case>& cases) {
  for (const Case& c : cases)
    EXPECT_EQ(is_same_answer(extractor, c.lang, c.answer, c.output), same)
        << c.lang << ": " << c.answer << " | " << c.output;
}

TEST(SameNumber, Grouping) {
  expect_all(Extractor::last_number, true,
             {{"hi", "100000", "कुल 1,00,000 रुपये"},
              {"en", "1234567", "The total is 12,34,567."},
              {"bn", "1500000.5", "₹ 15,00,000.50"},
              {"hi", "100000", "१,००,०००"},
              {"en", "123456", "1,23,456"},
              {"ta", "12345678", "மொத்தம் ₹1,23,45,678"},
              {"ur", "100000", "۱٬۰۰٬۰۰۰"},
              {"bn", "1234567.89", "১২,৩৪,৫৬৭.৮৯ টাকা"},
              {"de", "1234567.5", "1.234.567,50 €"},
              {"de-CH", "1234567.5", "CHF 1’234’567.50"},
              {"fr", "1234567.5", "1\u202f234\u202f567,5"},
              {"sv", "12345", "12\u00a0345 kr"},
              {"pl", "12345.5", "12\u2009345,5 zł"},
              {"es", "1234", "Son 1.234 euros"},
              {"es", "1234", "Son 1,234 dólares"},
              {"es-MX", "1234", "Son 1,234 pesos"},
              {"ar", "1234567", "١٬٢٣٤٬٥٦٧"},
              {"ar", "1234567", "١،٢٣٤،٥٦٧"},
              {"fa", "1234567", "۱,۲۳۴,۵۶۷ تومان"},
              {"xx", "1234", "1.234"},
              {"xx", "1.234", "1.234"},
              {"vi", "1500000", "1.500.000 đồng"},
              {"sw", "1500000", "Jumla ni TSh 1,500,000."},
              {"id", "1500000.5", "Rp 1.500.000,50"}});
  expect_all(Extractor::last_number, false,
             {{"hi", "0", "कुल 1,00,000 रुपये"},
              {"en", "567", "The total is 12,34,567."},
              {"en", "1234", "1.234"},
              {"en", "1.234", "1,234"},
              {"hin_Deva", "1234", "1.234"},
              {"zh", "1.234", "1,234"},
              {"es-MX", "1234", "1.234"},
              {"hi", "10000", "1,00,000"},
              {"en", "10203", "1,02,03"},
              {"en", "11", "1, 1"},
              {"de", "12345", "1.234,5"}});
}

TEST(SameNumber, DecimalsOfArabicScript) {
  expect_all(Extractor::last_number, true,
             {{"ar", "3.5", "٣،٥"},
              {"ar", "3.5", "٣٫٥"},
              {"ar", "3.5", "٣,٥"},
              {"ar", "0.5", "٫٥"},
              {"fa", "3.5", "۳٫۵"},
              {"fa", "3.5", "پاسخ ۳/۵ است"},
              {"ur", "3.5", "۳٫۵"},
              {"ar", "5", "٣،٤،٥"},
              {"fa", "12", "۱۴۰۲/۵/۱۲"}});
  expect_all(Extractor::last_number, false, {{"ar", "35", "٣،٥"}, {"fa", "5", "۳/۵"}});
}

TEST(SameNumber, SignsThatCount) {
  std::vector<Case> cases;
  for (const char* minus :
       {"-", "\u2212", "\u2013", "\u2010", "\u2011", "\u2012", "\ufe63", "\uff0d"})
    for (const char* text : {"", "x = ", "The answer is ", "**", "(", "答案是", "คำตอบคือ"})
      cases.push_back({"en", "-5", std::string(text) + minus + "5"});
  expect_all(Extractor::last_number, true, cases);
  expect_all(Extractor::last_number, true,
             {{"en", "-5", "-US$5"},
              {"en", "-1234.5", "-$1,234.50"},
              {"en", "-5", "$-5"},
              {"en", "-5", "US$ -5"},
              {"en", "-5", "\u2212€5"},
              {"en", "-5", "a loss of -\\$5"},
              {"pt", "-5", "-R$ 5,00"},
              {"pt", "-5", "R$ -5,00"},
              {"de-CH", "-5", "CHF-5.00"},
              {"de", "-5", "-5,00 €"},
              {"ja", "-5", "-￥5"},
              {"hi", "-500000", "-₹5,00,000"},
              {"bn", "-5", "-৳৫"},
              {"sw", "-5", "-TSh 5"},
              {"id", "-5000", "-Rp 5.000"},
              {"nb", "-5", "kr -5,00"},
              {"am", "-5", "-ብር5"},
              {"en", "-5", "-EUR 5"},
              {"tr", "-18", "-%18"},
              {"ha", "-18", "°C-18"},
              {"pt-CV", "-5.25", "-5$25"},
              {"brx", "-5.25", "-के.इ.एस 5.25"},
              {"he", "-5", "\u200e-5"},
              {"ar", "-5", "\u061c-٥"},
              {"ar", "-5", "الجواب \u200f-٥\u200f"},
              {"ar", "-5", "الجواب ٥-"},
              {"fa", "-5", "\u200e\u2212۵"},
              {"en", "-3", "x = -3"},
              {"en", "-3", "x = - 3"},
              {"en", "-3", "x=-3"}});
}

TEST(SameNumber, HyphensThatDoNot) {
  const std::vector<Case> cases = {{"ru", "34", "Т-34"},
                                   {"ru", "34", "Т–34"},
                                   {"el", "12", "Β-12"},
                                   {"en", "19", "Covid-19"},
                                   {"en", "5", "A-5"},
                                   {"uk", "4", "Ан-4"},
                                   {"hi", "5", "भाग-5"},
                                   {"he", "5", "ב-5"},
                                   {"ar", "5", "ب-٥"},
                                   {"ko", "5", "문제-5"},
                                   {"ka", "5", "ნაწილი-5"},
                                   {"en", "5", "3-5"},
                                   {"en", "5", "3–5"},
                                   {"de", "10", "5€–10€"},
                                   {"en", "10", "$5-$10"},
                                   {"en", "3", "10 - 3"},
                                   {"en", "10", "TOP-10"},
                                   {"en", "3.5", "GPT-3.5"},
                                   {"en", "5", "(2)-5"},
                                   {"en", "12", "2020-05-12"},
                                   {"es", "5", "—5 manzanas"},
                                   {"en", "5", "x²-5"},
                                   {"en", "2", "CO-2"},
                                   {"en", "5", "5-year-old"},
                                   {"ar", "2", "١- تفاح ٢- موز"},
                                   {"en", "5", "- 5 apples"},
                                   {"en", "5", "well-known 5"},
                                   {"en", "9001", "ISO-9001"}};
  expect_all(Extractor::last_number, true, cases);
  for (const Case& c : cases)
    EXPECT_FALSE(is_same_answer(Extractor::last_number, c.lang, "-" + c.answer, c.output))
        << c.lang << ": " << c.output;
}

TEST(SameNumber, UnitsOfEastAsia) {
  expect_all(Extractor::last_number, true,
             {{"zh", "100000", "10万"},
              {"zh", "15000", "答案是1.5万元。"},
              {"ja", "18000", "合計で1万8000円です"},
              {"ja", "123456789", "1億2345万6789"},
              {"ko", "35000", "3만 5000원"},
              {"ko", "123450000", "1억 2345만 원"},
              {"ko", "50000", "5만 원"},
              {"zh", "30000000", "3千万"},
              {"zh", "-20000", "-2万"},
              {"zh", "12340000", "1,234万"},
              {"zh", "5", "5千克"},
              {"zh", "5", "5千米"},
              {"ko", "3", "3조각"},
              {"ko", "10", "10만큼"},
              {"zh", "10000", "10000"},
              {"ja", "3", "1、2、3"}});
  expect_all(Extractor::last_number, false,
             {{"zh", "10", "10万"}, {"ja", "8000", "1万8000円"}, {"zh", "5000", "5千克"}});
}

TEST(SameNumber, ValuesAreComparedAsTheyAreWritten) {
  expect_all(Extractor::last_number, true,
             {{"en", "12345678901234567890.5", "12,345,678,901,234,567,890.50"},
              {"hi", "1500000.5", "15,00,000.50"}});
  expect_all(
      Extractor::last_number, false,
      {{"en", "9007199254740993", "9007199254740992"}, {"en", "0.1", "0.10000000000000001"}});
}

TEST(SameChoice, PhrasesOfManyLanguages) {
  const std::vector<Case> right = {{"en", "B", "The answer is B."},
                                   {"de", "B", "Die Antwort ist B"},
                                   {"de", "B", "Richtig ist Antwort B, weil"},
                                   {"es", "B", "La respuesta correcta es B."},
                                   {"es", "B", "A mi juicio, la respuesta es B"},
                                   {"pt", "B", "A resposta correta é B."},
                                   {"pt", "B", "A opção correta é a letra B."},
                                   {"fr", "B", "C'est la réponse B."},
                                   {"fr", "B", "À mon avis, c’est B"},
                                   {"it", "B", "A mio parere la risposta corretta è la B."},
                                   {"pl", "B", "A więc poprawna odpowiedź to B."},
                                   {"cs", "B", "A proto je správná odpověď B."},
                                   {"hu", "B", "A helyes válasz: B"},
                                   {"hu", "B", "A B válasz a helyes"},
                                   {"ro", "B", "A fost greu, dar răspunsul este B."},
                                   {"nl", "B", "Het juiste antwoord is B."},
                                   {"sv", "B", "I det här fallet är svaret B"},
                                   {"tr", "B", "Cevap: B"},
                                   {"tr", "B", "Doğru cevap B'dir."},
                                   {"hu", "B", "A válasz a B-nek felel meg"},
                                   {"zu", "B", "Impendulo elungile ngu-B"},
                                   {"vi", "B", "Đáp án B"},
                                   {"vi", "B", "Đáp án đúng là B."},
                                   {"id", "B", "Jawabannya adalah B."},
                                   {"sw", "B", "Jibu ni B"},
                                   {"sw", "B", "Jibu sahihi ni B."},
                                   {"yo", "B", "Ìdáhùn ni B"},
                                   {"zh", "B", "答案是B。"},
                                   {"zh", "B", "答案：B"},
                                   {"zh", "B", "选Ｂ"},
                                   {"ja", "B", "正解はBです"},
                                   {"ja", "B", "答えはＢです。"},
                                   {"ko", "B", "정답은 B입니다"},
                                   {"th", "B", "คำตอบคือ B"},
                                   {"th", "B", "ตอบข้อB"},
                                   {"hi", "B", "उत्तर: B"},
                                   {"hi", "B", "सही उत्तर (B) है"},
                                   {"bn", "B", "সঠিক উত্তর B"},
                                   {"ar", "B", "الإجابة الصحيحة هي \u200eB\u200f"},
                                   {"fa", "B", "گزینه B درست است"},
                                   {"he", "B", "התשובה היא B"},
                                   {"ru", "B", "Ответ: B"},
                                   {"el", "B", "Απάντηση: B"},
                                   {"de", "B", "b) Kairo"},
                                   {"de", "B", "Antwort: b"},
                                   {"en", "B", "Ⓑ"},
                                   {"en", "B", "🅱️"},
                                   {"en", "B", "𝐁"}};
  expect_all(Extractor::choice_letter, true, right);
  for (const Case& c : right)
    for (const char* wrong : {"A", "C", "D"})
      EXPECT_FALSE(is_same_answer(Extractor::choice_letter, c.lang, wrong, c.output))
          << c.lang << ": " << wrong << " | " << c.output;
}

TEST(SameChoice, AIsAWordOnlyWhereItIsOne) {
  expect_all(Extractor::choice_letter, true,
             {{"de", "A", "A ist richtig."},
              {"sw", "A", "A ni sahihi."},
              {"es", "A", "A es correcta."},
              {"pt", "A", "A é a correta."},
              {"it", "A", "A è giusta."},
              {"fr", "A", "A est la bonne réponse."},
              {"pl", "A", "A jest poprawna."},
              {"vi", "A", "A đúng"},
              {"tr", "A", "A doğru"},
              {"id", "A", "A adalah jawabannya"},
              {"nl", "A", "A is juist"},
              {"xx", "A", "A blah"},
              {"de", "I", "I ist richtig."},
              {"en", "A", "A seems right"},
              {"en", "A", "A would be my answer"},
              {"en", "A", "A, because dogs bark."},
              {"en", "A", "A and not B"},
              {"en", "B", "A dog barks, so the answer is B."},
              {"en", "B", "A famous dog barks, so the answer is B."},
              {"en", "B", "\"A bus\" is B."}});
  expect_all(Extractor::choice_letter, false,
             {{"en", "A", "A dog barks, so the answer is B."},
              {"pt", "A", "A resposta correta é B."},
              {"hu", "A", "A helyes válasz: B"},
              {"pl", "I", "I dlatego B"}});
}

TEST(SameChoice, LettersOfOtherAlphabets) {
  expect_all(Extractor::choice_letter, true,
             {{"ru", "B", "Ответ: В"},
              {"ru", "C", "Правильный ответ — С."},
              {"ru", "A", "А"},
              {"ru", "B", "В этом случае правильный ответ — В."},
              {"ru", "B", "б)"},
              {"ru", "Б", "Ответ: Б"},
              {"ru", "Б", "Правильный вариант (б)"},
              {"ru", "В", "Ответ: В"},
              {"uk", "Г", "Відповідь: Г"},
              {"el", "B", "Απάντηση: Β"},
              {"el", "C", "Η σωστή απάντηση είναι η Γ."},
              {"el", "Γ", "γ)"},
              {"ar", "B", "الإجابة الصحيحة هي ب"},
              {"ar", "ب", "الإجابة: (ب)"},
              {"ar", "A", "الجواب أ."},
              {"ar", "A", "ا"},
              {"ar", "ج", "الإجابة هي C"},
              {"fa", "A", "گزینه الف"},
              {"fa", "D", "گزینهٔ «د»"},
              {"ur", "B", "درست جواب ب ہے"},
              {"he", "B", "התשובה הנכונה היא ב'"},
              {"th", "B", "คำตอบคือ ข"},
              {"th", "D", "ข้อ ง."},
              {"th", "ก", "ตอบข้อก"},
              {"hi", "B", "सही उत्तर ख है।"},
              {"hi", "B", "उत्तर: बी"},
              {"hi", "A", "विकल्प ए"},
              {"mr", "C", "उत्तर: क"},
              {"bn", "B", "সঠিক উত্তর: খ"},
              {"bn", "C", "উত্তর (গ)"},
              {"ta", "B", "விடை: ஆ"},
              {"am", "B", "መልሱ ለ ነው"},
              {"ka", "B", "პასუხია ბ"},
              {"hy", "B", "Պատասխանը Բ է"},
              {"my", "B", "အဖြေ (ခ)"},
              {"km", "B", "ចម្លើយគឺ ខ"},
              {"zh", "B", "答案是乙。"},
              {"zh", "C", "丙"},
              {"ja", "B", "正解はイです"},
              {"ja", "C", "ウ"},
              {"ko", "B", "정답은 ㄴ입니다"},
              {"ko", "B", "정답: 나"},
              {"ko", "C", "㉢"},
              {"ko", "D", "㉱"}});
  expect_all(Extractor::choice_letter, false,
             {{"ru", "C", "Ответ: В"},
              {"ru", "Б", "Ответ: В"},
              {"ru", "B", "В этом случае ответа нет"},
              {"ru", "C", "С этим я не согласен"},
              {"hi", "A", "उत्तर: ख"},
              {"hi", "C", "सही है"},
              {"th", "A", "ไก่ขัน"},
              {"ar", "B", "باب"},
              {"zh", "A", "甲状腺"},
              {"ja", "A", "アメリカ"},
              {"ko", "B", "나는 몰라요"},
              {"ko", "C", "다 틀렸다"},
              {"kn", "B", "ಆ ಉತ್ತರ ತಪ್ಪು"},
              {"fa", "A", "این الفبا است"}});
}

TEST(SameAnswer, AnExampleIsReadInItsLanguage) {
  Example example{"1", "t", "de", "?", "A"};
  example.is_same = answer_rule(Extractor::choice_letter);
  EXPECT_TRUE(example.is_answered_by("A ist richtig."));
  example.lang = english;
  EXPECT_FALSE(example.is_answered_by("A ist richtig."));
}

}  // namespace
}  // namespace ramoe
