#include "report/headroom_report.h"

#include <algorithm>
#include <cmath>

#include "report/charts.h"
#include "report/page.h"
#include "report/report_figures.h"

namespace ramoe {
namespace {

std::string name_in(const HeadroomResults& r, const std::string& lang) {
  return name_of(r.language_names, lang);
}

/// The groups of a plot, one for each task; rows_of(cell) gives the rows of a cell.
template <class RowsOf>
std::vector<DotGroup> by_task(const HeadroomResults& r, const RowsOf& rows_of) {
  std::vector<DotGroup> groups;
  for (const HeadroomCell& cell : r.cells) {
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const DotGroup& one) { return one.label == cell.task; });
    if (group == groups.end()) group = groups.insert(group, {cell.task, {}});
    for (const DotRow& row : rows_of(cell)) group->rows.push_back(row);
  }
  return groups;
}

Interval times_100(Interval interval) {
  return {100 * interval.low, 100 * interval.high};
}

/// Right or wrong of n items: the interval of Wilson (1927), which is known for any share.
Interval share_interval(double share, int n) {
  constexpr double z = 1.959964;  // 95 %
  const double centre = (share + z * z / (2 * n)) / (1 + z * z / n);
  const double half =
      z / (1 + z * z / n) * std::sqrt(share * (1 - share) / n + z * z / (4.0 * n * n));
  return {centre - half, centre + half};
}

std::string headroom_figure(const HeadroomResults& r) {
  DotPlot plot;
  plot.text = {"headroom-" + r.form, "Headroom by task and language",
               "Accuracy with the item's own English routing minus that with the control's, with "
               "its 95 % interval.",
               cat("own minus ", control_label(r.control), " (percentage points)")};
  plot.groups = by_task(r, [&](const HeadroomCell& c) {
    return std::vector<DotRow>{{name_in(r, c.lang), 100 * c.headroom, times_100(c.interval()), {}}};
  });
  plot.groups.insert(plot.groups.begin(),
                     {"all cells", {{"mean", 100 * r.headroom, times_100(r.interval()), {}}}});
  return figure_html(
      dot_plot(plot), "intervals to the right of the line: there routing holds a language back.",
      cat(
          "a dot is a mean over items, right or wrong under both routings; the bar is the 95 % "
          "bootstrap over items, of all cells over cells and items. Without a bar all items differ "
          "alike. n: ",
          [&] {
            std::vector<double> n;
            for (const HeadroomCell& c : r.cells) n.push_back(c.n);
            return range_text(n, "pair", "pairs");
          }(),
          " a cell."),
      cat(choice_tag,
          "headroom is not the paper's: the base model answers with the English routing forced; "
          "chapters 7.5 and 7.6."));
}

/// `accuracy`: of a demo, whose SFT is shown too; empty: there is none.
std::string accuracy_figure(const HeadroomResults& r, const std::vector<AccuracyRow>& accuracy) {
  bool has_sft = false;
  DotPlot plot;
  plot.text = {"headroom-accuracy-" + r.form, "Accuracies that headroom is made of",
               "Accuracy of the base model, with the item's own English routing, and with the "
               "control's, each with its 95 % interval.",
               "accuracy, teacher-forced (%)"};
  plot.groups = by_task(r, [&](const HeadroomCell& c) {
    std::vector<DotRow> rows;
    for (const auto& [label, share] : {std::pair{std::string("base"), c.base},
                                       {std::string("own"), c.own},
                                       {control_label(r.control), c.control}})
      rows.push_back({name_in(r, c.lang) + ", " + label,
                      100 * share,
                      times_100(share_interval(share, c.n)),
                      {}});
    for (const AccuracyRow& row : accuracy)
      if (const MethodAccuracy* sft = find_named(row.methods, "sft");
          sft && row.lang == c.lang && row.task == c.task) {
        has_sft = true;
        rows.push_back({name_in(r, c.lang) + ", base, test",
                        100 * row.base,
                        times_100(share_interval(row.base, row.n)),
                        {}});
        rows.push_back({name_in(r, c.lang) + ", SFT, test", 100 * mean(sft->accuracy),
                        unknown_interval(), times(sft->accuracy, 100)});
      }
    return rows;
  });
  return figure_html(
      dot_plot(plot),
      cat("base, own and the control side by side", has_sft ? ", and what training gives." : "."),
      cat("the bars are Wilson's 95 % intervals of each accuracy alone; own and the control are of "
          "the same items, so their difference, above, is better known than either.",
          has_sft ? cat(" SFT is after fine-tuning on the pairs of ", escape_markup(r.split),
                        ", and therefore stands beside the base model on test, with a ring for "
                        "each seed; test has other items, and may be harder.")
                  : std::string()),
      cat(choice_tag, "an item is right if every token of the answer is the largest logit."));
}

