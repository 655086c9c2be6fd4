#include "app/bench.h"

#include <algorithm>
#include <cstdio>

#include "app/command.h"
#include "ch01_tensor/gemm.h"

namespace ramoe {
namespace {

struct BenchKeys {
  BenchOptions options;
  int threads = 0;
  std::vector<std::string> only;
  std::string out;

  void list(FieldList& f) {
    f.add("threads", &threads, "measured beside 1 thread; 0: as many as the machine has",
          {0, 1024});
    f.add("seconds", &options.seconds, "for each measurement", {0.001, 3600});
    f.add("only", &only, "parts; empty: all", {.choices = {"peak", "gemm", "step", "generate"}});
    f.add("seed", &options.seed, "seed of the inputs");
    f.add("out", &out, "JSON file for the numbers; empty: none");
  }
};

}  // namespace

int run_bench(const Arguments& arguments) {
  BenchKeys keys;
  FieldList fields = fields_of(keys);
  if (!read_arguments(fields, arguments, "bench")) return 0;
  const int all = [&] { return Workers(keys.threads).threads(); }();
  const std::vector<std::pair<std::string, Json (*)(const BenchOptions&, int)>> parts = {
      {"peak", bench_peak},
      {"gemm", bench_gemm},
      {"step", bench_step},
      {"generate", bench_generate}};
  Json results = {{"isa", gemm_isa()}, {"config", fields.to_json()}};
  for (const int threads : {1, all}) {
    if (threads == all && results.contains("runs") && all == 1) break;
    const Workers workers(threads);
    std::printf("==== %d thread%s, %s\n", threads, threads == 1 ? "" : "s", gemm_isa());
    Json run = {{"threads", threads}};
    for (const auto& [name, part] : parts)
      if (keys.only.empty() ||
          std::find(keys.only.begin(), keys.only.end(), name) != keys.only.end())
        run[name] = part(keys.options, threads);
    results["runs"].push_back(run);
  }
  if (!keys.out.empty()) write_json(keys.out, results);
  return 0;
}

}  // namespace ramoe
