#include "cuda/emulation/memory_check.h"

#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "cuda/emulation/block.h"
#include "cuda/emulation/device_memory.h"
#include "cuda/emulation/fibres.h"
#include "cuda/emulation/shared_memory.h"
#include "cuda/emulation/traffic.h"
#include "support/error.h"

namespace emulation {
namespace {

enum class Kind : std::uint8_t { read, write, atomic };

/// One access of one thread. Blocks are numbered from 1: block 0 is never.
struct Visit {
  const void* code = nullptr;
  std::uint32_t block = 0;
  std::uint32_t barriers = 0, clock = 0, fences = 0;
  std::int16_t thread = 0;
  std::uint8_t bytes = 0;  // a bit for each byte of the word
  Kind kind = Kind::read;
};

/// What is known of four bytes: the last writes and reads of two threads each, and a cp.async that
/// is under way since this block.
struct Cell {
  Visit write, other_write, read, other_read;
  std::uint32_t copy_block = 0;
  std::int16_t copy_thread = 0;
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

/// A part of the addresses.
struct Part {
  std::uintptr_t begin = 0, end = 0;
  bool has(std::uintptr_t at, std::size_t bytes) const { return at >= begin && at + bytes <= end; }
};
Part part(const void* at, std::size_t bytes) {
  const auto begin = reinterpret_cast<std::uintptr_t>(at);
  return {begin, begin + bytes};
}

/// What lanes of a warp know of one another: known[a][b], up to which clock b's accesses come
/// before whatever a does next. __syncwarp lets all lanes of its mask know what one of them knows.
struct Order {
  std::uint32_t clock[warpSize] = {}, known[warpSize][warpSize] = {};
  bool used = false;
};

struct Check {
  std::uint32_t first_block = 1;  // of this launch: older accesses are in order
  Part argument, dynamic_shared, static_shared, constants;
  Order order[32];                    // of the warps
  std::vector<std::uint32_t> fences;  // that each block of the launch has passed
};
Check state;

std::uint32_t& fences_of(std::uint32_t block) {
  const std::size_t i = block - state.first_block;
  if (i >= state.fences.size()) state.fences.resize(i + 1);
  return state.fences[i];
}

/// Where the program's variables lie: thread_local ones (in kernels the __shared__) and constants.
int find_parts(dl_phdr_info* info, std::size_t, void*) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type == PT_TLS)
      state.static_shared = part(info->dlpi_tls_data, header.p_memsz);
    else if (header.p_type == PT_LOAD && !(header.p_flags & PF_W)) {
      const std::uintptr_t begin = info->dlpi_addr + header.p_vaddr, end = begin + header.p_memsz;
      if (state.constants.end == 0) state.constants.begin = begin;
      state.constants.end = end;
    }
  }
  return 1;  // the first is the program
}

/// Whether nothing orders an earlier access and the present thread.
bool unordered(const Visit& a) {
  if (a.block < state.first_block) return false;
  if (a.block != running.block)
    return a.fences >= fences_of(a.block) || fences_of(running.block) == 0;
  if (a.thread == running.thread || a.barriers != running.barriers) return false;
  if (a.thread / warpSize != running.thread / warpSize) return true;
  return state.order[a.thread / warpSize].known[lane()][a.thread % warpSize] <= a.clock;
}

std::string text_of(Kind kind) {
  return kind == Kind::read ? "reads" : kind == Kind::write ? "writes" : "atomically updates";
}
std::string line_before(const void* code) {  // of a call that returns there
  return line_of(static_cast<const char*>(code) - 1);
}

void complain_of_race(const Visit& mine, const Visit& other, bool shared) {
  const bool same_block = other.block == running.block;
  std::string who = same_block ? name_of_thread(other.thread) : "a thread of another block";
  if (same_block) who = who.substr(who.find("thread"));
  complain_later(line_before(mine.code),
                 ramoe::cat(text_of(mine.kind), " a word of ", shared ? "shared" : "device",
                            " memory that ", who, ' ', text_of(other.kind), " at ",
                            line_before(other.code), ", and nothing says which comes first"));
}

void check_word(std::uintptr_t at, const Visit& mine, bool shared) {
  Cell& cell = cell_of(at);
  const bool writes = mine.kind != Kind::read;
  const auto meets = [&](const Visit& other) {
    if ((other.bytes & mine.bytes) == 0 || (shared && other.block != running.block)) return false;
    if (mine.kind == Kind::atomic && other.kind == Kind::atomic) return false;
    return unordered(other);
  };
  if (cell.copy_block == running.block && shared)
    complain_later(line_before(mine.code),
                   ramoe::cat(text_of(mine.kind), " shared memory to which a cp.async of thread ",
                              cell.copy_thread, " is under way; wait for it first"));
  else if (shared && mine.kind != Kind::write && cell.write.block != running.block)
    complain_later(line_before(mine.code),
                   text_of(mine.kind) + " shared memory that no thread of the block has written");
  else if (meets(cell.write))
    complain_of_race(mine, cell.write, shared);
  else if (meets(cell.other_write))
    complain_of_race(mine, cell.other_write, shared);
  else if (writes && meets(cell.read))
    complain_of_race(mine, cell.read, shared);
  else if (writes && meets(cell.other_read))
    complain_of_race(mine, cell.other_read, shared);
  Visit& last = writes ? cell.write : cell.read;
  Visit& other = writes ? cell.other_write : cell.other_read;
  if (last.thread != mine.thread || last.block != mine.block) other = last;
  last = mine;
}

