// The threads of a block as fibres, and where they wait for one another. Declared in emulation.h.
//
// A fibre is a stack and the place where its thread left off. Fibres are made only for threads that
// wait: as long as none does, one fibre runs one thread after the other, as a plain loop would.
#include "cuda/emulation/emulation.h"

#include <sys/mman.h>

#include <bit>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// emulation_switch(save, load): pushes what a function must preserve, leaves the stack pointer in
// *save, goes on with the stack `load` and returns there.
extern "C" void emulation_switch(void** save, void* load);
#if defined(__x86_64__)
asm(R"(
.text
.globl emulation_switch
emulation_switch:
  push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp
  ret
)");
constexpr int kWords = 8, kReturn = 6;  // of a fresh stack; which of them is where to return to
#elif defined(__aarch64__)
asm(R"(
.text
.globl emulation_switch
emulation_switch:
  sub sp, sp, #160
  stp x19, x20, [sp]; stp x21, x22, [sp, #16]; stp x23, x24, [sp, #32]; stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]; stp x29, x30, [sp, #80]; stp d8, d9, [sp, #96]; stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]; stp d14, d15, [sp, #144]
  mov x9, sp; str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp]; ldp x21, x22, [sp, #16]; ldp x23, x24, [sp, #32]; ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]; ldp x29, x30, [sp, #80]; ldp d8, d9, [sp, #96]; ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]; ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
)");
constexpr int kWords = 20, kReturn = 11;
#else
#error "emulation of CUDA: write emulation_switch for this processor"
#endif

namespace emulation {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t kStack = 256 << 10;
#else
constexpr std::size_t kStack = 64 << 10;
#endif

constexpr std::size_t kFibres = 1024;  // as many as a block has threads

struct Fibre {
  void* at = nullptr;  // its stack pointer while it does not run
  char *stack = nullptr, *top = nullptr;
  void* fake_stack = nullptr;  // the rest is AddressSanitizer's
  const void* bottom = nullptr;
  std::size_t size = 0;
};

/// Where threads wait until all have come: a block's barrier, or lanes of a warp.
struct Meeting {
  unsigned number = 0;  // of times it was held
  int arrived = 0;
  unsigned mask = 0;
  Place place{};
};

struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
  int group;
};

struct Thread {
  enum State { unborn, running, waiting, done } state = unborn;
  Fibre* fibre = nullptr;
  const Meeting* meeting = nullptr;
  unsigned number = 0;  // of the meeting that it waits for
  std::vector<Copy> copies;  // cp.async: not yet arrived
  int groups = 0;            // committed
};

struct Warp {
  Meeting meetings[warpSize];  // by the lowest lane of the mask
  Lane lanes[warpSize];
};

struct Block {
  std::vector<Thread> threads;
  std::vector<uint3> index;  // threadIdx of each
  std::vector<Warp> warps;
  Meeting barrier;
  std::vector<Fibre*> idle;
  std::vector<Fibre> fibres;
  char* stacks = nullptr;
  Fibre main, *now = &main, *before = nullptr;
  int current = 0, count = 0;
  std::vector<std::uint32_t> shared;
  void (*body)(const void*) = nullptr;
  const void* argument = nullptr;
  std::exception_ptr error;
  long switches = 0, serial = 0;  // serial: number of the block since the program began
};
Block block;

void name_thread(int t) {
  block.current = t;
  threadIdx = block.index[std::size_t(t)];
}

void switch_to(Fibre& to) {
  Fibre& from = *block.now;
  block.before = &from;
  block.now = &to;
  ++block.switches;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&from.fake_stack, to.bottom, to.size);
#endif
  emulation_switch(&from.at, to.at);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(from.fake_stack, &block.before->bottom, &block.before->size);
#endif
}

bool may_run(const Thread& t) {
  return t.state == Thread::unborn || (t.state == Thread::waiting && t.meeting->number != t.number);
}

/// The thread to go on with: of this warp if one can, else of another; -1 if none can.
int choose() {
  const int me = block.current, warp = me / warpSize * warpSize;
  const int end = std::min(warp + warpSize, block.count);
  const auto find = [](int from, int to) {
    while (from < to && !may_run(block.threads[std::size_t(from)])) ++from;
    return from < to ? from : -1;
  };
  for (const auto& [from, to] : {std::pair{me + 1, end}, {warp, me + 1}, {end, block.count}, {0, warp}})
    if (const int t = find(from, to); t >= 0) return t;
  return -1;
}

