#include "bench/bench.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <thread>

#include "app/command.h"
#include "ch01_tensor/gemm.h"
#include "ch05_training/memory.h"
#include "runs/progress.h"
#include "support/error.h"
#include "support/instruction_set.h"
#include "support/platform.h"

namespace ramoe {
namespace {

/// A part takes about fixed + factor * options.seconds seconds; only the progress uses this.
struct BenchPart {
  const char* name;
  Json (*run)(const Bench& bench);
  double fixed, factor;
  bool once;  // not repeated for another number of threads
};
constexpr BenchPart kParts[] = {
    {"peak", bench_peak, 0.5, 3, false},  {"gemm", bench_gemm, 2, 11, false},
    {"sgemm", bench_sgemm, 7, 18, false}, {"bf16", bench_bf16, 2, 9, false},
    {"ideas", bench_ideas, 7, 1, true},   {"ops", bench_ops, 9, 26, false},
    {"step", bench_step, 1, 9, false},    {"scaling", bench_scaling, 8, 22, false},
    {"memory", bench_memory, 4, 1, true}, {"generate", bench_generate, 1, 4, false},
    {"start", bench_start, 1, 0, true}};

std::vector<std::string> part_names() {
  std::vector<std::string> names;
  for (const BenchPart& part : kParts) names.push_back(part.name);
  return names;
}

struct BenchKeys {
  BenchOptions options;
  int threads = 0;
  std::vector<std::string> only;
  std::string out;

  void list(FieldList& f) {
    f.add("threads", &threads, "measured beside 1 thread; 0: as many as the machine has",
          {0, 1024});
    f.add("only", &only, "parts; empty: all", {.choices = part_names()});
    f.add("out", &out, "JSON file for the numbers; empty: none");
    options.list(f);
  }
  bool wants(const BenchPart& part) const { return only.empty() || contains(only, part.name); }
};

Json machine_facts() {
  const std::string cpu = processor_name();
  const double memory = machine_memory();
  return {{"cpu", cpu.empty() ? Json() : Json(cpu)},
          {"cores", std::max(1u, std::thread::hardware_concurrency())},
          {"memory_bytes", memory > 0 ? Json(memory) : Json()}};
}

/// Checks the output file first, so that minutes of measuring are not lost if it cannot be written.
void check_out(const std::string& out) {
  if (out.empty()) return;
  const std::filesystem::path path(out);
  check(!std::filesystem::is_directory(path), out, " is a folder; name a file with --out.");
  if (path.has_parent_path()) make_folder(path.parent_path().string());
  check_can_write(out);
}

/// The progress of all parts on one line, in planned seconds.
class BenchProgress {
 public:
  explicit BenchProgress(double planned) : progress_("bench", std::lround(planned)) {}
  void begin(const std::string& note, double seconds) {
    note_ = note;
    before_ += part_;
    part_ = seconds;
    update(0);
  }
  void update(double share) {
    stop_point();
    progress_.update(std::lround(before_ + part_ * share), note_);
  }
  /// Removes the progress line before a table is printed.
  void clear() {
    if (output_.terminal) *output_.stream << "\r\x1b[K" << std::flush;
  }
  void finish() { update(1), progress_.finish(); }

 private:
  ProgressOutput output_ = progress_on_stderr();
  Progress progress_;
  std::string note_;
  double before_ = 0, part_ = 0;
};

Json run_parts(const BenchKeys& keys) {
  const int all = keys.threads > 0
                      ? keys.threads
                      : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::vector<int> thread_counts{1};
  if (all > 1) thread_counts.push_back(all);
  const auto planned = [&](const BenchPart& p) {
    return p.fixed + p.factor * keys.options.seconds;
  };
  double total = 0;
  for (const BenchPart& part : kParts)
    if (keys.wants(part)) total += planned(part) * (part.once ? 1 : double(thread_counts.size()));
  BenchProgress progress(total);
  Bench bench{keys.options, [&](double share) { progress.update(share); },
              [&](const std::string& text) {
                progress.clear();
                std::fputs(text.c_str(), stdout);
                std::fflush(stdout);
              }};
  Json results = {{"runs", Json::array()}};
  for (const int threads : thread_counts) {
    const Workers workers(threads);
    const std::string name = cat(threads, threads == 1 ? " thread" : " threads");
    bench.print(cat("==== ", name, ", ", gemm_isa(), "\n"));
    if (threads > 1)
      bench.print(text_of("a cache line goes to another thread and back in %.0f ns\n",
                          line_round_trip_ns(0.1)));
    Json run = {{"threads", threads}};
    for (const BenchPart& part : kParts) {
      if (!keys.wants(part) || (part.once && threads > 1)) continue;
      progress.begin(cat(part.name, ", ", name), planned(part));
      const auto sample = [&] {  // before and after each part, because cores may be moved
        if (threads > 1) run["line_round_trip_ns"][part.name].push_back(line_round_trip_ns(0.02));
      };
      sample();
      (part.once ? results : run)[part.name] = part.run(bench);
      sample();
    }
    results["runs"].push_back(run);
  }
  progress.finish();
  return results;
}

}  // namespace

int run_bench(const Arguments& arguments) {
  BenchKeys keys;
  FieldList fields = fields_of(keys);
  if (!read_arguments(fields, arguments, "bench")) return 0;
  keys.options.model.validate();
  keys.options.model.resolve_widths();
  check(keys.options.tokens <= keys.options.model.max_position_embeddings,
        "tokens = ", keys.options.tokens,
        " exceeds max_position_embeddings = ", keys.options.model.max_position_embeddings,
        "; lower --tokens or raise the other.");
  check_memory(training_bytes(keys.options.model, keys.options.sequences, keys.options.tokens,
                              static_cast<double>(count_parameters(keys.options.model).total)),
               "the training step", "lower --sequences, --tokens or the model's sizes");
  check_out(keys.out);
  Json results = {{"date", utc_now()},
                  {"machine", machine_facts()},
                  {"isa", gemm_isa()},
                  {"isa_of_processor", name_of(runnable_instruction_sets().front())},
                  {"build", build_facts(gemm_isa())},
                  {"config", fields.to_json()}};
  try {
    results.update(run_parts(keys));
  } catch (const Interrupted&) {
    throw Interrupted("interrupted; no numbers were written.");
  }
  if (!keys.out.empty()) {
    write_json(keys.out, results);
    std::printf("The numbers are in %s.\n", keys.out.c_str());
  }
  return 0;
}

}  // namespace ramoe
