#include "support/platform.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <tuple>

#include "support/error.h"

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

namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();
constexpr double kGigabyte = 1 << 30;

/// The number at the beginning of a file; infinity if there is none, such as for "max".
double number_in(const std::string& path) {
  double value = kNone;
  return std::ifstream(path) >> value ? value : kNone;
}

/// The number after `key` in a file with a key at the beginning of each line; `otherwise` if it is
/// missing.
double number_behind(const std::string& path, const std::string& key, double otherwise) {
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    double value = 0;
    if (words >> name >> value && name == key) return value;
  }
  return otherwise;
}

/// What ARM's numbers in /proc/cpuinfo mean, of the processors that one meets in laptops, boards
/// and clouds; the numbers stand in each core's manual under MIDR_EL1.
struct ArmCore {
  const char *implementer, *part, *name;
};
constexpr ArmCore kArmCores[] = {
    {"0x41", "0xd03", "Cortex-A53"},  {"0x41", "0xd05", "Cortex-A55"},
    {"0x41", "0xd08", "Cortex-A72"},  {"0x41", "0xd0b", "Cortex-A76"},
    {"0x41", "0xd0c", "Neoverse N1"}, {"0x41", "0xd40", "Neoverse V1"},
    {"0x41", "0xd49", "Neoverse N2"}, {"0x41", "0xd4f", "Neoverse V2"},
    {"0x61", "0x022", "Apple M1"},    {"0x61", "0x023", "Apple M1"},
    {"0x61", "0x032", "Apple M2"},    {"0x61", "0x033", "Apple M2"},
    {"0xc0", "0xac3", "Ampere-1"},    {"0x51", "0x001", "Qualcomm Oryon"},
};

void take_least(FreeMemory& least, double bytes, const std::string& said_by) {
  if (bytes < least.bytes) least = {std::max(0.0, bytes), said_by};
}

/// One folder of a cgroup. Cached file pages count as free: the system drops them before it kills a
/// process.
void take_cgroup(FreeMemory& least, const std::string& folder, const char* limit, const char* usage,
                 const std::string& prefix) {
  const double most = number_in(folder + limit), used = number_in(folder + usage);
  if (most >= 1e18 || used == kNone) return;
  const std::string stat = folder + "/memory.stat";
  const double files = number_behind(stat, prefix + "inactive_file", 0) +
                       number_behind(stat, prefix + "active_file", 0);
  take_least(least, most - std::max(0.0, used - files), "left of the limit in " + folder + limit);
}

/// The process's cgroup and its parents. In a container the path may be the host's, and then only
/// its root exists.
void take_cgroups(FreeMemory& least, const std::string& root) {
  std::ifstream lines(root + "/proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool second_version = controllers.empty();
    if (!second_version && ("," + controllers + ",").find(",memory,") == std::string::npos)
      continue;
    std::string path = line.substr(second + 1);
    while (path.ends_with("/")) path.pop_back();
    for (;; path.resize(path.rfind('/'))) {
      if (second_version)
        take_cgroup(least, root + "/sys/fs/cgroup" + path, "/memory.max", "/memory.current", "");
      else
        take_cgroup(least, root + "/sys/fs/cgroup/memory" + path, "/memory.limit_in_bytes",
                    "/memory.usage_in_bytes", "total_");
      if (path.rfind('/') == std::string::npos) break;
    }
  }
}

/// The limits of ulimit -v and -d.
void take_limits(FreeMemory& least, const std::string& root) {
  const double kilobyte = 1024;
  const std::string status = root + "/proc/self/status";
  for (const auto& [what, used, name] : {std::tuple{RLIMIT_AS, "VmSize:", "left of ulimit -v"},
                                         {RLIMIT_DATA, "VmData:", "left of ulimit -d"}}) {
    rlimit limit{};
    if (::getrlimit(what, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) continue;
    take_least(least, double(limit.rlim_cur) - kilobyte * number_behind(status, used, 0), name);
  }
}

}  // namespace

std::optional<double> environment_gigabytes(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  check(end != text && *end == '\0' && std::isfinite(value) && value > 0, name, " = \"", text,
        "\" in the environment does not fit; expected gigabytes (GiB), a number above 0 such as "
        "2.5.");
  return value * kGigabyte;
}

std::string system_fact(const std::string& file, const std::string& key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t at = line.find_first_not_of(" \t", line.find(':') + 1);
    return at == std::string::npos ? "" : line.substr(at);
  }
  return "";
}

std::string cpuinfo_name(const std::string& root) {
  const std::string info = root + "/proc/cpuinfo";
  if (const std::string name = system_fact(info, "model name"); !name.empty()) return name;
  const std::string implementer = system_fact(info, "CPU implementer");
  const std::string part = system_fact(info, "CPU part");
  if (implementer.empty() || part.empty()) return "";
  for (const ArmCore& core : kArmCores)
    if (implementer == core.implementer && part == core.part) return core.name;
  return "ARM, implementer " + implementer + ", part " + part;
}

FreeMemory free_memory(const std::string& root) {
  if (const auto said = environment_gigabytes("RAMOE_MEMORY_GB"))
    return {*said, "allowed by RAMOE_MEMORY_GB"};
  FreeMemory least{kNone, ""};
  take_least(least, 1024 * number_behind(root + "/proc/meminfo", "MemAvailable:", kNone),
             "free on this machine");
  if (root.empty()) take_least(least, memory_free_by_system(), "free on this machine");
  take_cgroups(least, root);
  take_limits(least, root);
  if (least.bytes < kNone) return least;
  const double all = machine_memory();
  return {all > 0 ? all : kNone, "in this machine"};
}

}  // namespace ramoe
