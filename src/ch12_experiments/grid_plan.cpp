// Reading a plan. Declared in grid.h.
#include <algorithm>
#include <cmath>
#include <set>

#include "ch12_experiments/grid.h"
#include "support/config.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// A member of an object by type, with errors that name the source.
class Reader {
 public:
  Reader(const Json& object, std::string where, const std::vector<std::string>& known)
      : object_(object), where_(std::move(where)) {
    check(object.is_object(), where_, ": expected an object, found ", excerpt(object), ".");
    for (const auto& [key, value] : object.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      const std::string nearest = nearest_word(key, known);
      fail(where_, ": the key \"", key, "\" is unknown",
           nearest.empty() ? "." : "; did you mean \"" + nearest + "\"?");
    }
  }

  bool has(const char* key) const { return object_.contains(key); }
  template <class Value>
  Value get(const char* key) const {
    check(has(key), where_, ": the key \"", key, "\" is missing.");
    try {
      return object_[key].get<Value>();
    } catch (const Json::exception&) {
      fail(where_, ": ", key, " = ", excerpt(object_[key]), " is not what belongs there.");
    }
  }
  int count(const char* key, int least) const {
    const int value = get<int>(key);
    check(object_[key].is_number_integer() && value >= least && value < kSearchSeed, where_, ": ",
          key, " = ", excerpt(object_[key]), "; expected a whole number from ", least, " to ",
          kSearchSeed - 1, ".");
    return value;
  }
  /// Ascending, above 0, each once.
  std::vector<double> numbers(const char* key) const {
    auto values = get<std::vector<double>>(key);
    check(!values.empty(), where_, ": ", key, " is empty.");
    for (std::size_t i = 0; i < values.size(); ++i)
      check(std::isfinite(values[i]) && values[i] > 0 && (i == 0 || values[i - 1] < values[i]),
            where_, ": ", key, " = ", excerpt(object_[key]),
            "; expected rising numbers above 0, each once.");
    return values;
  }
  /// Names that may stand in a path, each once.
  std::vector<std::string> names(const char* key) const {
    const auto values = get<std::vector<std::string>>(key);
    check(!values.empty(), where_, ": ", key, " is empty.");
    std::set<std::string> seen;
    for (const std::string& name : values) {
      check_name(name, key);
      check(seen.insert(name).second, where_, ": ", key, " names \"", name, "\" twice.");
    }
    return values;
  }
  void check_name(const std::string& name, const char* key) const {
    check(!name.empty() && name[0] != '.' &&
              name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789_-+=.") == std::string::npos,
          where_, ": ", key, " \"", name,
          "\" cannot be part of a file's name; expected letters, digits and _-+=.");
  }
  const std::string& where() const { return where_; }

 private:
  const Json& object_;
  std::string where_;
};

GridVariant read_variant(const Json& json, const std::string& where) {
  const Reader r(json, where, {"name", "group", "method", "like", "keys", "learning_rate"});
  GridVariant v;
  v.name = r.get<std::string>("name");
  r.check_name(v.name, "name");
  check(v.name != "base" && !v.name.starts_with("steer-"), where, ": the name \"", v.name,
        "\" is that of records which every plan has; choose another.");
  v.method = r.get<std::string>("method");
  if (r.has("group")) v.group = r.get<std::string>("group");
  if (r.has("like")) v.like = r.get<std::string>("like");
  if (r.has("keys")) v.keys = r.get<Json>("keys");
  check(v.keys.is_object(), where, ": keys must be an object of fine-tuning keys.");
  if (r.has("learning_rate")) v.learning_rate = r.get<Json>("learning_rate");
  const auto is_rate = [](const Json& j) { return j.is_number() && j.get<double>() > 0; };
  bool valid = v.learning_rate.is_null() || is_rate(v.learning_rate);
  if (v.learning_rate.is_object())
    valid = std::all_of(v.learning_rate.begin(), v.learning_rate.end(), is_rate);
  check(valid, where, ": learning_rate = ", excerpt(v.learning_rate),
        "; expected a number above 0, or one for each \"model/task\".");
  return v;
}

/// Where a variant's rate comes from, so that nothing is found missing after hours.
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
  const Reader r(json, where,
                 {"models", "tasks", "languages", "seeds", "first_seed", "keys", "search",
                  "steering", "variants"});
  GridPlan plan;
  const Json models = r.get<Json>("models");
  check(models.is_object() && !models.empty(), where,
        ": models must be an object of name: run folder of a base model.");
  for (const auto& [name, folder] : models.items()) {
    check(folder.is_string(), where, ": models: ", name, " = ", excerpt(folder),
          "; expected the run folder of a base model.");
    r.check_name(name, "models");
    plan.models.push_back(name);
    plan.model_runs[name] = folder.get<std::string>();
  }
  plan.tasks = r.names("tasks");
  plan.languages = r.names("languages");
  plan.seeds = r.count("seeds", 1);
  if (r.has("first_seed")) plan.first_seed = r.count("first_seed", 1);
  check(plan.last_seed() < kSearchSeed, where, ": the seeds from ", plan.first_seed, " to ",
        plan.last_seed(), " reach those of the search, which begin at ", kSearchSeed, ".");
  if (r.has("keys")) plan.keys = r.get<Json>("keys");
  check(plan.keys.is_object(), where, ": keys must be an object of fine-tuning keys.");
  if (r.has("search")) {
    const Json object = r.get<Json>("search");
    const Reader search(object, where + ": search", {"learning_rates", "seeds"});
    plan.rates = search.numbers("learning_rates");
    plan.search_seeds = search.count("seeds", 1);
  }
  if (r.has("steering")) {
    const Json object = r.get<Json>("steering");
    const Reader steering(object, where + ": steering", {"strengths"});
    plan.strengths = steering.numbers("strengths");
    check(plan.search_seeds > 0, where,
          ": the strength of steering is chosen in the search, and the plan has none.");
  }
  const Json variants = r.get<Json>("variants");
  check(variants.is_array() && !variants.empty(), where, ": variants must be a list of variants.");
  std::set<std::string> names;
  for (std::size_t i = 0; i < variants.size(); ++i) {
    plan.variants.push_back(read_variant(variants[i], cat(where, ": variant ", i + 1)));
    check(names.insert(plan.variants.back().name).second, where, ": two variants are named \"",
          plan.variants.back().name, "\".");
  }
  for (GridVariant& variant : plan.variants)
    check_rates(plan, variant, where + ": variant " + variant.name);
  return plan;
}

}  // namespace ramoe
