#include "runs/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>

#include "support/error.h"
#include "support/json.h"

namespace ramoe {
namespace {

bool has_step(const Json& line) {
  return line.is_object() && line.contains("step") && line["step"].is_number_integer() &&
         line["step"].get<std::int64_t>() >= 0;
}

struct Line {
  std::int64_t step;
  int missing;  // lines that a gap stands for; 0: an ordinary line
  bool fresh;   // a gap that the file does not show yet
  std::string text;
};

Line gap(std::int64_t after, int missing) {
  return {after, missing, true, Json{{"step", after}, {"missing", missing}}.dump()};
}

/// The lines of a file. A half-written last line, one without its newline, is dropped even if it
/// happens to parse. Broken lines before a valid one become a gap.
std::vector<Line> whole_lines(const std::string& text) {
  std::vector<Line> lines;
  std::int64_t step = 0;
  int broken = 0;
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    std::string line = text.substr(begin, end - begin);
    const Json json = json_or_discarded(line);
    // The parser takes a NUL byte for the end of the line.
    if (line.find('\0') != std::string::npos || json.is_discarded() || !has_step(json)) {
      ++broken;
      continue;
    }
    if (broken > 0) lines.push_back(gap(step, broken));
    broken = 0;
    step = json["step"].get<std::int64_t>();
    const Json missing = json.value("missing", Json(0));
    const std::uint64_t count = missing.is_number_unsigned() ? missing.get<std::uint64_t>() : 0;
    lines.push_back({step, static_cast<int>(std::min<std::uint64_t>(count, 1 << 30)), false, line});
  }
  return lines;
}

/// Marks `count` more lost lines: first between neighbours that are more than log_every steps
/// apart, the rest at the end.
std::vector<Line> with_gaps(const std::vector<Line>& lines, int count, int log_every) {
  std::vector<Line> marked;
  std::int64_t before = 0;  // step of the last ordinary line
  const auto mark = [&](std::int64_t room) {
    const int there = marked.empty() ? 0 : marked.back().missing;
    const int more = static_cast<int>(std::clamp<std::int64_t>(room - there, 0, count));
    if (more == 0) return;
    if (there > 0) marked.pop_back();
    marked.push_back(gap(before, there + more));
    count -= more;
  };
  for (const Line& line : lines) {
    if (line.missing == 0) {
      mark((line.step - before - 1) / log_every);
      before = line.step;
    }
    marked.push_back(line);
  }
  mark(std::numeric_limits<std::int64_t>::max());
  return marked;
}

}  // namespace

/// The text of the file up to a checkpoint, with marked gaps.
std::string MetricsFile::kept_text(const std::string& old, const MetricsFrom& from) {
  std::vector<Line> lines = whole_lines(old);
  std::erase_if(lines, [&](const Line& line) { return line.step > from.step; });
  const auto count = [&] {
    int sum = 0;
    for (const Line& line : lines) sum += std::max(1, line.missing);
    return sum;
  };
  // Broken lines after the checkpoint are dropped, as is everything else there.
  while (from.lines >= 0 && !lines.empty() && lines.back().fresh && count() > from.lines)
    lines.pop_back();
  for (const Line& line : lines) lost_ += line.fresh ? line.missing : 0;
  if (const int more = from.lines - count(); more > 0) {
    lost_ += more;
    lines = with_gaps(lines, more, from.log_every);
  }
  lines_ = count();
  std::string text;
  for (const Line& line : lines) text += line.text + "\n";
  return text;
}

MetricsFile::MetricsFile(const std::string& path, MetricsFrom from) : path_(path) {
  const std::string old = std::filesystem::exists(path) ? read_file(path) : "";
  const std::string kept = from.step >= 0 ? kept_text(old, from) : "";
  if (kept != old) write_file(path, kept);
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
  if (written == static_cast<ssize_t>(text.size())) {
    ++lines_;
    return;
  }
  const int reason = written < 0 ? errno : ENOSPC;
  // Cut off a partial line, since it would spoil the next one. If that fails, reading drops it.
  if (written > 0 && end >= 0 && ::ftruncate(descriptor_, end) != 0) errno = reason;
  fail(path_, " cannot be written: ", std::strerror(reason), ". Free some space and resume.");
}

std::vector<Json> read_metrics(const std::string& path) {
  std::vector<Json> lines;
  for (const Line& line : whole_lines(read_file(path)))
    lines.push_back(json_or_discarded(line.text));
  return lines;
}

}  // namespace ramoe
