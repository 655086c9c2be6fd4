#include "cuda/emulation/faults.h"

#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "cuda/emulation/block.h"
#include "cuda/emulation/device_memory.h"
#include "cuda/emulation/fibres.h"
#include "cuda/emulation/memory_check.h"
#include "cuda/emulation/place.h"
#include "cuda/emulation/shared_memory.h"
#include "support/error.h"

#ifdef EMULATION_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulation {
namespace {

struct sigaction earlier[2];  // of SIGSEGV, SIGBUS
struct Fault {
  const void *address = nullptr, *code = nullptr;
  const char* does = "touches ";
};
Fault fault;  // the last one in a kernel

const char* base_name(const char* path) {
  const char* last = path;
  for (; *path; ++path)
    if (*path == '/') last = path + 1;
  return last;
}

/// Where the program was loaded, which the line tables do not know.
std::uintptr_t load_address() {
  std::uintptr_t address = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uintptr_t*>(out) = info->dlpi_addr;
        return 1;  // the first is the program
      },
      &address);
  return address;
}

std::string text_of_fault() {
  const void* const at = fault.address;
  if (in_stack_guard(at))
    return "needs more stack than a thread has: its local arrays are too large";
  if (is_device(at)) return fault.does + describe(at);
  if (const std::string text = describe_shared(at); !text.empty()) return fault.does + text;
  if (reinterpret_cast<std::uintptr_t>(at) < 1 << 16) return "follows a null pointer";
  return ramoe::cat(fault.does, at, ", where there is no memory");
}

/// In the place of the kernel, on the same fibre's emptied stack.
[[noreturn]] void after_fault() {
  clear_stack(present_fibre());
  {
    const Deaf guard;
    complain_later(line_of(fault.code), text_of_fault());
  }
  leave_for_ever();
}

/// Lets the thread go on in after_fault() when the handler returns.
void redirect(ucontext_t& context) {
  const auto top = reinterpret_cast<std::uintptr_t>(present_fibre().top);
#if defined(__x86_64__)
  fault.code = reinterpret_cast<void*>(context.uc_mcontext.gregs[REG_RIP]);
  fault.does = (context.uc_mcontext.gregs[REG_ERR] & 2) != 0 ? "writes " : "reads ";
  context.uc_mcontext.gregs[REG_RIP] =
      static_cast<greg_t>(reinterpret_cast<std::uintptr_t>(&after_fault));
  context.uc_mcontext.gregs[REG_RSP] = static_cast<greg_t>(top - 8);  // as after a call
#else
  fault.code = reinterpret_cast<void*>(context.uc_mcontext.pc);
  context.uc_mcontext.pc = reinterpret_cast<std::uintptr_t>(&after_fault);
  context.uc_mcontext.sp = top;
#endif
}

const void* code_of(const ucontext_t& context) {
#if defined(__x86_64__)
  return reinterpret_cast<const void*>(context.uc_mcontext.gregs[REG_RIP]);
#else
  return reinterpret_cast<const void*>(context.uc_mcontext.pc);
#endif
}

void on_fault(int signal, siginfo_t* info, void* context_) {
  ucontext_t& context = *static_cast<ucontext_t*>(context_);
  if (this_thread_runs_kernel()) {
    fault.address = info->si_addr;
    redirect(context);
    return;
  }
  if (is_device(info->si_addr))
    std::fprintf(
        stderr,
        "\n%s: the host follows a pointer into memory of the GPU (%p). Copy the values with "
        "copy_out first.\n",
        line_of(code_of(context)).c_str(), info->si_addr);
  sigaction(signal, &earlier[signal == SIGBUS], nullptr);  // the instruction faults again
}

#ifdef EMULATION_ASAN
void on_death() {
  if (this_thread_runs_kernel()) std::fprintf(stderr, "in %s\n", name_of_present_thread().c_str());
}
#endif

}  // namespace

std::string text_of(Place place) {
  return ramoe::cat(base_name(place.file), ":", place.line);
}

std::string line_of(const void* code) {
  if (!code) return "?";
  const std::uintptr_t offset = reinterpret_cast<std::uintptr_t>(code) - load_address();
  char program[512] = "", command[800], line[1024];
  if (readlink("/proc/self/exe", program, sizeof program - 1) < 0) return "?";
  const char* const tool = std::getenv("RAMOE_ADDR2LINE");  // of another processor
  std::snprintf(command, sizeof command, "%s -i -e '%s' 0x%zx 2>/dev/null",
                tool ? tool : "addr2line", program, static_cast<std::size_t>(offset));
  std::string text;
  if (FILE* pipe = popen(command, "r")) {
    while (std::fgets(line, sizeof line, pipe)) {
      const std::string full = line;
      text = base_name(line);
      while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
      if (const auto more = text.find(" (discriminator"); more != text.npos) text.resize(more);
      if (full.find("cuda/emulation/") == full.npos && full.find("/mma.cuh") == full.npos) break;
    }
    pclose(pipe);
  }
  return text.empty() || text[0] == '?' ? "a line that is not known (compile with -g1)" : text;
}

void watch_faults() {
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &earlier[0]);
  sigaction(SIGBUS, &action, &earlier[1]);
#ifdef EMULATION_ASAN
  __sanitizer_set_death_callback(on_death);
#endif
}

void watch_faults_of_this_thread() {
  thread_local const bool done = [] {
    stack_t now{};
    sigaltstack(nullptr, &now);
    if (!(now.ss_flags & SS_DISABLE)) return true;  // AddressSanitizer's
    constexpr std::size_t bytes = 128 << 10;
    thread_local const std::unique_ptr<char[]> stack(new char[bytes]);
    stack_t mine{};
    mine.ss_sp = stack.get();
    mine.ss_size = bytes;
    return sigaltstack(&mine, nullptr) == 0;
  }();
  (void)done;
}

}  // namespace emulation

#ifdef EMULATION_ASAN
// AddressSanitizer and UndefinedBehaviorSanitizer know the line; the thread is known here. The
// second of them calls this function at every report.
extern "C" void __ubsan_on_report() {
  emulation::on_death();
}
#endif
