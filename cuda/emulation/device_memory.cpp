#include "cuda/emulation/device_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <new>

#include "cuda/emulation/faults.h"
#include "cuda/emulation/memory_check.h"
#include "cuda/emulation/pages.h"
#include "cuda/emulation/place.h"
#include "support/error.h"

#ifdef EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace emulation {
namespace {

constexpr std::size_t kZone = std::size_t{256} << 30;  // addresses, not memory
constexpr std::size_t kFirst = std::size_t{1} << 20;   // below it nothing is ever allocated
constexpr std::size_t kGuardedByPages = std::size_t{1} << 20;
constexpr std::size_t kFar = std::size_t{1} << 20;
constexpr int kOpen = PROT_READ | PROT_WRITE;

/// Fresh memory, at `at` if that is not null.
void* map(void* at, std::size_t bytes, int rights) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0);
  void* const memory = mmap(at, bytes, rights, flags, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

/// A stretch of whole pages, followed by at least one page without memory.
struct Range {
  std::size_t reserved = 0, granted = 0;
  char* at = nullptr;  // what allocate() returned
  std::size_t bytes = 0;
};

struct Zone {
  std::mutex mutex;
  char* begin = nullptr;
  std::map<char*, Range> ranges;
  std::size_t granted = 0, taken = 0;  // to ranges, by others
  int key = -1;                        // of the processor; -1: none
  int accesses = 0;                    // alive
  int nothing = -1;                    // an empty file
  unsigned char* usable = nullptr;     // for each word how many of its bytes may be touched

  Zone() : nothing(memfd_create("nothing", MFD_CLOEXEC)) {
    begin = static_cast<char*>(clear(nullptr, kZone));
#ifdef __x86_64__
    key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
#endif
    if (watching) usable = static_cast<unsigned char*>(map(nullptr, kZone / 4, kOpen));
    watch_faults();
  }
  /// Addresses without memory, new ones or in the place of others. Those of an empty file fault
  /// even where they may be written: they can be opened with the ranges that they lie between.
  /// Without one (qemu with larger pages than the machine's) ranges are opened one by one.
  void* clear(void* at, std::size_t bytes) {
    if (nothing >= 0) {
      const int flags = MAP_SHARED | MAP_NORESERVE | (at ? MAP_FIXED : 0);
      void* const empty = mmap(at, bytes, PROT_NONE, flags, nothing, 0);
      if (empty != MAP_FAILED) return empty;
      nothing = -1;
    }
    return map(at, bytes, PROT_NONE);
  }
  std::size_t free() const {
    return kMemory - std::min(kMemory, granted + taken);
  }
  bool open() const {
    return key >= 0 || accesses > 0 || granted > kGuardedByPages;
  }
};
/// Lives for ever: what is freed at exit may still ask for it.
Zone& zone() {
  static Zone& all = *new Zone;
  return all;
}

void protect(void* from, std::size_t bytes, int rights, [[maybe_unused]] int key) {
  int result = 0;
#ifdef __x86_64__
  if (key >= 0)
    result = pkey_mprotect(from, bytes, rights, key);
  else
#endif
    result = mprotect(from, bytes, rights);
  if (result != 0) throw std::bad_alloc();
}

/// Ranges that lie near one another in one call, with what is between them.
void open_or_close(Zone& z, int rights) {
  const std::size_t far = z.nothing >= 0 ? kFar : 0;
  char *from = nullptr, *to = nullptr;
  for (const auto& [at, range] : z.ranges) {
    if (range.granted == 0) continue;
    if (from && static_cast<std::size_t>(at - to) > far) {
      protect(from, static_cast<std::size_t>(to - from), rights, -1);
      from = nullptr;
    }
    if (!from) from = at;
    to = at + range.granted;
  }
  if (from) protect(from, static_cast<std::size_t>(to - from), rights, -1);
}

bool grant_locked(Zone& z, char* from, Range& range, std::size_t bytes) {
  const std::size_t end = whole_pages(bytes);
  if (end <= range.granted) return true;
  const std::size_t more = end - range.granted;
  if (more > z.free()) return false;
  const bool was_open = z.open();
  map(from + range.granted, more, PROT_NONE);
  z.granted += more;
  range.granted = end;
  // Beyond the most that mprotect can guard, all is opened for good.
  if (!was_open && z.open()) open_or_close(z, kOpen);
  protect(from, end, z.open() ? kOpen : PROT_NONE, z.key);
  return true;
}

/// First fit: the first gap between ranges that is large enough.
std::map<char*, Range>::iterator reserve_locked(Zone& z, std::size_t bytes) {
  const std::size_t pages = whole_pages(bytes) + page_size();
  char* at = z.begin + kFirst;
  for (const auto& [from, range] : z.ranges) {
    if (static_cast<std::size_t>(from - at) >= pages && from >= at) break;
    at = from + range.reserved;
  }
  if (at + pages > z.begin + kZone) throw std::bad_alloc();
  const auto made = z.ranges.emplace(at, Range{}).first;
  made->second.reserved = pages;
  return made;
}

void release_locked(Zone& z, std::map<char*, Range>::iterator at) {
  z.granted -= at->second.granted;
  z.clear(at->first, at->second.reserved);  // without the old pages' memory and key
  z.ranges.erase(at);
}

/// For AddressSanitizer and the memory check.
void mark(Zone& z, void* at, std::size_t bytes, bool usable) {
#ifdef EMULATION_ASAN
  if (usable)
    __asan_unpoison_memory_region(at, bytes);
  else
    __asan_poison_memory_region(at, bytes);
#endif
  if (!z.usable) return;
  unsigned char* const words =
      z.usable + static_cast<std::size_t>(static_cast<char*>(at) - z.begin) / 4;
  std::memset(words, usable ? 4 : 0, bytes / 4);
  if (bytes % 4 > 0) words[bytes / 4] = static_cast<unsigned char>(usable ? bytes % 4 : 0);
}

}  // namespace

