#include "ch12_experiments/sentences.h"

#include <algorithm>
#include <cmath>

#include "ch12_experiments/statistics.h"
#include "report/report_parts.h"
#include "report/svg.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// NaN of null.
double number(const Json& value) {
  return value.is_number() ? value.get<double>() : std::nan("");
}

std::string percent(const Json& share) {
  const double value = number(share);
  return std::isfinite(value) ? fixed_number(100 * value, 1) + " %" : "n/a";
}

/// "1 test item", "3 test items".
std::string counted(std::size_t n, const std::string& one, const std::string& many) {
  return cat(n, " ", n == 1 ? one : many);
}

std::string name_of(const Json& results, const std::string& lang) {
  return results.value("language_names", Json::object()).value(lang, lang);
}

/// Points with one decimal, or with as many as show that a value that is not 0 is none.
std::string points(std::initializer_list<double> shares, std::size_t which) {
  int decimals = 1;
  const auto hidden = [&](double share) {
    return share != 0 &&
           fixed_number(100 * share, decimals).find_first_of("123456789") == std::string::npos;
  };
  while (decimals < 4 && std::any_of(shares.begin(), shares.end(), hidden)) ++decimals;
  return signed_number(100 * shares.begin()[which], decimals);
}

Interval interval_of(const Json& estimate) {
  return {number(estimate.at("low")), number(estimate.at("high"))};
}

bool excludes_zero(Interval interval) {
  return interval.known() && (interval.low > 0 || interval.high < 0);
}

/// English first, then the targets from the highest accuracy down; "" if nothing was measured.
std::string base_sentence(const Json& results, const std::string& task) {
  std::vector<const Json*> rows;
  for (const Json& row : results.at("base_accuracy"))
    if (row.at("task") == task && row.at("accuracy").is_number()) rows.push_back(&row);
  if (rows.empty()) return "";
  const auto rank = [](const Json* row) {
    return row->at("lang") == "en" ? 2.0 : row->at("accuracy").get<double>();
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const Json* a, const Json* b) { return rank(a) > rank(b); });
  std::string text;
  for (const Json* row : rows)
    text += cat(text.empty() ? "" : ", ", name_of(results, row->at("lang").get<std::string>()), " ",
                percent(row->at("accuracy")));
  return cat("Accuracy of the base model on ", task, ", test: ", text, ".");
}

/// n differences have one sign by chance with probability 2/2^n, over 5 % for n = 5, and then an
/// interval drawn from them excludes 0.
constexpr std::size_t fewest_differences = 6;

/// Where the mean curve is lowest; "" where it is not known or lowest in all layers alike.
std::string lowest_layer(const Json& divergence, int first, int last) {
  std::vector<double> curve;
  for (const Json& value : divergence.value("mean", Json::array())) curve.push_back(number(value));
  if (curve.empty() || !std::isfinite(mean(curve)) || all_same(curve)) return "";
  const auto at = std::min_element(curve.begin(), curve.end());
  const auto layer = at - curve.begin();
  const bool inside = first <= layer && layer <= last;
  return cat(". The mean divergence from English is lowest in layer ", layer,
             " (D = ", fixed_number(*at, 3), "), ", inside ? "in the zone" : "outside of the zone");
}

std::string divergence_sentence(const Json& d) {
  const int first = d.at("zone").at("first").get<int>(), last = d.at("zone").at("last").get<int>();
  std::string text = cat("The alignment zone is ",
                         first == last ? cat("layer ", first) : cat("layers ", first, " to ", last),
                         lowest_layer(d, first, last));
  if (d.at("u_shaped").is_boolean())
    text += cat(". Over depth the curve ", d.at("u_shaped").get<bool>() ? "has" : "does not have",
                " the U shape that was published for large models");
  const Json& r = d.at("correlation");
  const double zone = number(r.at("zone")), outside = number(r.at("outside"));
  const auto pairs = static_cast<std::size_t>(std::max(0.0, number(r.at("points"))));
  const std::string over = counted(pairs, "language-task pair", "language-task pairs");
  if (std::isfinite(zone) || std::isfinite(outside))
    text += cat(". Over ", over, " divergence and the gap (accuracy in English minus accuracy in ",
                "the language) correlate with r = ", signed_number(zone, 2), " in the zone and ",
                signed_number(outside, 2), " outside");
  else
    text += cat(". Divergence and the gap to English have no correlation over ", over,
                pairs < 3 ? ": too few" : ": one of them is the same in all");
  return text + ".";
}

/// The values by seed of all cells that were measured.
std::vector<double> all_differences(const Json& results) {
  std::vector<double> all;
  for (const Json& row : results.at("accuracy"))
    if (row.at("difference").at("mean").is_number())
      for (const Json& value : row.at("difference").at("per_seed")) all.push_back(number(value));
  return all;
}

