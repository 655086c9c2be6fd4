// CUDA emulation - places in the source, for messages
#pragma once

#include <string>

/// Defined where AddressSanitizer watches (GCC's word for it, then clang's).
#ifdef __SANITIZE_ADDRESS__
#define EMULATION_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMULATION_ASAN
#endif
#endif

namespace emulation {

struct Place {
  const char* file;
  int line;
};

/// "rmsnorm.cu:37"
std::string text_of(Place place);
/// The same of an instruction, if the program has line tables (-g1). Of a function that was inlined
/// it is the line of the kernel that called it, if the function is the emulation's own.
std::string line_of(const void* code);

}  // namespace emulation

/// As last parameter: where the call stands.
#define EMULATION_PLACE emulation::Place place = {__builtin_FILE(), __builtin_LINE()}

/// Of functions that read or write memory for a kernel: an error then names the kernel's line.
#define EMULATION_INLINE inline __attribute__((always_inline))
