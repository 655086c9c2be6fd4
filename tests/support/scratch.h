// A folder for the files of one test: made anew, and removed with everything in it at the end.
#pragma once

#include "support/passing_folder.h"

namespace ramoe {

class ScratchFolder : public PassingFolder {
 public:
  explicit ScratchFolder(
      const std::filesystem::path& place = std::filesystem::temp_directory_path())
      : PassingFolder(place, "ramoe-test") {}
};

}  // namespace ramoe