/// What a kernel may touch besides device and shared memory: locals, parameters, constants, the
/// words of CUDA.
bool is_private(std::uintptr_t at, std::size_t bytes) {
  if (on_a_stack(reinterpret_cast<const void*>(at))) return true;
  if (state.argument.has(at, bytes) || state.constants.has(at, bytes)) return true;
  for (const Part& word : {part(&threadIdx, sizeof threadIdx), part(&blockIdx, sizeof blockIdx),
                           part(&blockDim, sizeof blockDim), part(&gridDim, sizeof gridDim),
                           part(lanes_of_warp, sizeof lanes_of_warp)})
    if (word.has(at, bytes)) return true;
  return false;
}

constexpr const char* kTooEarly =
    " device memory before wait_for_earlier_kernels(): the kernel before may still run";

void on_access(const void* address, std::size_t bytes, Kind kind, const void* code) {
  if (!this_thread_runs_kernel() || deaf > 0 || complained()) return;  // the first error is enough
  const Deaf guard;
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const bool device = is_device(address);
  if (!device && is_private(at, bytes)) return;
  const bool shared = state.dynamic_shared.has(at, bytes) || state.static_shared.has(at, bytes);
  if (device && !is_usable(address, bytes))
    return complain_later(line_before(code), text_of(kind) + ' ' + describe(address));
  if (const std::string text = shared || device ? "" : describe_shared(address); !text.empty())
    return complain_later(line_before(code), text_of(kind) + ' ' + text);
  if (at < 1 << 16) return complain_later(line_before(code), "follows a null pointer");
  if (!device && !shared)
    return complain_later(line_before(code), text_of(kind) + " memory of the host");
  if (device && !waited[running.thread])
    return complain_later(line_before(code), text_of(kind) + kTooEarly);
  if (counting) count_access(static_cast<const char*>(code) - 1, address, bytes, shared);
  Visit mine;
  mine.code = code;
  mine.block = running.block;
  mine.barriers = running.barriers;
  mine.clock = state.order[running.thread / warpSize].clock[lane()];
  mine.fences = fences_of(running.block);
  mine.thread = static_cast<std::int16_t>(running.thread);
  mine.kind = kind;
  for (std::uintptr_t word = at / 4 * 4; word < at + bytes; word += 4) {
    const unsigned first = word < at ? static_cast<unsigned>(at - word) : 0;
    const unsigned last = word + 4 > at + bytes ? static_cast<unsigned>(at + bytes - word) : 4;
    mine.bytes = static_cast<std::uint8_t>((1u << last) - (1u << first));
    check_word(word, mine, shared);
  }
}

}  // namespace

void check_new_launch(const void* argument, std::size_t argument_bytes, const void* shared,
                      std::size_t shared_bytes) {
  // Before the numbers of blocks are used up all begins anew.
  if (running.block > 0xf0000000u) pages.clear(), last_page = ~std::uintptr_t{0}, running.block = 0;
  dl_iterate_phdr(find_parts, nullptr);
  state.first_block = running.block + 1;
  state.fences.clear();
  state.argument = part(argument, argument_bytes);
  state.dynamic_shared = part(shared, shared_bytes);
}

void check_new_block() {
  for (Order& order : state.order)
    if (order.used) order = {};
}

void check_order_warp(int warp, unsigned mask) {
  Order& o = state.order[warp];
  o.used = true;
  std::uint32_t all[warpSize] = {};
  for (int a = 0; a < warpSize; ++a) {
    if (!(mask >> a & 1)) continue;
    o.known[a][a] = ++o.clock[a];
    for (int b = 0; b < warpSize; ++b) all[b] = std::max(all[b], o.known[a][b]);
  }
  for (int a = 0; a < warpSize; ++a)
    if (mask >> a & 1) std::memcpy(o.known[a], all, sizeof all);
}

void check_fence() {
  if (watching) ++fences_of(running.block);
}

void check_access(const void* at, std::size_t bytes, bool writes, const void* code) {
  on_access(at, bytes, writes ? Kind::write : Kind::read, code);
}
void check_atomic(void* at, std::size_t bytes) {
  if (watching) on_access(at, bytes, Kind::atomic, __builtin_return_address(0));
}

void check_copy_begins(void* to, const void* from, std::size_t bytes, const void* code) {
  if (from) on_access(from, bytes, Kind::read, code);
  on_access(to, bytes, Kind::write, code);
  if (complained()) return;
  const auto at = reinterpret_cast<std::uintptr_t>(to);
  for (std::size_t i = 0; i < bytes; i += 4) {
    cell_of(at + i).copy_block = running.block;
    cell_of(at + i).copy_thread = static_cast<std::int16_t>(running.thread);
  }
}

void check_copy_arrives(void* to, std::size_t bytes) {
  const auto at = reinterpret_cast<std::uintptr_t>(to);
  for (std::size_t i = 0; i < bytes; i += 4) {
    Cell& cell = cell_of(at + i);
    cell.copy_block = 0;
    cell.write.barriers = running.barriers;  // now is when it was written
    cell.write.clock = state.order[running.thread / warpSize].clock[lane()];
  }
}

void copy_unwatched(void* to, const void* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}

}  // namespace emulation