Access::Access() {
  Zone& z = zone();
#ifdef __x86_64__
  if (z.key >= 0) {
    pkey_set(z.key, 0);
    return;
  }
#endif
  const std::lock_guard lock(z.mutex);
  const bool was_open = z.open();
  ++z.accesses;
  if (!was_open) open_or_close(z, kOpen);
}

Access::~Access() {
  Zone& z = zone();
#ifdef __x86_64__
  if (z.key >= 0) {
    pkey_set(z.key, PKEY_DISABLE_ACCESS);
    return;
  }
#endif
  const std::lock_guard lock(z.mutex);
  --z.accesses;
  if (!z.open()) open_or_close(z, PROT_NONE);
}

std::size_t free_memory() {
  Zone& z = zone();
  const std::lock_guard lock(z.mutex);
  return z.free();
}

void take_memory(std::size_t bytes) {
  Zone& z = zone();
  const std::lock_guard lock(z.mutex);
  z.taken = bytes;
}

void* reserve(std::size_t bytes) {
  Zone& z = zone();
  const std::lock_guard lock(z.mutex);
  return reserve_locked(z, bytes)->first;
}

bool grant(void* from, std::size_t bytes) {
  Zone& z = zone();
  const std::lock_guard lock(z.mutex);
  const auto at = z.ranges.find(static_cast<char*>(from));
  const std::size_t before = at->second.granted;
  const bool granted = grant_locked(z, at->first, at->second, bytes);
  if (at->second.granted > before) mark(z, at->first + before, at->second.granted - before, false);
  return granted;
}

void hand_out(void* at, std::size_t bytes) {
  if (bytes == 0) return;
  Zone& z = zone();
  {
    const std::lock_guard lock(z.mutex);
    mark(z, at, bytes, true);
  }
  set_bytes(at, 0xff, bytes);
}

void withdraw(void* at, std::size_t bytes) {
  if (bytes == 0) return;
  Zone& z = zone();
  const std::lock_guard lock(z.mutex);
  mark(z, at, bytes, false);
}

void give_back(void* from) {
  Zone& z = zone();
  const std::lock_guard lock(z.mutex);
  const auto at = z.ranges.find(static_cast<char*>(from));
  mark(z, at->first, at->second.granted, false);
  release_locked(z, at);
}

