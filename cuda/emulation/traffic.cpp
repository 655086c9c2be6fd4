#include "cuda/emulation/traffic.h"

#include <algorithm>
#include <cstdint>
#include <iomanip>
#include <map>
#include <set>
#include <sstream>

#include "cuda/emulation/block.h"

namespace emulation {
namespace {

/// What the lanes of a warp ask for together.
struct Request {
  std::set<std::uintptr_t> sectors, words;
};

/// One instruction.
struct Site {
  Traffic sum;
  std::vector<Request> open;  // of the present warp: its lanes come here one after the other
  int times[warpSize] = {};   // that each lane has come
  unsigned warp = 0;
};
std::map<const void*, Site> sites;

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
  if (on) sites.clear();
}

void count_access(const void* code, const void* at, std::size_t bytes, bool shared) {
  Site& s = sites[code];
  const unsigned warp = running.block * 32 + static_cast<unsigned>(running.thread / warpSize);
  if (warp != s.warp) close_requests(s), s.warp = warp;
  s.sum.shared = shared;
  s.sum.bytes += static_cast<long>(bytes);
  const auto time = static_cast<std::size_t>(s.times[lane()]++);
  if (s.open.size() <= time) s.open.resize(time + 1);
  const auto first = reinterpret_cast<std::uintptr_t>(at);
  for (std::uintptr_t word = first / 4; word <= (first + bytes - 1) / 4; ++word) {
    s.open[time].words.insert(word);
    s.open[time].sectors.insert(word / 8);
  }
}

std::vector<Traffic> traffic() {
  std::map<std::pair<std::string, bool>, Traffic> lines;
  for (auto& [code, site] : sites) {
    close_requests(site);
    const Traffic& s = site.sum;
    const std::string line = line_of(code);
    Traffic& t = lines[{line, s.shared}];
    t.line = line;
    t.shared = s.shared;
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
      << "sectors (fewest)" << std::setw(18) << "turns (fewest)" << "\n"
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
