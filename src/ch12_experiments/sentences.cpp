#include "ch12_experiments/sentences.h"

#include <algorithm>
#include <cmath>

#include "support/error.h"
#include "support/text.h"

namespace ramoe {
namespace {

std::string percent(double share) {
  return std::isfinite(share) ? fixed_number(100 * share, 1) + " %" : "n/a";
}

/// "1 test item", "3 test items".
std::string counted(std::size_t n, const std::string& one, const std::string& many) {
  return cat(n, " ", n == 1 ? one : many);
}

std::string pairs_text(std::size_t n) {
  return counted(n, "language-task pair", "language-task pairs");
}

/// Points with one decimal, or with as many as it takes so that no value other than 0 reads as 0.
std::string points(std::initializer_list<double> shares, std::size_t which) {
  int decimals = 1;
  const auto hidden = [&](double share) {
    return share != 0 &&
           fixed_number(100 * share, decimals).find_first_of("123456789") == std::string::npos;
  };
  while (decimals < 4 && std::any_of(shares.begin(), shares.end(), hidden)) ++decimals;
  return signed_number(100 * shares.begin()[which], decimals);
}

bool excludes_zero(Interval interval) {
  return interval.known() && (interval.low > 0 || interval.high < 0);
}

/// English first, then the targets by falling accuracy; "" if nothing was measured.
std::string base_sentence(const RunResults& results, const std::string& task) {
  std::vector<const Score*> rows;
  for (const Score& row : results.base_accuracy)
    if (row.task == task && std::isfinite(row.accuracy)) rows.push_back(&row);
  if (rows.empty()) return "";
  const auto rank = [](const Score* row) { return row->lang == "en" ? 2.0 : row->accuracy; };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const Score* a, const Score* b) { return rank(a) > rank(b); });
  std::string text;
  for (const Score* row : rows)
    text += cat(text.empty() ? "" : ", ", results.name(row->lang), " ", percent(row->accuracy));
  return cat("Accuracy of the base model on ", task, ", test: ", text, ".");
}

/// By chance, n differences all have the same sign with probability 2/2^n, which is over 5 % for
/// n = 5. An interval drawn from them then excludes 0.
constexpr std::size_t fewest_differences = 6;

/// Where the mean curve is lowest; "" if it is not known or the same in all layers.
std::string lowest_layer(const std::vector<double>& curve, const Zone& zone) {
  if (curve.empty() || !std::isfinite(mean(curve)) || all_same(curve)) return "";
  const auto at = std::min_element(curve.begin(), curve.end());
  const auto layer = at - curve.begin();
  return cat(". The mean divergence from English is lowest in layer ", layer,
             " (D = ", fixed_number(*at, 3), "), ",
             zone.contains(static_cast<int>(layer)) ? "in the zone" : "outside of the zone");
}

/// "" if it was not measured.
std::string divergence_sentence(const std::optional<DivergenceResults>& found) {
  if (!found || !found->zone) return "";
  const DivergenceResults& d = *found;
  const auto [first, last] = *d.zone;
  std::string text = cat("The alignment zone is ",
                         first == last ? cat("layer ", first) : cat("layers ", first, " to ", last),
                         lowest_layer(d.mean, *d.zone));
  if (d.u_shaped)
    text += cat(". Over depth the curve ", *d.u_shaped ? "has" : "does not have",
                " the U shape that was published for large models");
  const GapCorrelations r = d.correlation.value_or(GapCorrelations{});
  const auto pairs = static_cast<std::size_t>(std::max(0, r.points));
  const std::string over = pairs_text(pairs);
  if (std::isfinite(r.zone) || std::isfinite(r.outside))
    text += cat(". Over ", over, " divergence and the gap (accuracy in English minus accuracy in ",
                "the language) correlate with r = ", signed_number(r.zone, 2), " in the zone and ",
                signed_number(r.outside, 2), " outside");
  else
    text += cat(". Divergence and the gap to English have no correlation over ", over,
                pairs < 3 ? ": too few" : ": one of them is the same in all");
  return text + ".";
}

/// The measured differences of a method from SFT.
std::vector<const Difference*> measured(const RunResults& results, const std::string& method) {
  std::vector<const Difference*> all;
  for (const AccuracyRow& row : results.accuracy)
    if (const Difference* difference = row.difference(method)) all.push_back(difference);
  return all;
}