void* allocate(std::size_t bytes) {
  Zone& z = zone();
  void* result = nullptr;
  {
    const std::lock_guard lock(z.mutex);
    const auto made = reserve_locked(z, bytes);
    Range& range = made->second;
    if (!grant_locked(z, made->first, range, bytes)) {
      z.ranges.erase(made);
      return nullptr;
    }
    mark(z, made->first, range.granted, false);
    // Exact checks let it begin at a page, as on a GPU; else its end is near the page that faults.
    range.at = made->first;
#ifndef EMULATION_ASAN
    if (!watching) range.at += range.granted - (bytes + 15) / 16 * 16;
#endif
    range.bytes = bytes;
    result = range.at;
  }
  hand_out(result, bytes);
  return result;
}

void deallocate(void* memory) {
  if (!memory) return;
  Zone& z = zone();
  const std::lock_guard lock(z.mutex);
  auto at = z.ranges.upper_bound(static_cast<char*>(memory));
  const bool found = at != z.ranges.begin() && (--at)->second.at == memory;
  ramoe::check(found, "cudaFree of ", memory, ", which cudaMalloc did not return or which is free");
  mark(z, at->second.at, at->second.bytes, false);
  release_locked(z, at);
}

void copy_in(void* to, const void* from, std::size_t bytes) {
  ramoe::check(is_device(to), "a copy to the GPU goes to an address of the host");
  ramoe::check(!is_device(from), "a copy to the GPU comes from an address of the GPU");
  const Access access;
  std::memcpy(to, from, bytes);
}
void copy_out(void* to, const void* from, std::size_t bytes) {
  ramoe::check(is_device(from), "a copy from the GPU comes from an address of the host");
  ramoe::check(!is_device(to), "a copy from the GPU goes to an address of the GPU");
  const Access access;
  std::memcpy(to, from, bytes);
}
void copy_within(void* to, const void* from, std::size_t bytes) {
  ramoe::check(is_device(from) && is_device(to),
               "a copy within the GPU's memory comes from or goes to an address of the host");
  const Access access;
  std::memcpy(to, from, bytes);
}
void set_bytes(void* at, int byte, std::size_t bytes) {
  ramoe::check(is_device(at), "memory of the GPU is to be set at an address of the host");
  const Access access;
  std::memset(at, byte, bytes);
}

bool is_guarded() {
  Zone& z = zone();
  const std::lock_guard lock(z.mutex);
  return z.key >= 0 || !z.open();
}

bool is_device(const void* address) {
  const char* const begin = zone().begin;
  return address >= begin && address < begin + kZone;
}

bool is_usable(const void* address, std::size_t bytes) {
  const Zone& z = zone();
  const auto first =
      reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(z.begin);
  for (std::size_t at = first; at < first + bytes; at = at / 4 * 4 + 4) {
    const std::size_t end = std::min(first + bytes, at / 4 * 4 + 4);
    if (z.usable[at / 4] <= (end - 1) % 4) return false;
  }
  return true;
}

std::string describe(const void* address) {
  Zone& z = zone();
  const std::lock_guard lock(z.mutex);
  const char* const p = static_cast<const char*>(address);
  const auto after = z.ranges.upper_bound(const_cast<char*>(p));
  const Range *below = nullptr, *above = after == z.ranges.end() ? nullptr : &after->second;
  if (after != z.ranges.begin()) {
    const auto& [from, range] = *std::prev(after);
    if (!range.at && p < from + range.granted)
      return "memory of an arena that lies between its tensors or was released";
    if (range.at) (p < range.at ? above : below) = &range;
  }
  const long behind = below ? p - below->at - static_cast<long>(below->bytes) : LONG_MAX;
  const long before = above && above->at ? above->at - p : LONG_MAX;
  if (std::min(behind, before) < 1 << 20)
    return ramoe::cat(std::min(behind, before), behind < before ? " bytes behind" : " bytes before",
                      " an allocation of ", (behind < before ? below : above)->bytes, " bytes");
  return "memory of the GPU that is not allocated";
}

}  // namespace emulation