std::string name_of(int t) {
  const uint3 i = block.index[std::size_t(t)];
  std::ostringstream out;
  out << "thread (" << i.x << ',' << i.y << ',' << i.z << ") of block (" << blockIdx.x << ','
      << blockIdx.y << ',' << blockIdx.z << ')';
  return out.str();
}
std::string text_of(Place place) {
  std::ostringstream out;
  out << place.file << ':' << place.line;
  return out.str();
}
/// Error if a thread still waits, now that no thread can go on.
void check_all_done() {
  std::ostringstream out;
  const Thread *waiting = nullptr, *other = nullptr;
  for (const Thread& t : block.threads)
    if (t.state == Thread::waiting && !waiting) waiting = &t;
  if (!waiting) return;
  for (const Thread& t : block.threads)
    if (t.state == Thread::done || (t.state == Thread::waiting && t.meeting != waiting->meeting))
      if (!other) other = &t;
  const auto number = [](const Thread* t) { return static_cast<int>(t - block.threads.data()); };
  out << name_of(number(waiting)) << " waits at " << text_of(waiting->meeting->place) << " for ever: ";
  if (!other) out << "lanes of its mask do not exist";
  else if (other->state == Thread::done) out << name_of(number(other)) << " has returned";
  else out << name_of(number(other)) << " waits at " << text_of(other->meeting->place);
  throw std::logic_error(out.str());
}

/// A fibre's life: to run threads that begin, one after the other.
void live() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &block.before->bottom, &block.before->size);
#endif
  for (;;) {
    Thread& me = block.threads[std::size_t(block.current)];
    me.fibre = block.now;
    me.state = Thread::running;
    try {
      block.body(block.argument);
    } catch (...) {
      block.error = std::current_exception();
    }
    me.state = Thread::done;
    const int next = block.error ? -1 : choose();
    if (next >= 0) name_thread(next);
    if (next >= 0 && block.threads[std::size_t(next)].state == Thread::unborn) continue;
    block.idle.push_back(block.now);
    switch_to(next < 0 ? block.main : *block.threads[std::size_t(next)].fibre);
  }
}

/// A stack as if live() were to be called on it, whatever was on it before.
void begin(Fibre& f) {
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(f.stack, kStack);
  f.bottom = f.stack;
  f.size = kStack;
  f.fake_stack = nullptr;
#endif
  void** at = reinterpret_cast<void**>(f.top) - kWords;
  at[kReturn] = reinterpret_cast<void*>(&live);
  f.at = at;
}

Fibre* idle_fibre() {
  if (!block.idle.empty()) {
    Fibre* fibre = block.idle.back();
    block.idle.pop_back();
    return fibre;
  }
  // All stacks are one stretch of addresses, of which only what is touched becomes memory.
  if (!block.stacks) {
    void* memory = mmap(nullptr, kFibres * kStack, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    block.stacks = static_cast<char*>(memory);
    block.fibres.reserve(kFibres);
  }
  const std::size_t i = block.fibres.size();
  Fibre& f = block.fibres.emplace_back();
  f.stack = block.stacks + i * kStack;
  mprotect(f.stack, 4096, PROT_NONE);  // a stack that grows too far ends in a fault at that line
  // Stacks that begin at the same place of a page would evict one another from the cache.
  f.top = f.stack + kStack - i % 32 * 128;
  begin(f);
  return &f;
}

/// Lets others run until the meeting has been held.
void wait(const Meeting& meeting) {
  Thread& me = block.threads[std::size_t(block.current)];
  const int mine = block.current;
  me.state = Thread::waiting;
  me.meeting = &meeting;
  me.number = meeting.number;
  const int next = choose();
  if (next < 0) switch_to(block.main);  // and never back: nobody can go on
  name_thread(next);
  Thread& thread = block.threads[std::size_t(next)];
  switch_to(thread.state == Thread::unborn ? *idle_fibre() : *thread.fibre);
  me.state = Thread::running;
  name_thread(mine);
}

/// The first to come says where; true for the last, who ends the meeting when all is done.
bool arrive(Meeting& meeting, int members, Place place) {
  if (meeting.arrived == 0) {
    meeting.place = place;
  } else if (meeting.place.line != place.line ||
             meeting.place.file != place.file) {
    const std::string text = "comes to this barrier while others wait at " + text_of(meeting.place);
    complain(place, text.c_str());
  }
  return ++meeting.arrived == members;
}
void hold(Meeting& meeting) {
  meeting.arrived = 0;
  ++meeting.number;
}

}  // namespace

