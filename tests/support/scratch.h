// What the tests of files share: a scratch folder and the text of an error.
#pragma once

#include "support/scratch_folder.h"

namespace ramoe {

/// The text of the Error that `act` throws. No Error is a failure of the test, as is another kind
/// of exception, which passes through.
template <class Act>
std::string error_of(const Act& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "an Error was expected";
  return "";
}

}  // namespace ramoe