std::string numbers_table(const HeadroomResults& r) {
  std::vector<std::vector<std::string>> rows;
  const auto percent = [](double share) { return fixed_number(100 * share, 1); };
  for (const HeadroomCell& c : r.cells)
    rows.push_back({escape_markup(name_in(r, c.lang)), escape_markup(c.task), cat(c.n),
                    percent(c.english), percent(c.base), percent(c.own), percent(c.control),
                    signed_number(100 * c.headroom, 1), interval_text(c.interval(), 100, 1),
                    cat(c.ci), percent(c.rescued_own), percent(c.rescued_control),
                    fixed_number(c.base_divergence, 3), fixed_number(c.own_divergence, 3),
                    percent(c.english_frame), percent(c.target_frame)});
  const std::string control = control_label(r.control);
  return folded("The numbers",
                html_table("Per cent, teacher-forced; D is the divergence from the English routing "
                           "in the forced layers",
                           {"Language", "Task", "n", "English", "base", "own", control, "headroom",
                            "95 % interval", "ci", "ci rescued by own", "by " + control, "D, base",
                            "D, own", "English frame, target names", "target frame, English names"},
                           rows, 2));
}

/// What headroom asks, and how.
std::string question(const HeadroomResults& r) {
  return cat(
      "Whether routing is what holds the target languages back is asked before any fine-tuning: "
      "the base model answers each target item while its prompt is routed as that of the English "
      "twin (own), and once more as that of ",
      r.control == "other"  ? "another English item of the task (OTHER)"
      : r.control == "mean" ? "the mean English item of the task"
                            : "another item in the target language itself (target)",
      ". Only the difference counts.");
}

std::string form_meaning(const std::string& form) {
  return form == "seq"      ? ": the mean routing of the prompt"
         : form == "last"   ? ": the routing of its last token"
         : form == "tokens" ? ": the routing of each token"
                            : "";
}

std::string layers_text(const HeadroomResults& r) {
  std::string text;
  for (const int l : r.forced) text += cat(text.empty() ? "" : ", ", l);
  return text;
}

}  // namespace

std::string headroom_section(const RunResults& results) {
  if (is_one_run(results)) return "";
  std::string html = "<section>\n" + section_heading("Headroom: is routing what is missing");
  if (results.headroom.empty())
    return html + missing_section("headroom", "ramoe headroom") + "</section>\n";
  html += "<p>" + question(results.headroom.front()) + " Ours, not the paper's.</p>\n";
  for (const HeadroomResults& r : results.headroom)
    html += cat("<h3>Form ", escape_markup(r.form), form_meaning(r.form), "</h3>\n<p><b>",
                escape_markup(r.words), "</b> Layers ", layers_text(r), "; pairs of ",
                escape_markup(r.split), ".</p>\n", headroom_figure(r),
                folded("Accuracies: base, own, " + control_label(r.control) + ", SFT",
                       accuracy_figure(r, results.accuracy), &r == &results.headroom.front()),
                numbers_table(r));
  return html + "</section>\n";
}

std::string headroom_report_html(const HeadroomResults& r) {
  const std::string body =
      cat("<p>", question(r),
          " The method that aligns routing is that of "
          "<b>Routing-Aligned Fine-Tuning for Multilingual Downstream Tasks in Mixture-of-Experts "
          "Models</b> (arXiv 2605.28306); this question is ours.</p>\n<p><b>",
          escape_markup(r.words), "</b></p>\n<p>Model ", escape_markup(r.model), "; form ",
          escape_markup(r.form), ", layers ", escape_markup(r.layers), " (", layers_text(r),
          "), control ", escape_markup(r.control), ", pairs of ", escape_markup(r.split), ".</p>\n",
          "<section>\n", section_heading("Headroom"), headroom_figure(r), "</section>\n<section>\n",
          section_heading("Accuracies"), accuracy_figure(r, {}), numbers_table(r), "</section>\n");
  return html_page("Is routing what holds the language back?", body);
}

}  // namespace ramoe
