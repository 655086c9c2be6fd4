#include "cuda/emulation/shared_memory.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

#include "cuda/emulation/memory_check.h"
#include "cuda/emulation/pages.h"
#include "cuda/emulation/place.h"
#include "support/error.h"

#ifdef EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace emulation {
namespace {

char *area = nullptr, *shared = nullptr;  // with a page without memory before and behind
std::size_t size = 0;

std::size_t area_bytes() {
  return whole_pages(kMostShared);
}

}  // namespace

void place_shared(std::size_t bytes) {
  if (!area) {
    void* memory = mmap(nullptr, area_bytes() + 2 * page_size(), PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    area = static_cast<char*>(memory) + page_size();
  } else if (bytes == size) {
    return;
  }
  size = bytes;
  const std::size_t pages = whole_pages(bytes);
  mprotect(area, area_bytes(), PROT_NONE);
  shared = area + area_bytes() - pages;
  mprotect(shared, pages, PROT_READ | PROT_WRITE);
  // Exact checks let it begin at a page, as on a GPU; else its end is at the page that faults.
#ifdef EMULATION_ASAN
  __asan_poison_memory_region(area, area_bytes());
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
  if (!area || p < area - page_size() || p >= area + area_bytes() + page_size()) return "";
  return ramoe::cat("shared memory outside of the block's ", size, " bytes");
}

}  // namespace emulation
