#include "app/demo_forecast.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "app/command.h"
#include "ch05_training/memory.h"
#include "runs/progress.h"
#include "support/error.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

constexpr int kTokens = 15;  // of a row of the demo's mixture, on average

/// Seconds of a training row, by the mean over up to three steps after a first one.
template <class T>
double row_seconds(const DemoWork& work, int threads) {
  const Workers workers(threads);
  Model<T> model(work.model, 1);
  Trainer<T> trainer(model, work.train);
  std::vector<TrainingSequence> rows(static_cast<std::size_t>(work.train.batch));
  int token = 0;
  for (TrainingSequence& row : rows)
    for (int t = 0; t < kTokens; ++t)
      row.tokens.push_back(3 + (token += 7) % (work.model.vocab_size - 3));
  const TrainingBatch batch =
      make_training_batch(rows, work.model.pad_token_id, work.model.bos_token_id);
  const auto step = [&] { trainer.step([&](int) { return batch; }); };
  const auto clock = progress_on_stderr().clock;
  step();
  const double began = clock();
  for (int steps = 1;; ++steps) {
    step();
    const double seconds = clock() - began;
    if (steps == 3 || seconds > 0.3) return seconds / steps / work.train.batch;
  }
}

/// Free bytes where the folder is or will be.
double free_disk(const std::string& folder) {
  fs::path place = fs::absolute(folder);
  std::error_code error;
  while (!fs::exists(place, error) && place.has_relative_path()) place = place.parent_path();
  const fs::space_info space = fs::space(place, error);
  return error ? HUGE_VAL : double(space.available);
}

/// Seconds, of the seconds of a row on all threads and on one.
double forecast_seconds(const DemoWork& work, double row, double row_on_one, int threads) {
  const double rounds = std::ceil(double(work.runs) / threads);
  return work.rows * row + rounds * work.rows_of_run * row_on_one;
}

/// "about 20 seconds", "about 5 minutes", "about 2.5 hours".
std::string rough_duration(double seconds) {
  if (seconds < 90) return cat("about ", 10 * std::max(1.0, std::round(seconds / 10)), " seconds");
  if (seconds < 5400) return cat("about ", std::round(seconds / 60), " minutes");
  return cat("about ", std::round(seconds / 1800) / 2, " hours");
}

}  // namespace

std::string forecast(const DemoWork& work, Device device, int threads) {
  // A kept run has its model, and in its checkpoint weights and both moments.
  const double disk =
      (1 + work.kept_models) * 16.0 * static_cast<double>(count_parameters(work.model).total) +
      (3 << 20);
  const double room = free_disk(work.folder);
  check(disk <= room, work.folder, " will take ", size_text(disk), ", and the disk has ",
        size_text(room), " left; make room, or name a folder on another disk with --run.");
  // Measured with 1, 2 and 8 threads: the program, and the arena of each run at a time.
  const double memory = (60 + 95 * std::min(threads, work.runs)) * double(1 << 20);
  std::string time = "what a GPU needs";
  if (device != Device::cuda)
    with_device(device, [&]<class T>() {
      const double one = row_seconds<T>(work, 1), all = row_seconds<T>(work, threads);
      time = rough_duration(forecast_seconds(work, all, one, threads));
    });
  return cat("This takes ", time, " on ", threads, threads == 1 ? " thread" : " threads", ", ",
             size_text(memory), " of memory, and ", size_text(disk), " in ", work.folder,
             ", where all of it is written",
             work.again ? "; less if finished stages are kept.\n" : ".\n");
}

}  // namespace ramoe
