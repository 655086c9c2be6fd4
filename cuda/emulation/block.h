// CUDA emulation - a grid of blocks of threads: who runs, who waits, and for whom
//
// Blocks run one after the other. Fibres are made only for threads that wait: as long as none does,
// one fibre runs one thread after the other, as a plain loop would. A thread that waits hands over
// to the next one of its warp that can go on, else of the block; when none can, those that wait do
// so for ever, and that is the error.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "cuda/emulation/place.h"

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
inline constinit uint3 threadIdx{}, blockIdx{};
inline constinit dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

namespace emulation {

struct Launch {
  std::string_view kernel;  // its name
  dim3 blocks, threads;
  std::size_t shared_bytes = 0;
  const void* code = nullptr;  // where the kernel begins, for messages
};

/// Runs body(argument) once for every thread of every block. Host threads take turns. `bytes`: what
/// `argument` points to, the kernel's parameters.
/// Error: whatever a kernel does that a GPU does not allow.
void run_grid(const Launch& launch, void (*body)(const void*), const void* argument,
              std::size_t bytes);
/// Error if a pointer, the number-th argument of a kernel, is neither null nor of the GPU.
void check_pointer(std::string_view kernel, int number, const volatile void* pointer);

/// In which order threads and blocks come. mixed: threads as they are, blocks from all over the
/// grid, so that those of one tile or product come between those of another.
enum class RunOrder { forward, reversed, mixed };
constexpr auto names(RunOrder) {
  return std::array{"forward", "reversed", "mixed"};
}
/// What depends on the order shows in another one. At first it is what RAMOE_CUDA_ORDER in the
/// environment names. Error, at the first launch: no such order.
void take_order(RunOrder order);

/// __syncthreads.
void meet_block(Place place);
/// The same; returns how many threads have voted.
int vote_in_block(bool vote, Place place);

/// What a lane brings to a meeting of its warp, and where it wants its answer.
struct Lane {
  const void* give;
  void* take;
};
/// What the lanes of each warp of the block have brought.
inline constinit Lane lanes_of_warp[32][warpSize] = {};
/// Waits until all lanes of the mask are here. The last to come computes the answers of all of
/// them: answer(lanes, mask). So it is written as one loop over lanes, nobody sees half of it.
void meet_warp(unsigned mask, Lane mine, void (*answer)(const Lane* lanes, unsigned mask),
               Place place);
/// __syncwarp: the only meeting of a warp that also orders what its lanes do to memory.
void order_warp(unsigned mask, Place place);
int lane();
unsigned lanes_alive();

/// cp.async of the present thread: done when waited for, no sooner. From null: zeros.
void copy_later(void* to, const void* from, std::size_t bytes);
void commit_copies();
void wait_copies(int left);

/// Error with place, kernel, block, thread and what it does, at another place; ends the launch.
[[noreturn]] void complain(Place place, const char* what, Place other = {});
/// The same from where nothing can be thrown: the error comes at the end of the block.
void complain_later(const std::string& line, const std::string& what);
bool complained();
/// The present thread never goes on, and so its block ends.
[[noreturn]] void leave_for_ever();

bool this_thread_runs_kernel();
/// "k, block (0,0,0), thread (5,0,0)"
std::string name_of_present_thread();
std::string name_of_thread(int thread);

/// Who runs, for the memory check.
struct Running {
  int thread = -1;        // of its block; -1: no kernel
  unsigned block = 0;     // counted since the program began, from 1
  unsigned barriers = 0;  // that the block has passed
};
inline constinit Running running;

/// Which threads of the block have waited for the kernels before theirs (cuda/support/overlap.h).
/// One that ends without is an error.
inline constinit bool waited[1024] = {};
/// A call of which the memory check hears nothing.
__attribute__((noinline, no_sanitize("thread"))) inline void wait_for_earlier_kernels() {
  waited[running.thread] = true;
}

}  // namespace emulation
