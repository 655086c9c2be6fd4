// Watches every access of the kernels to memory: races, uninitialised shared memory, traffic
//
// The kernels are compiled with -fsanitize=thread, for which the compiler calls a function at each
// load and store; these functions are ours, and ThreadSanitizer itself is not linked. (So does the
// Linux kernel's KCSAN.) Locals live on a fibre's stack and are passed over.
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <unordered_map>
#include <vector>

#include "cuda/emulation/emulation.h"
#include "cuda/emulation/memory_check.h"

extern "C" char __data_start, _end;  // of the linker: where static variables live

namespace emulation {
namespace {

struct Access {
  long block = -1;
  unsigned barriers = 0, exchanges = 0;
  int thread = -1;
  const void* code = nullptr;
};
/// What is known of four bytes.
struct Cell {
  Access write, read;
};

// Pages of cells, found through the last page used.
constexpr std::uintptr_t kPageBits = 14;
std::unordered_map<std::uintptr_t, std::unique_ptr<Cell[]>> pages;
std::uintptr_t last_page = ~std::uintptr_t{0};
Cell* last_cells = nullptr;
Cell& cell_of(std::uintptr_t at) {
  const std::uintptr_t page = at >> kPageBits;
  if (page != last_page) {
    std::unique_ptr<Cell[]>& cells = pages[page];
    if (!cells) cells = std::make_unique<Cell[]>(std::size_t{1} << (kPageBits - 2));
    last_page = page;
    last_cells = cells.get();
  }
  return last_cells[(at & ((std::uintptr_t{1} << kPageBits) - 1)) / 4];
}

/// The accesses of one place of the code.
struct Site {
  long requests = 0, sectors = 0, bytes = 0, bank_turns = 0;
  bool shared = false;
  struct Request {
    std::set<std::uintptr_t> sectors, words;
  };
  std::vector<Request> open;  // of the present warp
  int times[warpSize] = {};   // that each lane has come here
  long warp = -1;
};
std::map<const void*, Site> sites;
bool counting = false, checking = true;
long first_block = 0;  // of this launch: older accesses are in order

void close_requests(Site& s) {
  for (const Site::Request& r : s.open) {
    ++s.requests;
    s.sectors += long(r.sectors.size());
    int turns[32] = {}, most = 0;
    for (const std::uintptr_t word : r.words) most = std::max(most, ++turns[word % 32]);
    s.bank_turns += most;
  }
  s.open.clear();
  std::fill(std::begin(s.times), std::end(s.times), 0);
}

void count(std::uintptr_t at, std::size_t size, bool shared, const Now& n, const void* code) {
  Site& s = sites[code];
  const long warp = n.block * 32 + n.thread / warpSize;
  if (warp != s.warp) close_requests(s), s.warp = warp;
  s.shared = shared;
  s.bytes += long(size);
  const std::size_t time = std::size_t(s.times[n.thread % warpSize]++);
  if (s.open.size() <= time) s.open.resize(time + 1);
  s.open[time].sectors.insert(at / 32);
  for (std::size_t i = 0; i < size; i += 4) s.open[time].words.insert((at + i) / 4);
}

std::string where(const void* code) {
  char command[256], line[512] = "";
  std::snprintf(command, sizeof command, "addr2line -e /proc/%d/exe %p", int(getpid()), code);
  if (FILE* pipe = popen(command, "r")) {
    if (!std::fgets(line, sizeof line, pipe)) line[0] = 0;
    pclose(pipe);
  }
  std::string text = line;
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('/') + 1);
}

/// Whether nothing orders the two.
bool unordered(const Access& a, const Now& n) {
  if (a.block < first_block) return false;
  if (a.block != n.block) return true;
  if (a.thread == n.thread || a.barriers != n.barriers) return false;
  return a.thread / warpSize != n.thread / warpSize || a.exchanges == n.exchanges;
}

void access(void* address, std::size_t size, bool write, const void* code) {
  if (!checking && !counting) return;
  for (const void* word : {static_cast<const void*>(&threadIdx), static_cast<const void*>(&blockIdx),
                           static_cast<const void*>(&blockDim), static_cast<const void*>(&gridDim)})
    if (address >= word && address < static_cast<const char*>(word) + 12) return;
  const Now n = now();
  if (!n.in_kernel || (address >= n.stack && address < n.stack_end)) return;
  const bool shared = (address >= n.shared && address < n.shared_end) ||
                      (address >= &__data_start && address < &_end);
  const std::uintptr_t at = reinterpret_cast<std::uintptr_t>(address);
  if (counting) count(at, size, shared, n, code);
  if (!checking || size < 4 || complained()) return;  // the first error is enough
  for (std::size_t i = 0; i < size; i += 4) {
    Cell& cell = cell_of(at + i);
    const Access* other = nullptr;
    if ((!shared || cell.write.block == n.block) && unordered(cell.write, n)) other = &cell.write;
    else if (write && (!shared || cell.read.block == n.block) && unordered(cell.read, n)) other = &cell.read;
    if (other)
      complain_later(
          std::string(write ? "a write at " : "a read at ") + where(code) + " by thread " +
          std::to_string(n.thread) + " and a" + (other == &cell.write ? " write at " : " read at ") +
          where(other->code) + " by thread " + std::to_string(other->thread) +
          (other->block == n.block ? " of its block" : " of another block") +
          " meet at one word, and nothing says which comes first");
    if (shared && !write && cell.write.block != n.block)
      complain_later("shared memory is read at " + where(code) + " by thread " +
                             std::to_string(n.thread) + " before any thread of its block wrote it");
    (write ? cell.write : cell.read) = {n.block, n.barriers, n.exchanges, n.thread, code};
  }
}

}  // namespace

void memory_check_new_launch() {
  watch_write = [](void* at, std::size_t bytes) { access(at, bytes, true, nullptr); };
  first_block = now().block + 1;
}
void memory_check(bool check, bool count_traffic) {
  checking = check;
  counting = count_traffic;
}
void print_traffic() {
  std::printf("%-28s %10s %10s %10s %8s\n", "line", "requests", "bytes", "sectors*", "turns*");
  for (auto& [code, s] : sites) {
    close_requests(s);
    std::printf("%-28s %10ld %10ld %10.1f %8.1f\n", where(code).c_str(), s.requests, s.bytes,
                double(s.sectors) / double(s.requests), s.shared ? double(s.bank_turns) / double(s.requests) : 0.0);
  }
  std::printf("* of one warp's request: 32-byte pieces of memory (4 is best for floats), turns of the "
              "banks of shared memory (1 is best)\n");
  sites.clear();
}

}  // namespace emulation

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
#define RAMOE_HOOKS(size)                                                             \
  void __tsan_read##size(void* at) {                                                  \
    emulation::access(at, size, false, __builtin_return_address(0));                  \
  }                                                                                   \
  void __tsan_write##size(void* at) {                                                 \
    emulation::access(at, size, true, __builtin_return_address(0));                   \
  }
RAMOE_HOOKS(1) RAMOE_HOOKS(2) RAMOE_HOOKS(4) RAMOE_HOOKS(8) RAMOE_HOOKS(16)
void __tsan_read_range(void* at, unsigned long size) { emulation::access(at, size, false, __builtin_return_address(0)); }
void __tsan_write_range(void* at, unsigned long size) { emulation::access(at, size, true, __builtin_return_address(0)); }
}
