#include "support/machine.h"

#include <sys/resource.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <tuple>

#include "support/error.h"
#include "support/platform.h"

namespace ramoe {
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
    {"0x41", "0xd03", "Cortex-A53"},      {"0x41", "0xd05", "Cortex-A55"},
    {"0x41", "0xd08", "Cortex-A72"},      {"0x41", "0xd0b", "Cortex-A76"},
    {"0x41", "0xd0c", "Neoverse N1"},     {"0x41", "0xd40", "Neoverse V1"},
    {"0x41", "0xd49", "Neoverse N2"},     {"0x41", "0xd4f", "Neoverse V2"},
    {"0x61", "0x022", "Apple M1"},        {"0x61", "0x023", "Apple M1"},
    {"0x61", "0x032", "Apple M2"},        {"0x61", "0x033", "Apple M2"},
    {"0xc0", "0xac3", "Ampere-1"},        {"0x51", "0x001", "Qualcomm Oryon"},
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
