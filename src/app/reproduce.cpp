// ramoe reproduce: repeats a slice of a finished grid with fresh seeds and compares intervals.
#include <algorithm>
#include <cstdio>
#include <iostream>

#include "app/command.h"
#include "app/experiment_run.h"
#include "ch12_experiments/replication.h"
#include "support/error.h"

namespace ramoe {
namespace {

struct ReproduceOptions {
  std::string results = "docs/results/main", run = "runs/reproduce";
  Slice slice;
  int threads = 0;
  Device device = Device::cpu;
  GemmEngine gemm = GemmEngine::own;
  bool overwrite = false;

  void list(FieldList& f) {
    f.add("results", &results, "the grid as collected: this with .json and .jsonl");
    f.add("run", &run, "folder of the new runs; goes on with what it holds");
    f.add("models", &slice.models, "models of the slice; empty: all");
    f.add("tasks", &slice.tasks, "tasks of the slice; empty: all");
    f.add("languages", &slice.languages, "target languages of the slice; empty: all");
    f.also("languages", language_aliases());
    f.add("variants", &slice.variants, "main variants of the slice, sft among them; empty: all");
    f.add("seeds", &slice.seeds, "how many fresh seeds", {1, 900});
    f.add("first_seed", &slice.first_seed, "the first of them; none may be the grid's", {1, 1000});
    f.add("threads", &threads, "runs side by side; 0: as many as the machine has threads",
          {0, 1024});
    f.add("device", &device, device_help);
    f.add("gemm", &gemm, gemm_help);
    f.add("overwrite", &overwrite, "remove the results that the folder holds");
  }
};

std::string in_points(const Estimate& e) {
  char text[64];
  std::snprintf(text, sizeof text, "%+6.2f [%+6.2f, %+6.2f]", 100 * e.value, 100 * e.interval.low,
                100 * e.interval.high);
  return text;
}

/// Prints the rows. Returns how many disagree; a gain without an interval does not count.
int print_rows(const std::vector<Replicated>& rows) {
  std::printf("%-34s  %-24s  %-24s\n", "gain over sft, points [95 %]", "the grid", "fresh seeds");
  int apart = 0;
  for (const Replicated& row : rows) {
    if (!row.known()) continue;
    apart += !row.agrees();
    std::printf("%-34s  %-24s  %-24s%s\n", row.what.c_str(), in_points(row.committed).c_str(),
                in_points(row.fresh).c_str(), row.agrees() ? "" : "  apart");
  }
  return apart;
}

/// Error if the accuracy of a base model differs by more than 0.02: it is another model then.
void check_bases(const Evidence& committed, const Evidence& fresh) {
  for (std::size_t c = 0; c < committed.cells.size(); ++c) {
    const EvidenceCell &old = committed.cells[c], &now = fresh.cells[c];
    check(std::abs(old.base - now.base) <= 0.02, "the base model ", old.model, " answers ",
          old.task, "/", old.lang, " right in ", percent_text(now.base, 1), " here and in ",
          percent_text(old.base, 1),
          " in the grid; is it the same model? `make base-models` makes new ones, and with them "
          "the grid has to be run again.");
  }
}

}  // namespace

int run_reproduce(const Arguments& arguments) try {
  ReproduceOptions o;
  FieldList fields = fields_of(o);
  if (!read_arguments(fields, arguments, "reproduce")) return 0;
  const GridResults results = read_grid_results(o.results);
  const Json plan = plan_on(o.device, o.gemm, replication_plan(results, o.slice));
  const std::string edges =
      edge_warning(results.plan(), results.facts().value("chosen", Json::array()));
  if (!edges.empty()) std::cout << "WARNING: " << o.results << ": " << edges << "\n";
  run_plan(plan, o.run + "/reproduce.json", o.run, o.threads, o.overwrite);
  const Evidence committed = gather_evidence(part_of(results, plan));
  const Evidence fresh = gather_evidence(read_grid_results(o.run + "/collected/reproduce"));
  check_bases(committed, fresh);
  const std::vector<Replicated> rows = compare_gains(committed, fresh);
  const int apart = print_rows(rows);
  const auto known =
      std::count_if(rows.begin(), rows.end(), [](const Replicated& row) { return row.known(); });
  const auto unknown = std::ptrdiff_t(rows.size()) - known;
  std::cout << known - apart << " of " << known
            << " gains have intervals that overlap those of the grid; of one truth about one in "
               "170 does not.\n";
  if (unknown > 0)
    std::cout << unknown << (unknown == 1 ? " gain has" : " gains have")
              << " no interval here or there (equal or single values) and "
              << (unknown == 1 ? "is" : "are") << " not counted.\n";
  for (const Replicated& row : rows)
    check(row.in_cell || !row.known() || row.agrees(), "the gain of ", row.what,
          " over all cells of the slice does not agree with the grid's.");
  return 0;
} catch (const Interrupted& interrupted) {
  throw_on(interrupted,
           "interrupted; the runs are kept. The same command, without --overwrite=true, goes on.");
}

}  // namespace ramoe
