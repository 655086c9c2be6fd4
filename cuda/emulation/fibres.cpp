#include "cuda/emulation/fibres.h"

#include <sys/mman.h>

#include <new>
#include <vector>

#include "cuda/emulation/pages.h"
#include "cuda/emulation/place.h"

#ifdef EMULATION_ASAN
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

#ifdef EMULATION_ASAN
constexpr std::size_t kUsable = 256 << 10;
#else
constexpr std::size_t kUsable = 64 << 10;
#endif
constexpr std::size_t kFibres = 1024;  // as many as a block has threads

/// Of one fibre, the page below it included.
std::size_t stack_bytes() {
  return kUsable + page_size();
}

// One set for all launches of the program: they take turns (run_grid).
struct Fibres {
  std::vector<Fibre> all;
  std::vector<Fibre*> idle;
  char* stacks = nullptr;
  Fibre main, *now = &main, *before = nullptr;
  long switches = 0;
};
Fibres fibres;

/// A stack as if life() were to be called on it, whatever was on it before.
void begin(Fibre& f, void (*life)()) {
  clear_stack(f);
  f.bottom = f.stack;
  f.size = stack_bytes();
  f.fake_stack = nullptr;
  void** at = reinterpret_cast<void**>(f.top) - kWords;
  for (int i = 0; i < kWords; ++i) at[i] = nullptr;
  at[kReturn] = reinterpret_cast<void*>(life);
  f.at = at;
}

}  // namespace

Fibre& idle_fibre(void (*life)()) {
  if (!fibres.idle.empty()) {
    Fibre* fibre = fibres.idle.back();
    fibres.idle.pop_back();
    return *fibre;
  }
  // All stacks are one stretch of addresses, of which only what is touched becomes memory.
  if (!fibres.stacks) {
    void* memory = mmap(nullptr, kFibres * stack_bytes(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    fibres.stacks = static_cast<char*>(memory);
    fibres.all.reserve(kFibres);
  }
  const std::size_t i = fibres.all.size();
  Fibre& f = fibres.all.emplace_back();
  f.stack = fibres.stacks + i * stack_bytes();
  mprotect(f.stack, page_size(), PROT_NONE);
  // Stacks that begin at the same place of a page would evict one another from the cache.
  f.top = f.stack + stack_bytes() - i % 32 * 128;
  begin(f, life);
  return f;
}

void rest() {
  fibres.idle.push_back(fibres.now);
}

void forget_fibres(void (*life)()) {
  fibres.idle.clear();
  for (Fibre& f : fibres.all) {
    begin(f, life);
    fibres.idle.push_back(&f);
  }
}

bool some_fibre_waits() {
  return fibres.idle.size() < fibres.all.size();
}

Fibre& main_fibre() {
  return fibres.main;
}
Fibre& present_fibre() {
  return *fibres.now;
}
long switches() {
  return fibres.switches;
}

void switch_to(Fibre& to) {
  Fibre& from = *fibres.now;
  fibres.before = &from;
  fibres.now = &to;
  ++fibres.switches;
#ifdef EMULATION_ASAN
  __sanitizer_start_switch_fiber(&from.fake_stack, to.bottom, to.size);
#endif
  emulation_switch(&from.at, to.at);
#ifdef EMULATION_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack, &fibres.before->bottom, &fibres.before->size);
#endif
}

void arrived_in_new_fibre() {
#ifdef EMULATION_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &fibres.before->bottom, &fibres.before->size);
#endif
}

bool on_a_stack(const void* address) {
  return address >= fibres.stacks && address < fibres.stacks + kFibres * stack_bytes();
}

bool in_stack_guard(const void* address) {
  if (!on_a_stack(address)) return false;
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(address) - fibres.stacks);
  return offset % stack_bytes() < page_size();
}

void clear_stack([[maybe_unused]] Fibre& fibre) {
#ifdef EMULATION_ASAN
  __asan_unpoison_memory_region(fibre.stack, stack_bytes());
#endif
}

}  // namespace emulation
