#include "cuda/support/device.h"

#include <array>
#include <cstdlib>

#include "cuda/support/comes_last.cuh"
#include "cuda/support/launch.h"
#include "cuda/support/scratch.h"
#ifdef __CUDACC__
#include <cuda.h>
#else
#include "cuda/emulation/device_memory.h"
#endif
#include "support/choices.h"

void ramoe::check_gpu() {
  cuda::device_facts();
}

namespace ramoe::cuda {

GpuArena& scratch_arena() {
  thread_local GpuArena arena;
  return arena;
}

unsigned* arrivals() {
  thread_local GpuVector<GpuInt> all(kArrivals);
  return reinterpret_cast<unsigned*>(all.data());
}

void check_grid(const Grid& grid, const void* kernel, std::string_view name) {
  const auto threads = std::size_t(grid.threads.x) * grid.threads.y * grid.threads.z;
  check(threads >= 1 && threads <= 1024, name, ": a block of ", threads,
        " threads; a GPU's blocks have 1 to 1024.");
  check(grid.blocks.y <= 65535 && grid.blocks.z <= 65535, name, ": a grid of (", grid.blocks.x,
        ", ", grid.blocks.y, ", ", grid.blocks.z,
        ") blocks; y and z have at most 65535: put the rows in x.");
  constexpr std::size_t kAlways = 40 << 10;  // of 48 KiB, as a kernel may have variables there
  if (grid.shared_bytes <= kAlways) return;
  const std::size_t most = device_facts().shared_bytes;
  check(grid.shared_bytes <= most, name, ": a block needs ", grid.shared_bytes,
        " bytes of shared memory; ", device_facts().name, " has ", most, ".");
#ifdef __CUDACC__
  must(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                            int(grid.shared_bytes)),
       name);
#else
  (void)kernel;
#endif
}

namespace {
constexpr std::size_t kPiece = std::size_t{2} << 20;  // memory is granted in pieces of this

struct MemoryNow {
  std::size_t free, total;
};

enum class Overlap { no, yes };
constexpr auto names(Overlap) {
  return std::array{"0", "1"};
}
}  // namespace

bool overlap_wanted() {
  const char* const asked = std::getenv("RAMOE_CUDA_OVERLAP");
  return !asked || from_name<Overlap>(asked, "RAMOE_CUDA_OVERLAP") == Overlap::yes;
}

#ifdef __CUDACC__

bool may_overlap(const void* kernel) {
  static const bool all = [kernel] {
    if (!overlap_wanted() || device_facts().major < 9) return false;
    // A GPU newer than the machine code of this build runs the kernels compiled for 8.0, which do
    // not wait.
    cudaFuncAttributes code{};
    must(cudaFuncGetAttributes(&code, kernel), "what a kernel was compiled for");
    return code.ptxVersion >= 90;
  }();
  return all;
}

void must(cudaError_t result, std::string_view what) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // so that the next call does not report it again
  fail("CUDA, ", what, ": ", cudaGetErrorString(result), " (", cudaGetErrorName(result), ").");
}

const DeviceFacts& device_facts() {
  static const DeviceFacts facts = [] {
    int count = 0;
    const cudaError_t found = cudaGetDeviceCount(&count);
    check(found == cudaSuccess && count > 0, "device = cuda: no GPU can be used here (",
          found == cudaSuccess ? "none was found" : cudaGetErrorString(found),
          "); expected an NVIDIA GPU with its driver. Use --device=cpu.");
    cudaDeviceProp p{};
    int device = 0;
    must(cudaGetDevice(&device), "the current device");
    must(cudaGetDeviceProperties(&p, device), "the properties of the device");
    check(p.major >= 8, "device = cuda: ", p.name, " has compute capability ", p.major, ".",
          p.minor, "; the kernels need 8.0 (Ampere) or newer. Use --device=cpu.");
    DeviceFacts f;
    f.name = p.name;
    f.major = p.major, f.minor = p.minor;
    f.multiprocessors = p.multiProcessorCount;
    f.shared_bytes = p.sharedMemPerBlockOptin;
    f.memory = p.totalGlobalMem;
    return f;
  }();
  return facts;
}

namespace {
thread_local cudaStream_t other_stream = nullptr;
}

void set_stream(cudaStream_t other) {
  other_stream = other;
}

cudaStream_t stream() {
  if (other_stream) return other_stream;
  // One for all threads: work goes to the GPU in the order in which it was given.
  static const cudaStream_t all = [] {
    device_facts();
    cudaStream_t made;
    must(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "making a stream");
    return made;
  }();
  return all;
}

