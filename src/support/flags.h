// Support - arguments typed after the name of a command, as JSON of the field's type.
// Tests: tests/support/flags_test.cpp
#pragma once

#include <string>

#include "support/config.h"

namespace ramoe {

/// Typed text as JSON of the field's type: 1e3 for 1000, yes for true, "en, es" for a list. Text
/// that does not fit the type stays text, which FieldList::read_json() then refuses.
Json typed_value(const Field& field, const std::string& text);

/// A value as it is written in a flag: text without quotes, lists separated by commas.
std::string flag_text(const Json& value);

/// How to write a text that was meant as a number ("; write 0.5 ..."); empty if it was not.
std::string number_advice(const std::string& text);

}  // namespace ramoe
