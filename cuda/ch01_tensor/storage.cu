// Chapter 1.1 on the GPU - its memory, and copies in and out
//
// All is done in the order of the stream. A copy into the GPU takes its bytes first into memory of
// the host that the GPU can read by itself (pinned), so that the host need not wait; a copy out
// waits until all work is done.
#include "ch01_tensor/storage.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "cuda/support/device.h"
#include "cuda/support/launch.h"
#ifndef __CUDACC__
#include "cuda/emulation/device_memory.h"
#endif

namespace ramoe {

#ifdef __CUDACC__

using cuda::must;
using cuda::stream;

void* gpu_allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  stream();  // Error: no GPU.
  const cudaError_t result = cudaMalloc(&memory, bytes);
  if (result == cudaErrorMemoryAllocation) cuda::out_of_memory(bytes);
  must(result, "allocating memory");
  return memory;
}

void gpu_free(void* memory) {
  if (memory) cudaFree(memory);  // waits until nothing uses it; at exit errors mean nothing
}

namespace {

void check_not_recording() {
  cudaStreamCaptureStatus status{};
  must(cudaStreamIsCapturing(stream(), &status), "asking whether a stream records");
  check(status == cudaStreamCaptureStatusNone,
        "CUDA: a copy from or to the host can not be recorded.");
}

/// Pinned memory in which copies wait for their turn: half of it is filled while the other half may
/// still be read.
class Staging {
 public:
  static constexpr std::size_t kHalf = std::size_t{4} << 20;
  void copy(void* to, const void* from, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (!memory_) {
      must(cudaMallocHost(&memory_, 2 * kHalf), "allocating pinned memory");
      for (cudaEvent_t& event : done_)
        must(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
    }
    while (bytes > 0) {
      if (used_ == kHalf) next_half();
      const std::size_t part = std::min(bytes, kHalf - used_);
      std::byte* at = memory_ + half_ * kHalf + used_;
      std::memcpy(at, from, part);
      must(cudaMemcpyAsync(to, at, part, cudaMemcpyHostToDevice, stream()), "copying to the GPU");
      used_ = std::min(kHalf, (used_ + part + 63) / 64 * 64);
      to = static_cast<std::byte*>(to) + part;
      from = static_cast<const std::byte*>(from) + part;
      bytes -= part;
    }
  }

 private:
  void next_half() {
    must(cudaEventRecord(done_[half_], stream()), "recording an event");
    half_ = 1 - half_;
    used_ = 0;
    must(cudaEventSynchronize(done_[half_]), "waiting for a copy");  // at first it is done at once
  }
  std::mutex mutex_;
  std::byte* memory_ = nullptr;
  cudaEvent_t done_[2] = {};
  int half_ = 0;
  std::size_t used_ = 0;
};

}  // namespace

void gpu_copy_in(void* to, const void* from, std::size_t bytes) {
  check_not_recording();
  static Staging staging;
  staging.copy(to, from, bytes);
}

void gpu_copy_out(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_not_recording();
  must(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream()), "copying from the GPU");
  must(cudaStreamSynchronize(stream()), "waiting for the GPU");
}

void gpu_copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  cuda::note_launch("copy");
  must(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream()), "copying on the GPU");
}

void gpu_clear(void* memory, std::size_t bytes) {
  if (bytes == 0) return;
  cuda::note_launch("clear");
  must(cudaMemsetAsync(memory, 0, bytes, stream()), "clearing memory");
}

#else

namespace {
void check_not_recording() {
  check(!cuda::recording_now, "CUDA: a copy from or to the host can not be recorded.");
}
}  // namespace

void* gpu_allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  void* const memory = emulation::allocate(bytes);
  if (!memory) cuda::out_of_memory(bytes);
  return memory;
}
void gpu_free(void* memory) {
  emulation::deallocate(memory);
}
void gpu_copy_in(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_not_recording();
  emulation::copy_in(to, from, bytes);
}
void gpu_copy_out(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_not_recording();
  emulation::copy_out(to, from, bytes);
}
void gpu_copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  cuda::note_launch("copy");
  cuda::do_or_record([=] { emulation::copy_within(to, from, bytes); });
}
void gpu_clear(void* memory, std::size_t bytes) {
  if (bytes == 0) return;
  cuda::note_launch("clear");
  cuda::do_or_record([=] { emulation::set_bytes(memory, 0, bytes); });
}

#endif

}  // namespace ramoe
