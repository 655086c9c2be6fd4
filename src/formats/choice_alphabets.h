// Formats - letters that number choices in other scripts; the rules are in extractors.h
#pragma once

#include <string>
#include <string_view>

namespace ramoe {

/// A letter as it stands, as a capital, and the choice that it is: 'A' to 'J', or 0 for none.
struct Choice {
  char32_t letter = 0;
  char latin = 0;
};

/// The choice that one letter of any script is in a language; latin is 0 if it is none.
Choice choice_of(std::string_view lang, char32_t letter);

/// The choice whose name a word of several letters is, such as بي or बी: latin is 0 if it is none.
Choice choice_named(std::string_view lang, std::u32string_view word);

/// Whether the letter is also a word of its script and so needs the end of a sentence behind it.
bool is_also_a_word(char32_t letter);

/// Whether both belong to one block of letters: a word goes on from one to the other.
bool are_of_one_script(char32_t a, char32_t b);

/// Letters in the shapes that Unicode has for lists, such as fullwidth ones, Ⓑ, ㉡ and bold ones,
/// as plain ones, in brackets if they were enclosed. Invisible characters are left out.
std::u32string plain_letters(std::u32string_view text);

/// Whether the two are the same choice: letters of one script must be equal, others must stand at
/// the same place of their lists.
bool is_same_choice(const Choice& a, const Choice& b);

}  // namespace ramoe
