#include "support/platform.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <limits>
#include <sstream>

#include "support/machine.h"

#if defined(__APPLE__)
#include <crt_externs.h>
#include <mach-o/dyld.h>
#include <mach/mach.h>
#include <malloc/malloc.h>
#include <sys/sysctl.h>
#else
#include <malloc.h>
#endif

namespace ramoe {

double machine_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? double(pages) * double(page) : 0;
}

std::string compiler_name() {
#if defined(__clang__)
  return __VERSION__;  // says who it is
#else
  return std::string("g++ ") + __VERSION__;
#endif
}

#if defined(__APPLE__)

std::string processor_name() {
  char name[256] = "";
  std::size_t size = sizeof name - 1;
  return ::sysctlbyname("machdep.cpu.brand_string", name, &size, nullptr, 0) == 0 ? name : "";
}

double memory_free_by_system() {
  vm_statistics64_data_t pages{};
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  const auto host = ::mach_host_self();
  if (::host_statistics64(host, HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&pages), &count) !=
      KERN_SUCCESS)
    return std::numeric_limits<double>::infinity();
  // Inactive pages are given up when others need them, as Linux counts in MemAvailable.
  return double(::sysconf(_SC_PAGESIZE)) *
         (double(pages.free_count) + double(pages.inactive_count) + double(pages.purgeable_count));
}

double memory_in_use() {
  mach_task_basic_info info{};
  mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
  const auto result = ::task_info(mach_task_self(), MACH_TASK_BASIC_INFO,
                                  reinterpret_cast<task_info_t>(&info), &count);
  return result == KERN_SUCCESS ? double(info.resident_size) : 0;
}

double peak_memory() {
  return 0;
}

void forget_peak_memory() {}

void use_large_pages(void*, std::size_t) {}

std::size_t heap_block_bytes(void* block) {
  return ::malloc_size(block);
}

std::string program_file() {
  std::uint32_t size = 0;
  ::_NSGetExecutablePath(nullptr, &size);
  std::string path(size, '\0');
  return ::_NSGetExecutablePath(path.data(), &size) == 0 ? path.c_str() : "";
}

std::string program_called_as() {
  return (*::_NSGetArgv())[0];
}

#else

namespace {

/// Of this process, in bytes; 0 if it is not there.
double status_bytes(const char* key) {
  double kilobytes = 0;
  std::istringstream(system_fact("/proc/self/status", key)) >> kilobytes;
  return 1024 * kilobytes;
}

}  // namespace

std::string processor_name() {
  return cpuinfo_name();
}

double memory_free_by_system() {
  return std::numeric_limits<double>::infinity();
}

double memory_in_use() {
  return status_bytes("VmRSS:");
}

double peak_memory() {
  return status_bytes("VmHWM:");
}

void forget_peak_memory() {
#if defined(__GLIBC__)
  ::malloc_trim(0);  // returns what earlier work has freed
#endif
  std::ofstream("/proc/self/clear_refs") << "5";
}

void use_large_pages(void* memory, std::size_t bytes) {
  ::madvise(memory, bytes, MADV_HUGEPAGE);
}

std::size_t heap_block_bytes(void* block) {
  return ::malloc_usable_size(block);
}

std::string program_file() {
  return "/proc/self/exe";
}

std::string program_called_as() {
  return program_invocation_name;
}

#endif

}  // namespace ramoe
