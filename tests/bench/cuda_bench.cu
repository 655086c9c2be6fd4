// Times of kernels on a GPU; see cuda_bench.h.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "bench/cuda_bench.h"
#include "cuda/support/device.h"
#include "cuda/support/launch.h"

namespace ramoe::bench {

using cuda::must;
using cuda::stream;

void Results::add(const std::string& part, Row row) {
  if (parts_[part].empty()) std::printf("\n%s\n", part.c_str());
  for (const auto& [name, text] : row.what) std::printf("  %-16s", text.c_str());
  for (const auto& [name, value] : row.numbers) std::printf("  %s %10.2f", name.c_str(), value);
  std::printf("\n");
  std::fflush(stdout);
  parts_[part].push_back(std::move(row));
}

void Results::write_json(const std::string& path) const {
  std::ofstream out(path);
  out << "{\n  \"device\": \"" << cuda::device_facts().name << '"';
  for (const auto& [part, rows] : parts_) {
    out << ",\n  \"" << part << "\": [";
    for (std::size_t r = 0; r < rows.size(); ++r) {
      out << (r > 0 ? ",\n    {" : "\n    {");
      const char* comma = "";
      for (const auto& [name, text] : rows[r].what) {
        out << comma << '"' << name << "\": \"" << text << '"';
        comma = ", ";
      }
      for (const auto& [name, value] : rows[r].numbers)
        out << comma << '"' << name << "\": " << value;
      out << '}';
    }
    out << "\n  ]";
  }
  out << "\n}\n";
  check(bool(out), "cuda_bench: ", path, " could not be written.");
}

namespace {

/// `count` calls as one graph.
cudaGraphExec_t record(const std::function<void(int)>& call, int count) {
  cudaGraph_t graph;
  cudaGraphExec_t recorded;
  must(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed), "recording");
  for (int i = 0; i < count; ++i) call(i);
  must(cudaStreamEndCapture(stream(), &graph), "recording");
  must(cudaGraphInstantiate(&recorded, graph, 0), "a graph");
  must(cudaGraphDestroy(graph), "a graph");
  return recorded;
}

double milliseconds(cudaGraphExec_t graph, cudaEvent_t begin, cudaEvent_t end) {
  float ms = 0;
  must(cudaEventRecord(begin, stream()), "an event");
  must(cudaGraphLaunch(graph, stream()), "a graph");
  must(cudaEventRecord(end, stream()), "an event");
  must(cudaEventSynchronize(end), "waiting");
  must(cudaEventElapsedTime(&ms, begin, end), "a time");
  return double(ms);
}

}  // namespace

double median_us(const std::function<void(int)>& call) {
  cudaEvent_t begin, end;
  must(cudaEventCreate(&begin), "an event");
  must(cudaEventCreate(&end), "an event");
  call(0);  // takes memory, loads the kernel
  cudaGraphExec_t graph = record(call, 1);
  const double once = milliseconds(graph, begin, end);
  must(cudaGraphExecDestroy(graph), "a graph");
  const int calls = int(std::clamp(2 / (once + 1e-4), 1.0, 64.0));  // about 2 ms together
  graph = record(call, calls);
  const int repeats = int(std::clamp(150 / (once * calls), 3.0, 21.0));
  std::vector<double> times;
  milliseconds(graph, begin, end);  // warms up
  for (int r = 0; r < repeats; ++r) times.push_back(1e3 * milliseconds(graph, begin, end) / calls);
  must(cudaGraphExecDestroy(graph), "a graph");
  must(cudaEventDestroy(begin), "an event");
  must(cudaEventDestroy(end), "an event");
  std::nth_element(times.begin(), times.begin() + repeats / 2, times.end());
  return times[std::size_t(repeats / 2)];
}

namespace {

struct Part {
  const char* name;
  void (*run)(Results&);
};
constexpr Part parts[] = {{"memory", bench_memory}, {"gemm", bench_gemm}};

int run(int count, char** arguments) {
  std::string out, only;
  for (int i = 1; i < count; ++i) {
    if (std::strncmp(arguments[i], "--out=", 6) == 0)
      out = arguments[i] + 6;
    else if (std::strncmp(arguments[i], "--only=", 7) == 0)
      only = arguments[i] + 7;
    else
      fail("cuda_bench: \"", arguments[i], "\" is unknown; expected --out=FILE or --only=PART.");
  }
  std::printf("%s\n", cuda::device_facts().name.c_str());
  Results results;
  for (const Part& part : parts)
    if (only.empty() || only == part.name) part.run(results);
  if (!out.empty()) results.write_json(out);
  return 0;
}

}  // namespace
}  // namespace ramoe::bench

int main(int count, char** arguments) {
  try {
    return ramoe::bench::run(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
