#include "ch12_experiments/headroom_results.h"

#include <cstdio>

#include "support/text.h"

namespace ramoe {

const HeadroomCell* HeadroomResults::cell(const std::string& lang, const std::string& task) const {
  for (const HeadroomCell& one : cells)
    if (one.lang == lang && one.task == task) return &one;
  return nullptr;
}

HeadroomResults headroom_from(const Json& json, const std::string& file) {
  HeadroomResults results;
  JsonKeyReader(json, file).read(results);
  check(!results.cells.empty(), file, ": cells: expected a list of tasks and languages. ",
        "`ramoe headroom` writes this file.");
  return results;
}

Json to_json(const HeadroomResults& results) {
  return JsonKeyWriter::written(results);
}

namespace {

/// own - control of each item.
std::vector<double> differences(const std::vector<OracleItem>& items) {
  std::vector<double> all;
  for (const OracleItem& item : items) all.push_back(double(item.own) - double(item.control));
  return all;
}

/// The mean of what(item) over the items that count(item); NaN if there are none.
template <class Count, class What>
double mean_over(const std::vector<OracleItem>& items, const Count& counts, const What& what) {
  std::vector<double> values;
  for (const OracleItem& item : items)
    if (counts(item)) values.push_back(double(what(item)));
  return mean(values);
}

std::string points_text(const HeadroomResults& r) {
  return cat(signed_number(100 * r.headroom, 1), " points",
             r.interval().known() ? cat(" [", signed_number(100 * r.low, 1), ", ",
                                        signed_number(100 * r.high, 1), "]")
                                  : std::string());
}

std::string percent(double share) {
  return fixed_number(100 * share, 1);
}

}  // namespace

HeadroomCell headroom_cell(const std::string& lang, const std::string& task,
                           const std::vector<OracleItem>& items) {
  const auto all = [](const OracleItem&) { return true; };
  const auto ci = [](const OracleItem& item) { return item.english && !item.base; };
  const auto own = [](const OracleItem& item) { return item.own; };
  const auto control = [](const OracleItem& item) { return item.control; };
  HeadroomCell cell{.lang = lang, .task = task};
  cell.n = static_cast<int>(items.size());
  for (const OracleItem& item : items) cell.ci += ci(item);
  cell.english = mean_over(items, all, [](const OracleItem& item) { return item.english; });
  cell.base = mean_over(items, all, [](const OracleItem& item) { return item.base; });
  cell.own = mean_over(items, all, own);
  cell.control = mean_over(items, all, control);
  cell.rescued_own = mean_over(items, ci, own);
  cell.rescued_control = mean_over(items, ci, control);
  cell.base_divergence = mean_over(items, all, [](const auto& i) { return i.base_divergence; });
  cell.own_divergence = mean_over(items, all, [](const auto& i) { return i.own_divergence; });
  const std::vector<double> d = differences(items);
  const Interval interval = bootstrap_interval(d);
  cell.headroom = mean(d);
  cell.low = interval.low;
  cell.high = interval.high;
  return cell;
}

void weigh_headroom(HeadroomResults& results, const std::vector<std::vector<OracleItem>>& items) {
  std::vector<std::vector<double>> cells;
  for (const std::vector<OracleItem>& cell : items) cells.push_back(differences(cell));
  const GrandMean over_cells = grand_mean(cells);
  results.headroom = over_cells.mean;
  results.low = over_cells.interval.low;
  results.high = over_cells.interval.high;
  results.words = headroom_sentence(results);
}

std::string control_label(const std::string& control) {
  return control == "other" ? "OTHER" : control;
}

HeldBack held_back(const HeadroomResults& r) {
  if (!r.interval().known()) return r.headroom == 0 ? HeldBack::nothing : HeldBack::undecided;
  return r.low > 0                 ? HeldBack::something
         : r.high < small_headroom ? HeldBack::nothing
                                   : HeldBack::undecided;
}

double own_minus_base(const HeadroomResults& r) {
  double sum = 0;
  for (const HeadroomCell& cell : r.cells) sum += cell.own - cell.base;
  return sum / static_cast<double>(r.cells.size());
}

std::string headroom_sentence(const HeadroomResults& r) {
  const std::string number = cat("own minus ", control_label(r.control), " is ", points_text(r));
  const std::string forced = cat(" (form ", r.form, ", layers ", r.layers, ", mean over ",
                                 r.cells.size(), r.cells.size() == 1 ? " cell)" : " cells)");
  if (!r.interval().known() && r.headroom == 0)
    return cat("Routing holds nothing back that these items show: own and ",
               control_label(r.control), " are right on the same items", forced,
               ", so there is no interval.");
  if (!r.interval().known())
    return cat("Undecided: ", number, forced, " on each item alike, so there is no interval.");
  const HeldBack held = held_back(r);
  if (held == HeldBack::something)
    return cat("Routing holds something back here: ", number, forced,
               ". Own minus base is ", signed_number(100 * own_minus_base(r), 1),
               " points: what aligned routing alone could win; the rest is harm that ",
               control_label(r.control), " does.");
  if (held == HeldBack::nothing)
    return cat("Routing holds nothing back here: ", number, forced,
               "; aligned routing alone has next to nothing to win on this model.");
  return cat("Undecided: ", number, forced, "; the interval contains 0 and reaches ",
             fixed_number(100 * small_headroom, 0), " point or more. More items would tell.");
}

std::string headroom_table_text(const HeadroomResults& r) {
  const std::string control = control_label(r.control);
  char line[200];
  std::snprintf(line, sizeof line, "%-6s %-8s %5s %8s %6s %6s %6s %9s %16s %5s %15s\n", "lang",
                "task", "n", "English", "base", "own", control.c_str(), "headroom", "95 % interval",
                "ci", "rescued own/ctl");
  std::string text = line;
  for (const HeadroomCell& c : r.cells) {
    const std::string interval =
        c.interval().known()
            ? cat("[", signed_number(100 * c.low, 1), ", ", signed_number(100 * c.high, 1), "]")
            : "n/a";
    const std::string rescued =
        c.ci > 0 ? percent(c.rescued_own) + " / " + percent(c.rescued_control) : "n/a";
    std::snprintf(line, sizeof line, "%-6s %-8s %5d %8s %6s %6s %6s %9s %16s %5d %15s\n",
                  c.lang.c_str(), c.task.c_str(), c.n, percent(c.english).c_str(),
                  percent(c.base).c_str(), percent(c.own).c_str(), percent(c.control).c_str(),
                  signed_number(100 * c.headroom, 1).c_str(), interval.c_str(), c.ci,
                  rescued.c_str());
    text += line;
  }
  return text;
}

}  // namespace ramoe
