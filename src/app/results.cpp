// ramoe results: the evidence of collected grids with a verdict on each claim, and their report.
// Also the report of a grid's folder.
#include <filesystem>
#include <iostream>

#include "app/command.h"
#include "app/experiment_folder.h"
#include "app/experiment_run.h"
#include "app/reports.h"
#include "ch12_experiments/grid_evidence.h"
#include "report/report.h"
#include "support/error.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

struct ResultsOptions {
  std::string folder = "docs/results", out;

  void list(FieldList& f) {
    f.add("folder", &folder,
          "collected grids: main.json with .jsonl, and if there ablations, mixture, decide, "
          "decide_more, decide_pool, main_routing.json, headroom.json and headroom_fresh.json; "
          "may be given first");
    f.add("out", &out, "folder of evidence.json and report.html; empty: the same");
  }
};

/// Error, before anything is weighed: one of the two files exists and is not from this program.
void check_places(const fs::path& evidence, const fs::path& report) {
  check_replaceable(report);
  check_replaceable(evidence, evidence_mark);
}

/// The grids on base models with headroom (docs/decide.md), each weighed by itself.
struct FurtherGrids {
  std::optional<GridEvidence> decide, more, pool;

  /// Their part of evidence.json; null where a grid was not collected.
  Json json() const {
    Json all = {{"decide", decide ? to_json(*decide) : Json()},
                {"decide_more", more ? comparisons_to_json(*more) : Json()},
                {"decide_pool", pool ? comparisons_to_json(*pool) : Json()}};
    if (decide && more)
      all["decide_more"]["with_decide"] =
          to_json(compare_over_grids({&decide->evidence, &more->evidence}, "ramoe", "sft"));
    return all;
  }
};

/// Writes both files of a weighed grid, whose places were checked.
void write_weighed(const GridEvidence& weighed, const std::optional<GridRouting>& routing,
                   const fs::path& evidence, const fs::path& report,
                   const FurtherGrids& further = {}) {
  Json json = to_json(weighed);
  json.update(further.json());
  write_json(evidence.string(), json);
  write_file(report.string(), grid_report_html(weighed, routing, further.decide));
  for (const Claim& claim : weighed.claims)
    std::cout << "(" << claim.id << ") " << name_of(claim.verdict()) << ": " << claim.statement
              << "\n";
}

/// Runs of `ramoe headroom`, as docs/make_headroom.py and make_ladder.py --fresh collect them; none
/// if there is no file.
std::vector<HeadroomResults> headroom_runs(const std::string& file) {
  std::vector<HeadroomResults> runs;
  if (!fs::exists(file)) return runs;
  const Json list = read_json(file);
  check(list.is_array(), file, ": expected a list of runs, as `make docs-headroom` writes it.");
  for (const Json& run : list) runs.push_back(headroom_from(run, file));
  return runs;
}

std::optional<GridResults> collected(const std::string& name) {
  if (!fs::exists(name + ".json")) return std::nullopt;
  return read_grid_results(name);
}

FurtherGrids further_grids(const std::string& folder,
                           const std::vector<HeadroomResults>& headroom) {
  const auto weighed = [&](const char* name) -> std::optional<GridEvidence> {
    const std::optional<GridResults> grid = collected(folder + "/" + name);
    if (!grid) return std::nullopt;
    return weigh_grid(whole_seeds(*grid), {}, {}, headroom);
  };
  return {weighed("decide"), weighed("decide_more"), weighed("decide_pool")};
}

/// The records of a grid's folder. Error: it is not finished.
GridResults results_of_folder(const std::string& folder) {
  const std::string file = folder + "/experiment.json";
  const auto still = hold_still(folder);
  const Json facts = read_facts(folder);
  const GridPlan plan = grid_plan(facts.at("plan"), file);
  const std::vector<GridRun> search = search_runs(plan), main = main_runs(plan);
  const int done = runs_done(folder, search) + runs_done(folder, main);
  const std::size_t all = search.size() + main.size();
  check(static_cast<std::size_t>(done) == all, folder, ": ", done, " of ", all,
        " runs are done, and the report compares methods over all of them. `ramoe experiment PLAN "
        "--run=",
        folder, "` with its plan does the others.");
  const std::map<std::string, Json> by_id = read_records(folder, all_record_ids(plan));
  std::vector<Json> records;
  for (const auto& [id, record] : by_id) records.push_back(record);
  return {summary_of(folder, facts, plan, by_id), std::move(records), folder};
}

}  // namespace

int report_grid(const std::string& folder, const std::string& file) {
  const std::string place = fs::path(folder + "/").parent_path().string();  // without a last slash
  const fs::path evidence = fs::path(file).parent_path() / "evidence.json";
  check_places(evidence, file);
  GridResults grid = results_of_folder(place);
  const auto routing = grid_routing(place, grid);
  write_weighed(weigh_grid(std::move(grid)), routing, evidence, file);
  std::cout << "The report is " << file << ".\n";
  return 0;
}

int run_results(const Arguments& arguments) {
  ResultsOptions o;
  FieldList fields = fields_of(o);
  if (!read_arguments(fields, arguments, "results", {"folder", false})) return 0;
  const std::string main = o.folder + "/main", routing = main + "_routing.json";
  check(fs::exists(main + ".json"), main, ".json is missing: ", o.folder,
        " holds no results of the main grid; `make grid` and `make docs-grid` make them.");
  const fs::path out = o.out.empty() ? o.folder : o.out;
  check_places(out / "evidence.json", out / "report.html");
  std::optional<GridRouting> traced;
  if (fs::exists(routing)) traced = results_from<GridRouting>(read_json(routing), routing);
  std::vector<HeadroomResults> headroom = headroom_runs(o.folder + "/headroom.json");
  for (HeadroomResults& run : headroom_runs(o.folder + "/headroom_fresh.json"))
    headroom.push_back(std::move(run));
  make_folder(out.string());
  write_weighed(weigh_grid(read_grid_results(main), collected(o.folder + "/ablations"),
                           collected(o.folder + "/mixture"), headroom),
                traced, out / "evidence.json", out / "report.html",
                further_grids(o.folder, headroom));
  std::cout << "The numbers are " << (out / "evidence.json").string() << ", the report is "
            << (out / "report.html").string() << "; docs/make_results.py makes a page of them.\n";
  return 0;
}

}  // namespace ramoe
