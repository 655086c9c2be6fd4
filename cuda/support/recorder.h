// CUDA - recordings in emulation: a list of what is to be done, in order
//
// So that what a recording may not do, such as to depend on a number of the host, shows without a
// GPU. On a GPU recordings are CUDA graphs (cuda/ch01_tensor/replay.cu).
#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace ramoe::cuda {

struct Recording {
  std::vector<std::function<void()>> work;
  /// What arenas handed out meanwhile: a replay uses the same memory, and takes none.
  std::vector<std::pair<void*, std::size_t>> memory;
};

/// The recording that this thread makes, or nullptr.
inline thread_local Recording* recording_now = nullptr;

/// Does something on the device, now or when the recording is replayed.
template <class Work>
void do_or_record(const Work& work) {
  if (recording_now)
    recording_now->work.emplace_back(work);
  else
    work();
}

}  // namespace ramoe::cuda