std::size_t differences_of(const std::vector<const Difference*>& pairs) {
  std::size_t differences = 0;
  for (const Difference* pair : pairs) differences += pair->per_seed.size();
  return differences;
}

/// What the interval over all pairs says: 1 above 0, -1 below it, 0 that it holds 0; nothing if
/// there is none or too few differences.
std::optional<int> judged(const RunResults& results, const std::string& method) {
  const Interval interval = find_named(results.overall, method)->difference.interval;
  if (!interval.known() || differences_of(measured(results, method)) < fewest_differences)
    return std::nullopt;
  return interval.low > 0 ? 1 : interval.high < 0 ? -1 : 0;
}

std::string overall_sentence(const RunResults& results, const std::string& method,
                             const MeanInterval& difference) {
  const auto& [value, interval] = difference;
  if (!std::isfinite(value))
    return cat("SFT and ", method_in_words(method), " could not be compared.");
  const std::vector<const Difference*> pairs = measured(results, method);
  const std::size_t differences = differences_of(pairs);
  const std::string over =
      cat(method_in_words(method), " minus SFT, mean over ",
          pairs_text(pairs.size()), ": ");
  if (!interval.known())
    return cat(over, points({value}, 0), " points; ",
               differences == 1
                   ? "one pair and one seed give no interval"
                   : "all pairs and seeds give the same difference, so there is no interval",
               ", and nothing follows from it.");
  const std::initializer_list<double> all = {value, interval.low, interval.high};
  const std::string text =
      cat(over, points(all, 0), " points (95 % interval ", points(all, 1), " to ", points(all, 2));
  const std::optional<int> sign = judged(results, method);
  if (!sign)
    return cat(text, "). ", differences, " differences are too few to tell effect from ",
               "chance.");
  return cat(text, *sign == 0
                       ? "). The interval contains 0: at this scale the difference is within noise."
                   : *sign > 0 ? "). The interval lies above 0: alignment helped here."
                               : "). The interval lies below 0: alignment hurt here.");
}

/// The gain beside the headroom in the form that the loss asks for; "" if one of them is not known.
std::string won_sentence(const RunResults& results, const std::string& method) {
  const auto asked =
      std::find_if(results.headroom.begin(), results.headroom.end(),
                   [&](const HeadroomResults& one) { return one.form == asked_form(method); });
  const std::optional<int> sign = judged(results, method);
  if (asked == results.headroom.end() || !sign) return "";
  const std::string headroom = cat("in the form that its loss asks for, ", asked->form);
  const std::string over =
      cat(" (own minus base ", signed_number(100 * own_minus_base(*asked), 1), " points)");
  switch (held_back(*asked)) {
    case HeldBack::something:
      return cat(" There was headroom ", headroom, over,
                 *sign > 0   ? ", and a gain was found."
                 : *sign < 0 ? ", but alignment hurt."
                             : ", but no gain was found.");
    case HeldBack::nothing:
      return cat(
          " There was no headroom ", headroom,
          *sign > 0 ? ", and yet a gain was found." : ", so there was nothing for it to win.");
    case HeldBack::undecided:
      return cat(" Whether there was headroom ", headroom, ", is undecided.");
  }
  return "";
}

/// How many pairs have an interval of their own, and how many of these exclude 0.
std::string pairs_sentence(const RunResults& results, const std::string& method) {
  std::size_t pairs = 0, known = 0, clear = 0, seeds = 0;
  for (const Difference* pair : measured(results, method)) {
    ++pairs;
    known += pair->interval.known();
    clear += excludes_zero(pair->interval);
    seeds = std::max(seeds, pair->per_seed.size());
  }
  if (pairs == 0) return "";
  const std::string of = pairs_text(pairs);
  if (known == 0)
    return cat(" Of ", of, " none has an interval over seeds: ",
               seeds < 2 ? "there is one seed." : "in each all seeds give the same difference.");
  std::string text =
      cat(" Of ", of, " ", known == pairs ? cat("each") : cat(known),
          known == pairs || known == 1 ? " has" : " have", " an interval over seeds");
  if (known < pairs) text += " (in the others all seeds give the same difference)";
  return cat(text, "; ", clear == 0 ? cat("none") : cat(clear), " of these ",
             clear == 1 || clear == 0 ? "excludes" : "exclude",
             " 0, which by chance alone one in twenty does.");
}

