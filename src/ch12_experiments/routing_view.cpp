// The routing view of the report: tables of tokens and the experts that they visit. Tables and
// styles alone, so it works without a script, with a keyboard and read aloud.
#include <algorithm>
#include <cmath>

#include "ch12_experiments/report_figures.h"
#include "ch12_experiments/svg.h"
#include "support/error.h"

namespace ramoe {
namespace {

constexpr int kColours = 8;  // experts beyond take the same colours again; the number tells

/// The expert's number on its colour; a task expert of the layer is framed.
std::string chip(int expert, const std::vector<int>& task_experts) {
  const bool task =
      std::find(task_experts.begin(), task_experts.end(), expert) != task_experts.end();
  return cat("<span class=\"e e", expert % kColours, task ? " s" : "", "\">", expert, "</span>");
}

bool same_experts(std::vector<int> a, std::vector<int> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

/// Layers down, tokens across. Cells whose experts are not those of `before` are marked.
std::string visits_table(const std::string& caption, const RoutingResults& routing,
                         const PassageResults& passage, const PassageResults* before) {
  std::string html = cat("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"",
                         caption, "\">\n<table class=\"visits\">\n<caption><span>", caption,
                         "</span></caption>\n<thead><tr><th scope=\"col\">Layer</th>");
  for (const std::string& token : passage.tokens)
    html += "<th scope=\"col\"><bdi>" + escape_markup(token) + "</bdi></th>";
  html += "</tr></thead>\n<tbody>\n";
  for (std::size_t l = 0; l < passage.chosen.size(); ++l) {
    const bool zone = int(l) >= routing.first && int(l) <= routing.last;
    html += cat("<tr", zone ? " class=\"zone\"" : "", "><th scope=\"row\">", l, zone ? " zone" : "",
                "</th>");
    for (std::size_t t = 0; t < passage.tokens.size(); ++t) {
      const std::vector<int>& experts = passage.chosen[l][t];
      const bool moved = before && !same_experts(experts, before->chosen[l][t]);
      html += moved ? "<td class=\"moved\">" : "<td>";
      for (const int expert : experts) html += chip(expert, routing.task_experts[l]);
      html += moved ? "<span class=\"mark\" title=\"changed\">*</span></td>" : "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table>\n</div>\n";
}

std::string signed_change(double value) {
  const std::string text = fixed_number(value, 3);
  return value > 0 && text != "0.000" ? "+" + text : text;
}

std::string layers_table(const RoutingResults& r) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t l = 0; l < r.task_experts.size(); ++l) {
    const bool zone = int(l) >= r.first && int(l) <= r.last;
    std::string experts = "<span class=\"chips\">";
    for (const int e : r.task_experts[l]) experts += chip(e, r.task_experts[l]);
    experts += "</span>";
    rows.push_back({cat(l, zone ? " zone" : ""), experts, fixed_number(r.before.divergence[l], 3),
                    fixed_number(r.after.divergence[l], 3),
                    signed_change(r.after.divergence[l] - r.before.divergence[l]),
                    fixed_number(r.english.mass[l], 3), fixed_number(r.before.mass[l], 3),
                    fixed_number(r.after.mass[l], 3)});
  }
  return html_table(
      "By layer: divergence of this pair from the English side, and the share of the routing that "
      "goes to the task experts",
      {"Layer", "Task experts", "Divergence before", "after", "change",
       "Task experts' mass, English", "before", "after"},
      rows, 2);
}

/// A question with what was wanted and answered.
std::string words_table(const RoutingResults& r, const std::string& language) {
  const auto text = [](const std::string& words) {
    return "<bdi>" + escape_markup(words) + "</bdi>";
  };
  const std::string tuned = escape_markup(method_label(r.method));
  return html_table("The pair, and what the models answer",
                    {"", "English", escape_markup(language)},
                    {{"Question", text(r.english.question), text(r.before.question)},
                     {"Wanted", text(r.english.answer), text(r.before.answer)},
                     {"Base model", text(r.english.output), text(r.before.output)},
                     {"After " + tuned, "", text(r.after.output)}},
                    3);
}

}  // namespace

std::string routing_style() {
  return R"(
.visits th, .visits td { padding: 0.15rem 0.3rem; white-space: nowrap; text-align: center; }
.visits th[scope="row"] { position: sticky; left: 0; background: #fff; }
.visits tr.zone th, .visits tr.zone td { background: #eef4fb; }
.e { display: inline-block; min-width: 1.35em; padding: 0 0.2em; margin: 0 1px; text-align: center;
  border: 2px solid transparent; border-radius: 0.25rem; color: #222; }
.e.s { border-color: #222; font-weight: 700; }
.chips { white-space: nowrap; }
.mark { color: #8a1c00; font-weight: 700; }
.e0 { background: #cfe3f7; } .e1 { background: #ffddb0; } .e2 { background: #cdeccb; }
.e3 { background: #f9d0e0; } .e4 { background: #e0d6f6; } .e5 { background: #fff1a0; }
.e6 { background: #c8ecec; } .e7 { background: #dddddd; }
)";
}

std::string routing_section(const Results& results) {
  if (results.routing.empty()) return "";
  std::string html =
      "<section>\n<h2>Routing of one pair</h2>\n<p>Each cell names the experts that a token visits "
      "in a layer, the likeliest first. A frame marks a task expert of the layer, * a cell whose "
      "experts differ from those before fine-tuning. The English side goes through the frozen base "
      "model. The pair is the first of the test split that the base model answers in English but "
      "not in the language; one pair illustrates and proves nothing.</p>\n";
  for (const RoutingResults& r : results.routing) {
    const std::string language = results.name(r.lang);
    const std::string name = escape_markup(language);
    html += folded(language + ", " + r.task,
                   words_table(r, language) + layers_table(r) +
                       visits_table("English, base model", r, r.english, nullptr) +
                       visits_table(name + ", base model", r, r.before, nullptr) +
                       visits_table(name + ", after " + escape_markup(method_label(r.method)), r,
                                    r.after, &r.before),
                   &r == &results.routing.front());
  }
  return html + "</section>\n";
}

}  // namespace ramoe
