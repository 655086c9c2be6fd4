// Chapter 1.8 - work that is done again and again with the same sizes
//
//   replay.run({B, T}, [&] { forward(); backward(); update(); });
//
// A GPU takes a microsecond or more to start each of the hundreds of kernels of a small step. So it
// records them when a key is seen for the second time, and from then on starts the recording as a
// whole (a CUDA graph). The host does the work each time.
//
// A recording repeats the same kernels with the same arguments: same addresses, sizes and numbers.
// Whatever differs between two runs with the same key must lie in the device's memory, and the
// host's own part of the work is not done again. Tests: tests/ch01_tensor/replay_test.cpp
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

#include "ch01_tensor/storage.h"

namespace ramoe {

// Recordings of a GPU; defined in cuda/.
void gpu_begin_recording();
void* gpu_end_recording();
void gpu_drop_recording();  // ends it; nothing is kept
void gpu_replay(void* recording);
void gpu_forget(void* recording);

template <class T>
class Replay {
 public:
  Replay() = default;
  ~Replay() {
    for (const Entry& entry : entries_) forget(entry);
  }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  /// Does the work, or replays the recording of the same key.
  void run(const std::vector<double>& key, const std::function<void()>& work) {
    if constexpr (Lives<T>::on_gpu) {
      Entry& entry = find(key);
      if (entry.recording == nullptr && ++entry.seen < 2) return work();
      if (entry.recording == nullptr) entry.recording = record(work);
      gpu_replay(entry.recording);
      ++replayed_;
    } else {
      work();
    }
  }
  /// How often the work was replayed, that of a new recording included.
  int replayed() const { return replayed_; }
  /// How many keys have a recording.
  std::size_t recordings() const {
    std::size_t n = 0;
    for (const Entry& entry : entries_) n += entry.recording != nullptr;
    return n;
  }

 private:
  static constexpr std::size_t kMost = 64;  // keys that are remembered, those used last
  struct Entry {
    std::vector<double> key;
    int seen = 0;
    void* recording = nullptr;
  };
  Entry& find(const std::vector<double>& key) {
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (entries_[i].key == key) {
        std::rotate(entries_.begin() + std::ptrdiff_t(i), entries_.begin() + std::ptrdiff_t(i) + 1,
                    entries_.end());
        return entries_.back();
      }
    if (entries_.size() == kMost) {
      forget(entries_.front());
      entries_.erase(entries_.begin());
    }
    entries_.push_back({key});
    return entries_.back();
  }
  static void* record(const std::function<void()>& work) {
    gpu_begin_recording();
    try {
      work();
    } catch (...) {
      gpu_drop_recording();
      throw;
    }
    return gpu_end_recording();
  }
  static void forget(const Entry& entry) {
    if constexpr (Lives<T>::on_gpu)
      if (entry.recording) gpu_forget(entry.recording);
  }
  std::vector<Entry> entries_;  // the last one was used last
  int replayed_ = 0;
};

}  // namespace ramoe