/// How what (the ci share, headroom) and the gain of a method go together.
std::string correlation_sentence(const std::string& what, const std::string& method,
                                 const GainCorrelation& correlation) {
  const auto& [r, interval, points] = correlation;
  const auto count = static_cast<std::size_t>(std::max(0, points));
  const std::string both = cat(what, " and the gain of ", method_in_words(method)),
                    over = pairs_text(count);
  if (!std::isfinite(r))
    return cat(both, " have no correlation over ", over,
               count < 3 ? ": too few." : ": one of them is the same in all.");
  const std::string text = cat(both, " correlate over ", over, " with r = ", signed_number(r, 2));
  if (!interval.known())
    return cat(text, ", without an interval: ",
               count < fewest_points ? "too few." : "no resample differs enough to give one.");
  return cat(text, " (95 % interval ", signed_number(interval.low, 2), " to ",
             signed_number(interval.high, 2),
             excludes_zero(interval) ? ")." : ", which contains 0).");
}

/// What is said of one method: its difference from SFT, and what the gain goes together with.
std::vector<std::string> method_sentences(const RunResults& results, const std::string& method,
                                          const OverallResults& overall) {
  std::vector<std::string> all = {
      cat(overall_sentence(results, method, overall.difference), won_sentence(results, method),
          pairs_sentence(results, method)),
      correlation_sentence("The ci share", method, overall.ci_gain)};
  const std::string form = asked_form(method);
  if (const GainCorrelation* correlation = find_named(overall.headroom_gain, form))
    all.push_back(correlation_sentence(cat("Headroom (form ", form, ")"), method, *correlation));
  return all;
}

}  // namespace

std::string method_label(const std::string& method) {
  static constexpr std::pair<const char*, const char*> labels[] = {
      {"sft", "SFT"},
      {"ramoe", "RA-MoE"},
      {"ramoe-last", "last token (ours)"},
      {"ramoe-last-shuffled", "shuffled control"},
      {"rise", "RISE"},
      {"sara", "SARA"},
      {"steer-soft-base", "soft steering, base"},
      {"steer-hard-base", "hard steering, base"},
      {"steer-soft-sft", "soft steering, SFT"},
      {"steer-hard-sft", "hard steering, SFT"}};
  for (const auto& [name, label] : labels)
    if (method == name) return label;
  return method;
}

std::string method_in_words(const std::string& method) {
  if (method == "base") return "base model";
  if (method == "ramoe-last") return "RA-MoE at the last prompt token (our extension)";
  const std::size_t last = method.rfind('-');
  if (!method.starts_with("steer-") || last < 6) return method_label(method);
  const std::string form = method.substr(6, last - 6), model = method.substr(last + 1);
  return cat("Routing Steering (", form, ") of the ", model == "base" ? model : method_label(model),
             " model");
}

bool method_is_ours(const std::string& method) {
  return method == "ramoe-last";
}

std::string asked_form(const std::string& method) {
  return method == "ramoe-last" ? "last" : "seq";
}

std::vector<std::string> sentences(const RunResults& results) {
  std::vector<std::string> words;
  for (const std::string& task : results.tasks) words.push_back(base_sentence(results, task));
  words.push_back(divergence_sentence(results.divergence));
  for (const HeadroomResults& headroom : results.headroom) words.push_back(headroom.words);
  for (const auto& [method, overall] : results.overall)
    for (const std::string& sentence : method_sentences(results, method, overall))
      words.push_back(sentence);
  std::erase(words, "");
  return words;
}

std::vector<std::string> run_sentences(const RunResults& results) {
  std::vector<std::string> words;
  for (const AccuracyRow& row : results.accuracy) {
    const auto& [method, by_seed] = row.methods.at(0);
    const double after = by_seed.accuracy.at(0), change = after - row.base;
    std::string text =
        cat("On ", row.task, " ", method_label(method), " gets ", percent(after), " of ",
            counted(std::size_t(row.n), "test item", "test items"), " right in ",
            results.name(row.lang), ", the base model ", percent(row.base));
    if (std::isfinite(change))
      text += change == 0 ? ": no change" : cat(": ", points({change}, 0), " points");
    text +=
        row.n_english == 0
            ? std::string(". The base model knows none of these items in English.")
            : cat(". Of the ", row.n_english,
                  " that the base model knows in English: ", percent(by_seed.given_english.at(0)),
                  ", before ", percent(row.base_given_english), ".");
    words.push_back(text);
  }
  if (!words.empty())
    words.push_back(
        "This is one run with one seed: there is no interval, and chance cannot be told from "
        "effect.");
  return words;
}

}  // namespace ramoe
