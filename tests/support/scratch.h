// A folder for the files of one test: made anew, and removed with everything in it at the end.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/error.h"

namespace ramoe {

class ScratchFolder {
 public:
  explicit ScratchFolder(
      const std::filesystem::path& place = std::filesystem::temp_directory_path()) {
    std::string pattern = (place / "ramoe-test-XXXXXX").string();
    check(::mkdtemp(pattern.data()) != nullptr, "no folder can be made in ", pattern);
    path_ = pattern;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ignored);
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace ramoe
