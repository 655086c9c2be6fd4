#include "formats/checksum_list.h"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <vector>

#include "support/checksum.h"
#include "support/error.h"
#include "support/files.h"

namespace ramoe {

namespace fs = std::filesystem;

void write_checksum_list(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder + "/model"))
    if (entry.is_regular_file() && entry.path().extension() != ".safetensors" &&
        entry.path().extension() != temporary_suffix)
      names.push_back("model/" + entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names)
    text += sha256(read_file(folder + "/" + name)) + "  " + name + "\n";
  write_file(folder + "/" + checksum_list_name, text);
}

void check_checksum_list(const std::string& folder) {
  const std::string list = folder + "/" + checksum_list_name;
  if (!fs::exists(list)) return;
  std::istringstream lines(read_file(list));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string digits = line.substr(0, 64), rest = line.size() > 66 ? line.substr(66) : "";
    check(digits.find_first_not_of("0123456789abcdef") == std::string::npos && !rest.empty() &&
              line[64] == ' ' && (line[65] == ' ' || line[65] == '*'),
          list, ", line ", number, ": expected 64 hexadecimal digits, two spaces and a file, as ",
          "sha256sum writes them; restore or remove checksums.txt.");
    const std::string path = folder + "/" + rest;
    if (!fs::exists(path)) {
      check(!rest.starts_with("model/"), path, " is missing, though checksums.txt lists it; ",
            "restore it, or make the model again.");
      continue;
    }
    const std::string now = sha256(read_file(path));
    check(now == digits, path, " is not as it was when its model was made (SHA-256 ",
          now.substr(0, 8), "..., in checksums.txt ", digits.substr(0, 8),
          "...): it is damaged or was changed. Restore it; if the change is meant, remove ", list,
          ".");
  }
}

void check_model_folder(const std::string& model_folder) {
  fs::path path = fs::path(model_folder + "/").lexically_normal().parent_path();
  if (path.filename() != "model") path = fs::absolute(path).lexically_normal();
  const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  if (path.filename() == "model" && fs::exists(folder + "/run.json")) check_checksum_list(folder);
}

}  // namespace ramoe
