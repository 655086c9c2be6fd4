#include "app/training_files.h"

#include <filesystem>
#include <iostream>

#include "runs/checkpoint.h"
#include "support/error.h"
#include "support/text.h"

namespace ramoe {
namespace {

std::string state_of(RunFolder& folder) {
  return folder.file("training.safetensors");
}

}  // namespace

template <class T>
MetricsFrom TrainingFiles<T>::go_on(RunFolder& folder, Trainer<T>& trainer,
                                    const TrainConfig& config) {
  const std::string state = state_of(folder);
  if (!folder.resumed()) return {};
  if (!std::filesystem::exists(state)) {
    std::cerr << folder.path() + ": no checkpoint had been saved; training begins at step 1\n";
    return {};
  }
  CheckpointNotes notes;
  try {
    notes = load_checkpoint(trainer, state, folder.identity());
  } catch (const Error& error) {
    fail(error.what(),
         " Put the run's own checkpoint back and resume again, or begin anew with "
         "--overwrite=true; nothing was lost.");
  }
  if (!notes.checked)
    std::cerr << state +
                     ": an older version wrote it, without checksum and identity; what it "
                     "holds cannot be checked\n";
  return {trainer.steps_done() > 0 ? trainer.steps_done() : -1, notes.metrics_lines,
          config.log_every};
}

template <class T>
TrainingFiles<T>::TrainingFiles(RunFolder& folder, Trainer<T>& trainer, const TrainConfig& config)
    : folder_(folder),
      trainer_(trainer),
      config_(config),
      metrics_(folder.file("metrics.jsonl"), go_on(folder, trainer, config)) {
  if (metrics_.lost() > 0)
    std::cerr << cat(folder.file("metrics.jsonl"), ": ", metrics_.lost(), " of the ",
                     metrics_.lines(), " lines up to step ", trainer.steps_done(),
                     " are missing or broken; the run goes on, and \"missing\" marks the gap\n");
}

template <class T>
void TrainingFiles<T>::after_step(const Json& line) {
  const int step = trainer_.steps_done();
  if (step % config_.log_every == 0 || step == config_.steps) metrics_.append(line);
  if (step % config_.save_every == 0 && step < config_.steps) save();
}

template <class T>
void TrainingFiles<T>::save() const {
  trainer_.settle();
  save_checkpoint(trainer_, state_of(folder_), {folder_.identity(), metrics_.lines()});
}

template <class T>
void TrainingFiles<T>::remove() const {
  std::error_code ignored;
  std::filesystem::remove(state_of(folder_), ignored);
}

template <class T>
void TrainingFiles<T>::say_replays() const {
  if constexpr (Lives<T>::on_gpu) {
    const auto& [tokens, targets, padded_tokens, padded_targets] = trainer_.padding();
    const auto more = [](double padded, double of) {
      return fixed_number(of > 0 ? 100 * (padded / of - 1) : 0.0, 1) + " %";
    };
    std::cerr << trainer_.replay().replayed() << " of " << trainer_.steps_done()
              << " steps were replayed, from " << trainer_.replay().recordings()
              << " recordings; common sizes added " << more(padded_tokens, tokens)
              << " to their tokens and " << more(padded_targets, targets) << " to their targets\n";
  }
}

#define RAMOE_TRAINING_FILES(T) template class TrainingFiles<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_TRAINING_FILES)
#undef RAMOE_TRAINING_FILES

}  // namespace ramoe
