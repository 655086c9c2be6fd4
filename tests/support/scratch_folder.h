// A folder for the files of one test, and a look into texts.
#pragma once

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace ramoe {

using ScratchFolder = TemporaryFolder;

/// EXPECT that the text contains the part, and show both if not.
inline void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "text: " << text << "\nwanted in it: " << part;
}

}  // namespace ramoe
