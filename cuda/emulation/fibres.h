// CUDA emulation - fibres: stacks that take turns on one thread of the processor
//
// A fibre is a stack and the place where its thread left off. To switch is to push the registers
// that a function must preserve, exchange the stack pointer and pop them again: some 20 ns, without
// the operating system, so a block of 1024 threads that meet at a barrier costs 20 microseconds.
#pragma once

#include <cstddef>

namespace emulation {

struct Fibre {
  void* at = nullptr;  // its stack pointer while it does not run
  char *stack = nullptr, *top = nullptr;
  void* fake_stack = nullptr;  // this and what follows is AddressSanitizer's
  const void* bottom = nullptr;
  std::size_t size = 0;
};

/// A fibre that will call life(), which must never return.
Fibre& idle_fibre(void (*life)());
/// The present fibre is to be used again as it is: life() goes on after the switch to another.
void rest();
/// Every fibre rests, wherever it was: its stack is begun anew.
void forget_fibres(void (*life)());
/// Whether some fibre does not rest.
bool some_fibre_waits();

Fibre& main_fibre();  // the stack that launches
Fibre& present_fibre();
void switch_to(Fibre& to);
/// First of all in life().
void arrived_in_new_fibre();
/// Number of switches since the program began.
long switches();

bool on_a_stack(const void* address);
/// Below every stack is a page without memory: a stack that grows too far ends there.
bool in_stack_guard(const void* address);
/// May be written again from its top, as after a fault.
void clear_stack(Fibre& fibre);

}  // namespace emulation