std::string overall_sentence(const Json& results) {
  const Json& d = results.at("overall").at("difference");
  if (!d.at("mean").is_number()) return "SFT and RA-MoE could not be compared.";
  const double value = number(d.at("mean"));
  const Interval interval = interval_of(d);
  const auto measured =
      std::count_if(results.at("accuracy").begin(), results.at("accuracy").end(),
                    [](const Json& row) { return row.at("difference").at("mean").is_number(); });
  const std::string over =
      cat("RA-MoE minus SFT, mean over ",
          counted(std::size_t(measured), "language-task pair", "language-task pairs"), ": ");
  const std::size_t differences = all_differences(results).size();
  if (!interval.known())
    return cat(over, points({value}, 0), " points; ",
               differences == 1
                   ? "one pair and one seed give no interval"
                   : "all pairs and seeds give the same difference, so there is no interval",
               ", and nothing follows from it.");
  const auto shown = [&](std::size_t i) { return points({value, interval.low, interval.high}, i); };
  const std::string text =
      cat(over, shown(0), " points (95 % interval ", shown(1), " to ", shown(2));
  if (differences < fewest_differences)
    return cat(text, "). ", differences, " differences are too few to tell effect from chance.");
  return cat(text, !excludes_zero(interval)
                       ? "). The interval contains 0: at this scale the difference is within noise."
                   : value > 0 ? "). The interval lies above 0: alignment helped here."
                               : "). The interval lies below 0: alignment hurt here.");
}

/// How many pairs have an interval of their own, and how many of these exclude 0.
std::string pairs_sentence(const Json& results) {
  std::size_t pairs = 0, known = 0, clear = 0, seeds = 0;
  for (const Json& row : results.at("accuracy")) {
    if (!row.at("difference").at("mean").is_number()) continue;
    const Interval interval = interval_of(row.at("difference"));
    ++pairs;
    known += interval.known();
    clear += excludes_zero(interval);
    seeds = std::max(seeds, row.at("difference").at("per_seed").size());
  }
  if (pairs == 0) return "";
  const std::string of = counted(pairs, "language-task pair", "language-task pairs");
  if (known == 0)
    return cat("Of ", of, " none has an interval over seeds: ",
               seeds < 2 ? "there is one seed." : "in each all seeds give the same difference.");
  std::string text =
      cat("Of ", of, " ", known == pairs ? cat("each") : cat(known),
          known == pairs || known == 1 ? " has" : " have", " an interval over seeds");
  if (known < pairs) text += " (in the others all seeds give the same difference)";
  return cat(text, "; ", clear == 0 ? cat("none") : cat(clear), " of these ",
             clear == 1 || clear == 0 ? "excludes" : "exclude",
             " 0, which by chance alone one in twenty does.");
}

std::string ci_sentence(const Json& results) {
  const Json& r = results.at("overall").at("ci_gain_correlation");
  const Interval interval = interval_of(r);
  const auto count = r.at("points").get<std::size_t>();
  const std::string over = counted(count, "language-task pair", "language-task pairs");
  if (!r.at("r").is_number())
    return cat("The ci share and the gain have no correlation over ", over,
               count < 3 ? ": too few." : ": one of them is the same in all.");
  const std::string text = cat("The ci share and the gain correlate over ", over,
                               " with r = ", signed_number(number(r.at("r")), 2));
  if (!interval.known())
    return cat(text, ", without an interval: ",
               count < fewest_points ? "too few." : "no resample differs enough to give one.");
  return cat(text, " (95 % interval ", signed_number(interval.low, 2), " to ",
             signed_number(interval.high, 2),
             excludes_zero(interval) ? ")." : ", which contains 0).");
}

}  // namespace

std::vector<std::string> sentences(const Json& results) {
  std::vector<std::string> words;
  for (const Json& task : results.at("tasks"))
    words.push_back(base_sentence(results, task.get<std::string>()));
  words.push_back(divergence_sentence(results.at("divergence")));
  words.push_back(overall_sentence(results));
  words.push_back(pairs_sentence(results));
  words.push_back(ci_sentence(results));
  std::erase(words, "");
  return words;
}

std::vector<std::string> run_sentences(const Json& results) {
  std::vector<std::string> words;
  for (const Json& row : results.at("accuracy")) {
    const auto method = row.at("methods").begin();
    const Json &after = method.value().at("accuracy").at(0),
               &given = method.value().at("given_english").at(0);
    const double change = number(after) - number(row.at("base"));
    std::string text = cat("On ", row.at("task").get<std::string>(), " ",
                           method_label(method.key()), " gets ", percent(after), " of ",
                           counted(row.at("n").get<std::size_t>(), "test item", "test items"),
                           " right in ", name_of(results, row.at("lang").get<std::string>()),
                           ", the base model ", percent(row.at("base")));
    if (std::isfinite(change))
      text += change == 0 ? ": no change" : cat(": ", points({change}, 0), " points");
    const auto known = row.at("n_english_correct").get<std::size_t>();
    text += known == 0
                ? std::string(". The base model knows none of these items in English.")
                : cat(". Of the ", known, " that the base model knows in English: ", percent(given),
                      ", before ", percent(row.at("base_given_english")), ".");
    words.push_back(text);
  }
  if (!words.empty())
    words.push_back(
        "This is one run with one seed: there is no interval, and chance cannot be told from "
        "effect.");
  return words;
}

}  // namespace ramoe
