// Formats - the chosen letter of a text, and letters that number choices in other scripts; the
// rules are in extractors.h
#pragma once

#include <string>
#include <string_view>

namespace ramoe {

/// A letter of the text, as a capital, and its choice: 'A' to 'J', or 0 for none.
struct Choice {
  char32_t letter = 0;
  char latin = 0;
};

/// The choice in the text (choice_letter.cpp); its latin is 0 if there is none.
Choice choice_letter(std::string_view lang, std::u32string_view text);

// ---- Alphabets (choice_alphabets.cpp) -----------------------------------------------------------

/// The choice that a letter of any script means in a language; latin is 0 if it means none.
Choice choice_of(std::string_view lang, char32_t letter);

/// The choice whose name is the word, such as بي or बी; latin is 0 if there is none.
Choice choice_named(std::string_view lang, std::u32string_view word);

/// Whether the letter is also a word of its script, so that it is a choice only at the end of a
/// sentence.
bool is_also_a_word(char32_t letter);

/// Whether both belong to one script, so that they may be neighbours within a word.
bool are_of_one_script(char32_t a, char32_t b);

/// The text with special letter shapes, such as fullwidth letters, Ⓑ, ㉡ and bold letters, replaced
/// by plain letters, in brackets if they were enclosed. Invisible characters are left out.
std::u32string plain_letters(std::u32string_view text);

/// Whether the two are the same choice: letters of one script must be equal, others must have the
/// same index in their lists.
bool is_same_choice(const Choice& a, const Choice& b);

}  // namespace ramoe
