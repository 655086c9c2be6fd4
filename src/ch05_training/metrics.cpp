#include "ch05_training/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "support/error.h"
#include "support/json.h"

namespace ramoe {
namespace {

bool has_step(const Json& line) {
  return line.is_object() && line.contains("step") && line["step"].is_number_integer();
}

/// Calls visit(text without newline, parsed) for each line but a half-written last one.
/// Half-written is a line without its newline: it is dropped even if it happens to parse.
template <class Visit>
void for_each_line(const std::string& path, const std::string& text, const Visit& visit) {
  int number = 1;
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1, ++number) {
    const std::string line = text.substr(begin, end - begin);
    check_json_bytes(line, path, number);
    const Json parsed = Json::parse(line, nullptr, false);
    check(!parsed.is_discarded() && has_step(parsed), path, ", line ", number,
          ": not a JSON object with a whole number \"step\"; remove the line or the file.");
    visit(line, parsed);
  }
}

}  // namespace

MetricsFile::MetricsFile(const std::string& path, std::int64_t last_step) : path_(path) {
  if (std::filesystem::exists(path)) {
    const std::string old = read_file(path);
    std::string kept;
    if (last_step >= 0)
      for_each_line(path, old, [&](const std::string& line, const Json& parsed) {
        if (parsed["step"].get<std::int64_t>() <= last_step) kept += line + "\n";
      });
    if (kept != old) write_file(path, kept);
  }
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  check(descriptor_ >= 0, path, " cannot be opened for writing: ", std::strerror(errno), ".");
}

MetricsFile::~MetricsFile() {
  ::close(descriptor_);
}

void MetricsFile::append(const Json& line) {
  check(has_step(line), path_, ": a line of metrics needs a whole number \"step\".");
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  const off_t end = ::lseek(descriptor_, 0, SEEK_END);
  ssize_t written;
  do written = ::write(descriptor_, text.data(), text.size());
  while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(text.size())) return;
  const int reason = written < 0 ? errno : ENOSPC;
  // A piece of a line would spoil the next one; if it cannot be cut off, reading drops it anyway.
  if (written > 0 && end >= 0 && ::ftruncate(descriptor_, end) != 0) errno = reason;
  fail(path_, " cannot be written: ", std::strerror(reason), ". Free some space and resume.");
}

std::vector<Json> read_metrics(const std::string& path) {
  std::vector<Json> lines;
  for_each_line(path, read_file(path),
                [&](const std::string&, const Json& parsed) { lines.push_back(parsed); });
  return lines;
}

}  // namespace ramoe
