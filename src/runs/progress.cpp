#include "runs/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>

#include "support/error.h"

namespace ramoe {
namespace {

constexpr double terminal_seconds = 0.1, plain_seconds = 10;
constexpr int most_bar_columns = 30, least_bar_columns = 5;

std::string bar(int columns, double done) {
  const int filled = static_cast<int>(done * columns);
  std::string text(static_cast<std::size_t>(columns), ' ');
  for (int i = 0; i < filled; ++i) text[static_cast<std::size_t>(i)] = '=';
  if (filled < columns) text[static_cast<std::size_t>(filled)] = '>';
  return "[" + text + "] ";
}

}  // namespace

ProgressOutput progress_on_stderr() {
  struct winsize size {};
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const auto seconds = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  return {&std::cerr, terminal, known ? size.ws_col : 80, seconds};
}

Progress::Progress(std::string title, std::int64_t total, std::int64_t first,
                   double tokens_per_step, ProgressOutput output)
    : title_(std::move(title)),
      total_(total),
      first_(first),
      step_(first),
      tokens_per_step_(tokens_per_step),
      output_(std::move(output)),
      started_(output_.clock()) {
  check(0 <= first && first <= total, title_, ": progress from step ", first, " to ", total,
        "; 0 <= first <= total is expected.");
}

Progress::~Progress() {
  if (output_.terminal && any_shown_ && !finished_) *output_.stream << std::endl;
}

void Progress::update(std::int64_t step, const std::string& note) {
  if (finished_) return;
  step_ = step;
  note_ = note;
  const double wait = output_.terminal ? terminal_seconds : plain_seconds;
  if (!any_shown_ || output_.clock() - shown_ >= wait) show(false);
}

void Progress::finish() {
  if (finished_) return;
  show(true);
  finished_ = true;
}

std::string Progress::text_after_bar(double now, bool last) const {
  std::string text = cat(step_, "/", total_);
  if (!note_.empty()) text += "  " + note_;
  const double seconds = now - started_;
  const auto done = static_cast<double>(step_ - first_);
  const bool measured = done > 0 && seconds > 0;
  if (tokens_per_step_ > 0 && measured)
    text += cat("  ", grouped(std::llround(done * tokens_per_step_ / seconds)), " tok/s");
  if (last)
    text += "  took " + duration_text(seconds);
  else if (measured && step_ < total_)
    text += "  " + duration_text(seconds / done * static_cast<double>(total_ - step_)) + " left";
  return text;
}

void Progress::show(bool last) {
  const double now = output_.clock();
  std::string line = title_ + "  ";
  const std::string after = text_after_bar(now, last);
  if (output_.terminal) {
    // The last column stays free, since some terminals wrap a full line. If the line is too long,
    // the bar is left out first, then the end of the text is cut.
    const int room = std::max(output_.width - 1, 0);
    const int columns =
        std::min(room - static_cast<int>(line.size() + after.size()) - 3, most_bar_columns);
    const double done = total_ > 0 ? static_cast<double>(step_) / static_cast<double>(total_) : 1;
    if (columns >= least_bar_columns) line += bar(columns, std::clamp(done, 0.0, 1.0));
    line = (line + after).substr(0, static_cast<std::size_t>(room));
    *output_.stream << '\r' << line << "\x1b[K" << (last ? "\n" : "") << std::flush;
  } else {
    *output_.stream << line << after << std::endl;
  }
  shown_ = now;
  any_shown_ = true;
}

TextProgress::TextProgress(std::string title, std::size_t texts, double late,
                           const ProgressOutput& output)
    : title_(std::move(title)),
      texts_(static_cast<std::int64_t>(texts)),
      late_(late),
      output_(output),
      began_(output.clock()) {
  if (late_ == 0) progress_.emplace(title_, texts_, 0, 0, output_);
}

Watch TextProgress::watch() {
  return [this](double texts) {
    const auto done = static_cast<std::int64_t>(done_ += texts);
    if (!progress_ && output_.clock() - began_ < late_) return;
    if (!progress_) progress_.emplace(title_, texts_, done, 0, output_);
    progress_->update(done);
  };
}

void TextProgress::finish() {
  if (progress_) progress_->finish();
}

std::string duration_text(double seconds) {
  const double most = 1e9;  // 30 years: the limit of an estimate from very little work
  const auto s = static_cast<std::int64_t>(std::ceil(std::clamp(seconds, 0.0, most)));
  const auto two = [](std::int64_t large, const char* unit, std::int64_t small, const char* unit2) {
    return cat(large, unit, small < 10 ? "0" : "", small, unit2);
  };
  if (s < 60) return cat(s, "s");
  if (s < 3600) return two(s / 60, "m", s % 60, "s");
  if (s < 86400) return two(s / 3600, "h", s / 60 % 60, "m");
  return two(s / 86400, "d", s / 3600 % 24, "h");
}

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  const std::size_t digits_begin = number < 0 ? 1 : 0;
  for (std::size_t at = text.size(); at > digits_begin + 3;) text.insert(at -= 3, ",");
  return text;
}

}  // namespace ramoe
