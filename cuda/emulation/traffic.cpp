#include "cuda/emulation/traffic.h"

#include <algorithm>
#include <cstdint>
#include <iomanip>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "cuda/emulation/block.h"

namespace emulation {
namespace {

/// What the lanes of a warp ask for together.
struct Request {
  std::set<std::uintptr_t> sectors, words;
};

/// One instruction, of one memory: cp.async reads the GPU's and writes shared memory.
struct Site {
  Traffic sum;
  std::vector<Request> open;  // of the present warp: its lanes come here one after the other
  int times[warpSize] = {};   // that each lane has come
  unsigned warp = 0;
};
std::map<std::pair<const void*, bool>, Site> sites;

/// Each lane's last access: the compiler may take a float4 apart, and its parts are one request.
struct Last {
  Site* site = nullptr;
  std::size_t time = 0;
  const void* code = nullptr;
  std::uintptr_t end = 0;
};
Last last_of_lane[warpSize];

const std::string& cached_line(const void* code) {
  static std::map<const void*, std::string>& lines = *new std::map<const void*, std::string>;
  const auto [at, is_new] = lines.try_emplace(code);
  if (is_new) at->second = line_of(code);
  return at->second;
}

/// Whether the access goes on where the last one of the lane ended: in the same 16 bytes and at the
/// same line, but by another instruction.
bool continues(const Last& last, const void* code, std::uintptr_t at) {
  return last.site && at == last.end && at % 16 != 0 && code != last.code &&
         last.time < last.site->open.size() && cached_line(code) == cached_line(last.code);
}

void close_requests(Site& s) {
  for (const Request& r : s.open) {
    const long words = static_cast<long>(r.words.size());
    ++s.sum.requests;
    s.sum.sectors += static_cast<long>(r.sectors.size());
    s.sum.fewest_sectors += (words + 7) / 8;
    int turns[32] = {}, most = 0;
    for (const std::uintptr_t word : r.words) most = std::max(most, ++turns[word % 32]);
    s.sum.turns += most;
    s.sum.fewest_turns += (words + 31) / 32;
  }
  s.open.clear();
  std::fill(std::begin(s.times), std::end(s.times), 0);
}

}  // namespace

void count_traffic(bool on) {
  counting = on;
  if (!on) return;
  sites.clear();
  std::fill(std::begin(last_of_lane), std::end(last_of_lane), Last{});
}

void count_access(const void* code, const void* at, std::size_t bytes, bool shared) {
  const unsigned warp = running.block * 32 + static_cast<unsigned>(running.thread / warpSize);
  const auto first = reinterpret_cast<std::uintptr_t>(at);
  Last& last = last_of_lane[lane()];
  if (!continues(last, code, first) || last.site->warp != warp) {
    Site& s = sites[{code, shared}];
    if (warp != s.warp) close_requests(s), s.warp = warp;
    last.site = &s;
    last.time = static_cast<std::size_t>(s.times[lane()]++);
    if (s.open.size() <= last.time) s.open.resize(last.time + 1);
  }
  last.code = code;
  last.end = first + bytes;
  last.site->sum.bytes += static_cast<long>(bytes);
  Request& request = last.site->open[last.time];
  for (std::uintptr_t word = first / 4; word <= (first + bytes - 1) / 4; ++word) {
    request.words.insert(word);
    request.sectors.insert(word / 8);
  }
}

std::vector<Traffic> traffic() {
  std::map<std::pair<std::string, bool>, Traffic> lines;
  for (auto& [at, site] : sites) {
    close_requests(site);
    const Traffic& s = site.sum;
    const auto& [code, shared] = at;
    const std::string line = cached_line(code);
    Traffic& t = lines[{line, shared}];
    t.line = line;
    t.shared = shared;
    t.requests += s.requests, t.bytes += s.bytes;
    t.sectors += s.sectors, t.fewest_sectors += s.fewest_sectors;
    t.turns += s.turns, t.fewest_turns += s.fewest_turns;
  }
  std::vector<Traffic> all;
  for (const auto& [key, line] : lines) all.push_back(line);
  return all;
}

std::string traffic_table() {
  std::ostringstream out;
  out << std::left << std::setw(32) << "line" << std::setw(8) << "memory" << std::right
      << std::setw(10) << "requests" << std::setw(12) << "bytes" << std::setw(18)
      << "sectors (fewest)" << std::setw(18) << "turns (fewest)"
      << "\n"
      << std::fixed << std::setprecision(1);
  const auto each = [](long sum, long fewest, long requests) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << double(sum) / double(requests) << " ("
         << double(fewest) / double(requests) << ")";
    return text.str();
  };
  for (const Traffic& t : traffic())
    out << std::left << std::setw(32) << t.line << std::setw(8) << (t.shared ? "shared" : "device")
        << std::right << std::setw(10) << t.requests << std::setw(12) << t.bytes << std::setw(18)
        << (t.shared ? "" : each(t.sectors, t.fewest_sectors, t.requests)) << std::setw(18)
        << (t.shared ? each(t.turns, t.fewest_turns, t.requests) : "") << "\n";
  return out.str() + "sectors and turns: of one request of a warp, and how few would do\n";
}

}  // namespace emulation