void complain(Place place, const char* what) {
  throw std::logic_error(text_of(place) + ": " + name_of(block.current) + " " + what);
}

void meet_block(Place place) {
  if (arrive(block.barrier, block.count, place)) return hold(block.barrier);
  wait(block.barrier);
}

int lane() {
  return block.current % warpSize;
}

unsigned lanes_alive() {
  unsigned mask = 0;
  const int warp = block.current / warpSize * warpSize;
  for (int l = 0; l < warpSize && warp + l < block.count; ++l)
    if (block.threads[std::size_t(warp + l)].state != Thread::done) mask |= 1u << l;
  return mask;
}

void meet_warp(unsigned mask, Lane mine, void (*answer)(const Lane*, unsigned), Place place) {
  if (!(mask >> lane() & 1)) complain(place, "calls an exchange without being in its mask");
  Warp& warp = block.warps[std::size_t(block.current / warpSize)];
  Meeting& meeting = warp.meetings[std::countr_zero(mask)];
  if (meeting.arrived > 0 && meeting.mask != mask)
    complain(place, "comes to an exchange with another mask than the lanes that wait");
  meeting.mask = mask;
  warp.lanes[lane()] = mine;
  if (!arrive(meeting, std::popcount(mask), place)) return wait(meeting);
  answer(warp.lanes, mask);
  hold(meeting);
}

void copy_later(void* to, const void* from, std::size_t bytes) {
  Thread& me = block.threads[std::size_t(block.current)];
  me.copies.push_back({to, from, bytes, me.groups});
}
void commit_copies() {
  ++block.threads[std::size_t(block.current)].groups;
}
void wait_copies(int left) {
  Thread& me = block.threads[std::size_t(block.current)];
  std::erase_if(me.copies, [&](const Copy& c) {
    if (c.group >= me.groups - left) return false;
    if (c.from)
      std::memcpy(c.to, c.from, c.bytes);
    else
      std::memset(c.to, 0, c.bytes);
    if (watch_write) watch_write(c.to, c.bytes);
    return true;
  });
}

void* dynamic_shared() {
  return block.shared.data();
}

long switches() {
  return block.switches;
}

void complain_later(const std::string& what) {
  if (!block.error) block.error = std::make_exception_ptr(std::logic_error(what));
}

bool complained() {
  return block.error != nullptr;
}

Now now() {
  if (block.now == &block.main) return {false, 0, block.serial, 0, 0, nullptr, nullptr, nullptr, nullptr};
  const Warp& warp = block.warps[std::size_t(block.current / warpSize)];
  return {true, block.current, block.serial, block.barrier.number,
          warp.meetings[0].number, block.stacks, block.stacks + kFibres * kStack, block.shared.data(),
          block.shared.data() + block.shared.size()};
}

void run_grid(dim3 grid, dim3 threads, std::size_t shared_bytes, void (*body)(const void*),
              const void* argument) {
  gridDim = grid;
  blockDim = threads;
  Block& b = block;
  b.count = static_cast<int>(threads.x * threads.y * threads.z);
  if (b.count < 1 || b.count > 1024 || shared_bytes > 227 * 1024)
    throw std::logic_error("a block has at most 1024 threads and 227 KiB of shared memory");
  if (grid.y > 65535 || grid.z > 65535)
    throw std::logic_error("a grid has at most 65535 blocks in y and in z");
  b.body = body;
  b.argument = argument;
  b.warps.resize(std::size_t(b.count + warpSize - 1) / warpSize);
  b.threads.resize(std::size_t(b.count));
  b.index.clear();
  for (unsigned z = 0; z < threads.z; ++z)
    for (unsigned y = 0; y < threads.y; ++y)
      for (unsigned x = 0; x < threads.x; ++x) b.index.push_back({x, y, z});
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
        for (Thread& t : b.threads) {
          t.state = Thread::unborn;
          t.copies.clear();
          t.groups = 0;
        }
        std::fill(b.warps.begin(), b.warps.end(), Warp{});
        b.barrier = {};
        b.shared.assign((shared_bytes + 3) / 4, 0x7fc0dead);  // NaN
        ++b.serial;
        name_thread(0);
        Fibre* first = idle_fibre();
        switch_to(*first);
        if (b.idle.size() < b.fibres.size()) {  // some threads still wait, and never will go on
          b.idle.clear();
          for (Fibre& f : b.fibres) begin(f), b.idle.push_back(&f);
          if (!b.error) check_all_done();
        }
        if (b.error) std::rethrow_exception(std::exchange(b.error, nullptr));
      }
}

}  // namespace emulation
