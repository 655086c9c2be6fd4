// Support - a folder for files that are needed for a while
// Tests: tests/support/scratch.h is one, which most tests use.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "support/error.h"

namespace ramoe {

/// Made anew in `place`, its name beginning with `name`; removed with everything in it at the end,
/// also what has been made unreadable. Error: no folder can be made there.
class PassingFolder {
 public:
  explicit PassingFolder(
      const std::filesystem::path& place = std::filesystem::temp_directory_path(),
      const std::string& name = "ramoe") {
    std::string pattern = (place / (name + "-XXXXXX")).string();
    check(::mkdtemp(pattern.data()) != nullptr, "no folder can be made as ", pattern, ": ",
          std::strerror(errno), "; set TMPDIR to one that can be written.");
    path_ = pattern;
  }
  ~PassingFolder() {
    std::error_code ignored;
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ignored);
    std::filesystem::remove_all(path_, ignored);
  }
  PassingFolder(const PassingFolder&) = delete;
  PassingFolder& operator=(const PassingFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace ramoe
