// Support - what is typed behind the name of a command, as JSON of a field's type.
// Tests: tests/support/flags_test.cpp
#pragma once

#include <string>

#include "support/config.h"

namespace ramoe {

/// Text as it is typed, as JSON of the field's type: 1e3 for 1000, yes for true, "en, es" for a
/// list. What is none of that type stays text, which FieldList::read_json() then refuses.
Json typed_value(const Field& field, const std::string& text);

/// A value as a flag gives it: text bare, lists separated by commas.
std::string flag_text(const Json& value);

/// What to write for a text that was meant as a number ("; write 0.5 ..."); empty if none was.
std::string number_advice(const std::string& text);

}  // namespace ramoe