namespace {

/// A function of the driver, which is found at run time: a build needs no driver.
template <class Function>
Function driver(const char* name) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult state{};
  must(cudaGetDriverEntryPointByVersion(name, &found, 12000, cudaEnableDefault, &state), name);
  check(found != nullptr, "CUDA: the driver has no ", name, "; update the driver.");
  return reinterpret_cast<Function>(found);
}
#define RAMOE_DRIVER(name) driver<decltype(&name)>(#name)

CUmemAllocationProp on_device() {
  CUmemAllocationProp prop{};
  prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  must(cudaGetDevice(&prop.location.id), "the current device");
  return prop;
}

MemoryNow memory_now() {
  MemoryNow now{};
  cudaMemGetInfo(&now.free, &now.total);
  return now;
}

}  // namespace

GrowingMemory::~GrowingMemory() {
  if (!begin_) return;
  cudaStreamSynchronize(stream());
  std::size_t from = 0;
  for (int i = 0; i < count_; ++i) {
    RAMOE_DRIVER(cuMemUnmap)(CUdeviceptr(begin_ + from), ends_[i] - from);
    RAMOE_DRIVER(cuMemRelease)(pieces_[i]);
    from = ends_[i];
  }
  RAMOE_DRIVER(cuMemAddressFree)(CUdeviceptr(begin_), reserved_);
}

void GrowingMemory::reserve() {
  must(cudaFree(nullptr), "starting CUDA");
  reserved_ = ceil_div(device_facts().memory, kPiece) * kPiece;
  CUdeviceptr at = 0;
  check(RAMOE_DRIVER(cuMemAddressReserve)(&at, reserved_, 0, 0, 0) == CUDA_SUCCESS,
        "CUDA: ", reserved_ >> 20, " MiB of addresses could not be reserved.");
  begin_ = reinterpret_cast<std::byte*>(at);
}

bool GrowingMemory::grant(std::size_t bytes) {
  const std::size_t end = ceil_div(bytes, kPiece) * kPiece, more = end - bytes_;
  if (end > reserved_ || count_ == int(std::size(pieces_))) return false;
  const CUmemAllocationProp prop = on_device();
  CUmemGenericAllocationHandle piece = 0;
  if (RAMOE_DRIVER(cuMemCreate)(&piece, more, &prop, 0) != CUDA_SUCCESS) return false;
  CUmemAccessDesc access{};
  access.location = prop.location;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  const CUdeviceptr at = CUdeviceptr(begin_ + bytes_);
  check(RAMOE_DRIVER(cuMemMap)(at, more, 0, piece, 0) == CUDA_SUCCESS &&
            RAMOE_DRIVER(cuMemSetAccess)(at, more, &access, 1) == CUDA_SUCCESS,
        "CUDA: memory could not be mapped.");
  pieces_[count_] = piece;
  ends_[count_++] = end;
  bytes_ = end;
  return true;
}

#else

const DeviceFacts& device_facts() {
  static const DeviceFacts facts{"the emulated GPU", 8, 0, 2, 227 << 10, emulation::kMemory};
  return facts;
}

namespace {
MemoryNow memory_now() {
  return {emulation::free_memory(), emulation::kMemory};
}
}  // namespace

GrowingMemory::~GrowingMemory() {
  if (begin_) emulation::give_back(begin_);
}

void GrowingMemory::reserve() {
  reserved_ = device_facts().memory;
  begin_ = static_cast<std::byte*>(emulation::reserve(reserved_));
}

bool GrowingMemory::grant(std::size_t bytes) {
  const std::size_t end = ceil_div(bytes, std::size_t{4096}) * 4096;
  if (end > reserved_ || !emulation::grant(begin_, end)) return false;
  bytes_ = end;
  return true;
}

#endif

// Half of what a larger piece lacks is tried next: so the pieces stay few where memory ends.
void GrowingMemory::grow(std::size_t least, std::size_t wanted) {
  if (least <= bytes_) return;
  if (!begin_) reserve();
  for (std::size_t more = wanted - least; !grant(least + more);) {
    if (more == 0) out_of_memory(least - bytes_);
    more = more < kPiece ? 0 : more / 2;
  }
}

void out_of_memory(std::size_t asked) {
#ifdef __CUDACC__
  cudaGetLastError();  // so that the next call does not report it again
#endif
  const MemoryNow now = memory_now();
  fail("out of memory on ", device_facts().name, ": asked for ", asked >> 20, " MiB more, ",
       now.free >> 20, " of ", now.total >> 20,
       " MiB are free. Use a smaller model or batch, or --accumulate.");
}

}  // namespace ramoe::cuda

// What this thread's operations have for their scratch memory is counted by who asks.
std::size_t ramoe::gpu_memory_free() {
  check_gpu();
  return cuda::memory_now().free + cuda::scratch_arena().bytes_granted();
}
