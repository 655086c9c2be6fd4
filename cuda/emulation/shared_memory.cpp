#include "cuda/emulation/shared_memory.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

#include "cuda/emulation/memory_check.h"
#include "cuda/emulation/place.h"
#include "support/error.h"

#ifdef EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace emulation {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kArea = (kMostShared + kPage - 1) / kPage * kPage;
char *area = nullptr, *shared = nullptr;  // with a page without memory before and behind
std::size_t size = 0;

}  // namespace

void place_shared(std::size_t bytes) {
  if (!area) {
    void* memory = mmap(nullptr, kArea + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    area = static_cast<char*>(memory) + kPage;
  } else if (bytes == size) {
    return;
  }
  size = bytes;
  const std::size_t pages = (bytes + kPage - 1) / kPage * kPage;
  mprotect(area, kArea, PROT_NONE);
  shared = area + kArea - pages;
  mprotect(shared, pages, PROT_READ | PROT_WRITE);
  // Exact checks let it begin at a page, as on a GPU; else its end is at the page that faults.
#ifdef EMULATION_ASAN
  __asan_poison_memory_region(area, kArea);
  __asan_unpoison_memory_region(shared, bytes);
#else
  if (!watching) shared += pages - (bytes + 15) / 16 * 16;
#endif
}

void* dynamic_shared() {
  return shared;
}

void clear_shared() {
  if (size > 0) std::memset(shared, 0xff, size);
}

std::string describe_shared(const void* address) {
  const char* const p = static_cast<const char*>(address);
  if (!area || p < area - kPage || p >= area + kArea + kPage) return "";
  return ramoe::cat("shared memory outside of the block's ", size, " bytes");
}

}  // namespace emulation
