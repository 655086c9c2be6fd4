// Chapter 1.8 on the GPU - recordings are CUDA graphs
//
// While a thread records, its launches go to a stream of its own that notes them instead of running
// them. Memory must have been taken before: addresses are noted too. Copies from and to the host
// are no part of a recording. That launches overlap (overlap.h) is noted as well: such kernels have
// an edge of another kind between them, while copies, clearings and cuBLAS have ordinary ones.
#include "ch01_tensor/replay.h"

#include <memory>

#include "cuda/support/launch.h"
#ifndef __CUDACC__
#include "cuda/emulation/device_memory.h"
#endif

namespace ramoe {

using namespace cuda;

#ifdef __CUDACC__

namespace {
cudaStream_t recording_stream() {
  thread_local const cudaStream_t mine = [] {
    cudaStream_t made;
    must(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "making a stream");
    return made;
  }();
  return mine;
}
}  // namespace

void gpu_begin_recording() {
  stream();  // Error: no GPU.
  must(cudaStreamBeginCapture(recording_stream(), cudaStreamCaptureModeThreadLocal),
       "beginning to record");
  set_stream(recording_stream());
}

void* gpu_end_recording() {
  set_stream(nullptr);
  cudaGraph_t graph;
  must(cudaStreamEndCapture(recording_stream(), &graph), "recording");
  cudaGraphExec_t recording;
  const cudaError_t made = cudaGraphInstantiate(&recording, graph, 0);
  cudaGraphDestroy(graph);
  must(made, "making a graph");
  return recording;
}

void gpu_drop_recording() {
  set_stream(nullptr);
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(recording_stream(), &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();
}

void gpu_replay(void* recording) {
  must(cudaGraphLaunch(static_cast<cudaGraphExec_t>(recording), stream()), "replaying a step");
}

void gpu_forget(void* recording) {
  cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recording));
}

#else

void gpu_begin_recording() {
  recording_now = new Recording;
}
void* gpu_end_recording() {
  return std::exchange(recording_now, nullptr);
}
void gpu_drop_recording() {
  delete std::exchange(recording_now, nullptr);
}
void gpu_replay(void* recording) {
  const auto& [all, memory] = *static_cast<Recording*>(recording);
  for (const auto& [at, bytes] : memory) emulation::hand_out(at, bytes);
  for (const auto& work : all) work();
  for (const auto& [at, bytes] : memory) emulation::withdraw(at, bytes);
}
void gpu_forget(void* recording) {
  delete static_cast<Recording*>(recording);
}

#endif

}  // namespace ramoe
