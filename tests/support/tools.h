// Programs of the system that tests ask.
#pragma once

#include <cstdlib>
#include <string>

namespace ramoe {

inline bool has_tool(const std::string& name) {
  return std::system(("command -v " + name + " >/dev/null 2>&1").c_str()) == 0;
}

/// Whether the system's own program finds every file as checksums.txt of a folder says.
inline bool checksums_hold(const std::string& folder) {
  const std::string program = has_tool("sha256sum") ? "sha256sum" : "shasum -a 256";
  return std::system(
             ("cd '" + folder + "' && " + program + " -c checksums.txt >/dev/null").c_str()) == 0;
}

}  // namespace ramoe
