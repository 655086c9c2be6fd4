#include "app/experiment_merge.h"

#include <filesystem>
#include <iostream>

#include "app/experiment_folder.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// What of a record must be the same wherever it was computed.
Json without_seconds(Json record) {
  record.erase("seconds");
  return record;
}

/// Stages of a model are copied whole; where both have them they must have found the same.
void merge_stages(const std::string& from, const std::string& into, const GridPlan& plan,
                  bool write) {
  for (const std::string& model : plan.models)
    for (const char* name : stage_names) {
      const std::string place = "/stages/" + model + "/" + name;
      const std::string source = from + place, target = into + place;
      if (!std::filesystem::exists(source + "/results.json")) continue;
      if (std::filesystem::exists(target + "/results.json")) {
        check(read_json(source + "/results.json") == read_json(target + "/results.json"), source,
              " and ", target,
              " found different things with the same code and data; one of them "
              "is damaged. Nothing was merged.");
      } else if (write) {
        make_folder(target);
        for (const auto& entry : std::filesystem::directory_iterator(source))
          if (entry.is_regular_file())
            write_file(target + "/" + entry.path().filename().string(),
                       read_file(entry.path().string()));
      }
    }
}

}  // namespace

int merge_experiments(const Arguments& arguments) {
  std::string into;
  std::vector<std::string> from;
  for (const std::string& argument : arguments)
    if (argument == "--help" || argument == "-h") {
      std::cout << "ramoe experiment merge --into=FOLDER A B ...\n\nCopies the results of the "
                   "experiments A, B, ... into FOLDER.\n";
      return 0;
    } else if (argument.starts_with("--into=")) {
      into = argument.substr(7);
    } else {
      check(!argument.starts_with("-"), argument,
            " was not understood; wanted `ramoe experiment merge --into=FOLDER A B ...`.");
      from.push_back(argument);
    }
  check(!into.empty() && !from.empty(),
        "wanted `ramoe experiment merge --into=FOLDER A B ...`: where to, and of what.");
  // The experiment with the most seeds stands for all.
  Json facts;
  std::string first;
  std::vector<std::string> all = from;
  if (std::filesystem::exists(into + "/experiment.json")) all.insert(all.begin(), into);
  for (const std::string& folder : all) {
    const Json other = read_facts(folder);
    const bool fewer =
        !first.empty() && other["plan"].value("seeds", 0) <= facts["plan"].value("seeds", 0);
    const NamedFacts named{other, "in " + folder}, known{facts, "in " + first};
    const std::string different = first.empty() ? ""
                                  : fewer       ? facts_differences(named, known, true)
                                                : facts_differences(known, named, true);
    check(different.empty(), "results of ", first, " and ", folder, " must not be mixed (",
          different, "). Nothing was merged.");
    if (fewer) continue;
    facts = other;
    first = folder;
  }
  const GridPlan plan = grid_plan(facts["plan"], first + "/experiment.json: plan");
  const std::vector<std::string> ids = all_record_ids(plan);
  std::map<std::string, std::pair<std::string, Json>> records;  // by id: where from, and what
  std::size_t fresh = 0;
  for (const std::string& folder : all)
    for (const std::string& id : ids) {
      if (!std::filesystem::exists(record_path(folder, id))) continue;
      Json record = read_record(folder, id);
      const auto known = records.find(id);
      if (known != records.end()) {
        check(without_seconds(known->second.second) == without_seconds(record),
              record_path(known->second.first, id), " and ", record_path(folder, id),
              " contradict each other, though the same code and data give the same bits; one of "
              "them is damaged. Nothing was merged.");
        continue;
      }
      fresh += folder != into;
      records[id] = {folder, std::move(record)};
    }
  for (const std::string& folder : from) merge_stages(folder, into, plan, false);
  for (const char* key : {"chosen", "chosen_strengths", "stages", "cost", "finished"})
    facts.erase(key);
  const ExperimentFolder target(into, facts, false);
  for (const std::string& folder : from) merge_stages(folder, into, plan, true);
  for (const auto& [id, record] : records)
    if (record.first != into) target.write(record.second);
  const Json summary = target.write_summary(plan);
  std::cout << into << ": " << fresh << " new records, " << records.size() << " of " << ids.size()
            << " in all" << (summary["finished"].get<bool>() ? "; the grid is finished\n" : "\n");
  return 0;
}

}  // namespace ramoe
