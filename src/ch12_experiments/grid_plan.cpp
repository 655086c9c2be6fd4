// Reading a plan. Declared in grid.h.
#include <algorithm>
#include <cmath>
#include <set>

#include "ch12_experiments/grid.h"
#include "support/json_place.h"

namespace ramoe {
namespace {

using Place = JsonAt<Json>;

/// A name that may stand in a path.
std::string name_at(const Place& at) {
  const std::string name = at.text();
  if (name.empty() || name[0] == '.' ||
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789_-+=.") != std::string::npos)
    at.expected("letters, digits and _-+=., since it is part of a file's name");
  return name;
}

/// Names, each once.
std::vector<std::string> names_at(const Place& list) {
  std::vector<std::string> names;
  for (const Place& at : list.elements()) {
    names.push_back(name_at(at));
    if (std::count(names.begin(), names.end(), names.back()) > 1) at.wrong("it is there twice");
  }
  if (names.empty()) list.expected("at least one name");
  return names;
}

/// Rising numbers above 0.
std::vector<double> numbers_at(const Place& list) {
  std::vector<double> numbers;
  for (const Place& at : list.elements()) {
    const double before = numbers.empty() ? 0 : numbers.back();
    numbers.push_back(at.number());
    if (!std::isfinite(numbers.back()) || numbers.back() <= before)
      at.expected("rising numbers above 0, each once");
  }
  if (numbers.empty()) list.expected("at least one number");
  return numbers;
}

GridVariant read_variant(const Place& at) {
  at.only({"name", "group", "method", "like", "keys", "learning_rate"});
  GridVariant v;
  v.name = name_at(at["name"]);
  if (v.name == "base" || v.name.starts_with("steer-"))
    at["name"].wrong("that is the name of records which every plan has; choose another");
  v.method = at["method"].choice<Method>();
  if (at.has("group")) v.group = at["group"].text();
  if (at.has("like")) v.like = at["like"].text();
  if (at.has("keys")) v.keys = at["keys"].object();
  if (!at.has("learning_rate")) return v;
  v.learning_rate = at["learning_rate"].value;
  const auto is_rate = [](const Json& j) { return j.is_number() && j.get<double>() > 0; };
  const bool valid = v.learning_rate.is_object()
                         ? std::all_of(v.learning_rate.begin(), v.learning_rate.end(), is_rate)
                         : v.learning_rate.is_null() || is_rate(v.learning_rate);
  if (!valid) at["learning_rate"].expected("a number above 0, or one for each \"model/task\"");
  return v;
}

/// Checks where the rate of a variant comes from, so that no run fails for it after hours.
void check_rates(const GridPlan& plan, GridVariant& variant, const std::string& where) {
  if (variant.is_main()) {
    check(variant.like.empty() || variant.like == variant.name, where,
          ": \"like\" belongs to variants outside of the group main.");
    variant.like = variant.name;
  } else if (variant.like.empty()) {
    for (const GridVariant& other : plan.variants)
      if (other.is_main() && other.method == variant.method && variant.like.empty())
        variant.like = other.name;
  }
  bool fixed = !variant.learning_rate.is_null();
  if (variant.learning_rate.is_object())
    for (const std::string& model : plan.models)
      for (const std::string& task : plan.tasks)
        fixed = fixed && variant.learning_rate.contains(model + "/" + task);
  if (fixed) return;
  check(!plan.rates.empty() || !variant.is_main(), where,
        ": its learning rate is neither searched (the plan has no \"search\") nor given for every "
        "model and task (\"learning_rate\").");
  if (variant.is_main()) return;
  const auto found = std::find_if(plan.variants.begin(), plan.variants.end(), [&](const auto& v) {
    return v.name == variant.like && v.is_main();
  });
  check(found != plan.variants.end(), where, ": it takes the learning rate of \"", variant.like,
        "\", which is no variant of the group main; name one in \"like\" or give "
        "\"learning_rate\".");
}

}  // namespace

GridPlan grid_plan(const Json& json, const std::string& where) {
  const Place at{where, "", json};
  at.only({"models", "tasks", "languages", "seeds", "first_seed", "keys", "search", "edges",
           "steering", "variants"});
  GridPlan plan;
  for (const auto& [name, folder] : at["models"].members()) {
    if (!folder.value.is_string()) folder.expected("the run folder of a base model");
    const Json as_text = name;
    plan.models.push_back(name_at({where, "models", as_text}));
    plan.model_runs[name] = folder.text();
  }
  if (plan.models.empty()) at["models"].expected("an object {name: run folder of a base model}");
  plan.tasks = names_at(at["tasks"]);
  plan.languages = names_at(at["languages"]);
  plan.seeds = at["seeds"].whole(1, kSearchSeed - 1);
  if (at.has("first_seed")) plan.first_seed = at["first_seed"].whole(1, kSearchSeed - 1);
  check(plan.last_seed() < kSearchSeed, where, ": the seeds from ", plan.first_seed, " to ",
        plan.last_seed(), " reach those of the search, which begin at ", kSearchSeed, ".");
  if (at.has("keys")) plan.keys = at["keys"].object();
  if (at.has("search")) {
    at["search"].only({"learning_rates", "seeds"});
    plan.rates = numbers_at(at["search"]["learning_rates"]);
    plan.search_seeds = at["search"]["seeds"].whole(1, kSearchSeed - 1);
  }
  if (at.has("edges")) {
    plan.edges = at["edges"].choice<SearchEdges>();
    if (plan.edges == SearchEdges::refuse && plan.rates.size() < 3)
      at["edges"].wrong("of fewer than three \"learning_rates\" none lies between two others");
  }
  if (at.has("steering")) {
    at["steering"].only({"strengths"});
    plan.strengths = numbers_at(at["steering"]["strengths"]);
    check(plan.search_seeds > 0, where,
          ": the strength of steering is chosen in the search, and the plan has none.");
  }
  std::set<std::string> names;
  for (const Place& variant : at["variants"].elements()) {
    plan.variants.push_back(read_variant(variant));
    check(names.insert(plan.variants.back().name).second, where, ": two variants are named \"",
          plan.variants.back().name, "\".");
  }
  if (names.empty()) at["variants"].expected("at least one variant");
  for (GridVariant& variant : plan.variants)
    check_rates(plan, variant, where + ": variant " + variant.name);
  return plan;
}

}  // namespace ramoe
