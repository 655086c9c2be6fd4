#include "report/report_input.h"

#include <cmath>
#include <limits>

#include "report/svg.h"
#include "support/error.h"

namespace ramoe {
namespace {

const Json null_json;

/// 12345678 as 12,345,678; numbers of up to four digits stay.
std::string grouped(std::string digits) {
  const std::size_t sign = digits[0] == '-' ? 1 : 0;
  if (digits.size() - sign <= 4) return digits;
  for (std::size_t i = digits.size(); i > sign + 3;) digits.insert(i -= 3, ",");
  return digits;
}

/// A value of the results and the path to it.
class Node {
 public:
  Node(const Json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  bool there() const { return !value_->is_null(); }
  bool empty() const { return !there() || (value_->is_structured() && value_->empty()); }

  [[noreturn]] void wrong(const std::string& wanted) const {
    fail("results: ", path_.empty() ? "the whole" : path_, ": given ",
         there() ? excerpt(*value_) : "nothing", ", expected ", wanted,
         ". Make the results again with ramoe demo, or mend this key.");
  }

  /// The value of a key; a null node if it is not there.
  Node at(const std::string& key) const {
    if (!value_->is_object()) wrong("an object with the key \"" + key + "\"");
    const auto found = value_->find(key);
    return {found == value_->end() ? null_json : *found, path_.empty() ? key : path_ + "." + key};
  }
  std::vector<Node> list() const {
    if (!there()) return {};
    if (!value_->is_array()) wrong("a list");
    std::vector<Node> nodes;
    for (std::size_t i = 0; i < value_->size(); ++i)
      nodes.push_back({(*value_)[i], cat(path_, "[", i, "]")});
    return nodes;
  }
  std::vector<std::pair<std::string, Node>> members() const {
    if (!there()) return {};
    if (!value_->is_object()) wrong("an object");
    std::vector<std::pair<std::string, Node>> nodes;
    for (const auto& [key, value] : value_->items()) nodes.push_back({key, at(key)});
    return nodes;
  }
  std::string text() const {
    if (!value_->is_string()) wrong("text");
    return value_->get<std::string>();
  }
  /// NaN for null.
  double number() const {
    if (!there()) return std::numeric_limits<double>::quiet_NaN();
    if (!value_->is_number()) wrong("a number or null");
    return value_->get<double>();
  }
  int whole() const {
    if (!value_->is_number_integer()) wrong("a whole number");
    const double number = value_->get<double>();
    if (std::abs(number) > 1e9) wrong("a whole number below 1e9");
    return static_cast<int>(number);
  }
  std::vector<double> numbers() const {
    std::vector<double> all;
    for (const Node& node : list()) all.push_back(node.number());
    return all;
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const Node& node : list()) all.push_back(node.text());
    return all;
  }
  std::optional<bool> flag() const {
    if (!there()) return std::nullopt;
    if (!value_->is_boolean()) wrong("true or false");
    return value_->get<bool>();
  }
  /// Any scalar as a reader would write it; lists and objects as JSON.
  std::string shown() const {
    if (value_->is_number_integer()) return grouped(value_->dump());
    if (value_->is_number_float()) return short_number(value_->get<double>(), 4);
    return value_->is_string() ? value_->get<std::string>()
                               : value_->dump(-1, ' ', false, Json::error_handler_t::replace);
  }

 private:
  const Json* value_;
  std::string path_;
};

Facts facts_of(const Node& node, const std::string& without = "") {
  Facts facts;
  for (const auto& [key, value] : node.members())
    if (value.there() && key != without) facts.push_back({key, value.shown()});
  return facts;
}

std::vector<double> numbers_of_size(const Node& node, std::size_t size, const char* what) {
  std::vector<double> numbers = node.numbers();
  if (numbers.size() != size) node.wrong(cat("a list of ", size, " numbers, one per ", what));
  return numbers;
}

std::vector<std::pair<std::string, std::vector<double>>> curves_of(const Node& node,
                                                                   std::size_t layers) {
  std::vector<std::pair<std::string, std::vector<double>>> curves;
  for (const auto& [lang, values] : node.members())
    curves.push_back({lang, numbers_of_size(values, layers, "layer as in divergence.mean")});
  return curves;
}

void read_zone(const Node& zone, std::size_t layers, int& first, int& last) {
  first = zone.at("first").whole();
  last = zone.at("last").whole();
  if (first < 0 || last < first || last >= int(layers))
    zone.wrong(cat("first <= last within layers 0 to ", layers - 1));
}

/// Expert numbers from 0 to E-1.
std::vector<int> experts_in(const Node& node, int E) {
  std::vector<int> experts;
  for (const Node& expert : node.list()) {
    experts.push_back(expert.whole());
    if (experts.back() < 0 || experts.back() >= E) expert.wrong(cat("an expert from 0 to ", E - 1));
  }
  return experts;
}

DivergenceResults divergence_of(const Node& node) {
  DivergenceResults result;
  result.mean = node.at("mean").numbers();
  if (result.mean.empty()) node.at("mean").wrong("a list of numbers, one per layer");
  const std::size_t layers = result.mean.size();
  result.by_language = curves_of(node.at("by_language"), layers);
  for (const auto& [task, curves] : node.at("by_task").members())
    result.by_task.push_back({task, curves_of(curves, layers)});
  if (node.at("zone").there()) read_zone(node.at("zone"), layers, result.first, result.last);
  for (const auto& [lang, texts] : node.at("texts").members())
    result.texts.push_back(texts.number());
  result.rule = node.at("zone_rule").there() ? node.at("zone_rule").text() : "";
  result.u_shaped = node.at("u_shaped").flag();
  const Node empty(null_json, "");
  const Node r = node.at("correlation");
  result.r_zone = (r.there() ? r.at("zone") : empty).number();
  result.r_outside = (r.there() ? r.at("outside") : empty).number();
  result.r_points = (r.there() ? r.at("points") : empty).number();
  return result;
}

TaxonomyResults taxonomy_of(const Node& node) {
  TaxonomyResults result{node.at("lang").text(), node.at("task").text(), {}};
  for (const char* type : {"cc", "ci", "ic", "ii"}) {
    const int count = node.at(type).whole();
    if (count < 0) node.at(type).wrong("a count of at least 0");
    result.counts.push_back(count);
  }
  return result;
}

ExpertResults experts_of(const Node& node) {
  ExpertResults result;
  result.task = node.at("task").text();
  result.rule = node.at("rule").there() ? node.at("rule").text() : "";
  result.tau = node.at("tau").number();
  result.prompts = node.at("prompts").number();
  const std::vector<Node> rows = node.at("score").list();
  if (rows.empty()) node.at("score").wrong("a list of layers, each a list of E scores");
  const std::size_t E = rows[0].numbers().size();
  if (E == 0) rows[0].wrong("a list of E scores");
  for (const Node& row : rows) result.score.push_back(numbers_of_size(row, E, "expert"));
  const std::vector<Node> sets = node.at("experts").list();
  if (sets.size() != rows.size())
    node.at("experts").wrong(cat("a list of ", rows.size(), " lists, one per layer"));
  for (const Node& set : sets) result.experts.push_back(experts_in(set, int(E)));
  return result;
}

/// steps with loss and, where the run had it, the alignment loss.
void read_curve(const Node& node, CurveResults& curve) {
  curve.steps = node.at("steps").numbers();
  curve.loss = numbers_of_size(node.at("loss"), curve.steps.size(), "step");
  if (!node.at("alignment").empty())
    curve.alignment = numbers_of_size(node.at("alignment"), curve.steps.size(), "step");
}

CurveResults finetune_of(const Node& node) {
  CurveResults curve;
  curve.lang = node.at("lang").text();
  curve.method = node.at("method").text();
  curve.seed = node.at("seed").whole();
  read_curve(node, curve);
  return curve;
}

DifferenceResults difference_of(const Node& node) {
  if (!node.there()) return {node.number(), unknown_interval(), {}};
  return {node.at("mean").number(),
          {node.at("low").number(), node.at("high").number()},
          node.at("per_seed").numbers()};
}

AccuracyResults accuracy_of(const Node& node) {
  AccuracyResults result;
  result.lang = node.at("lang").text();
  result.task = node.at("task").text();
  result.n = node.at("n").number();
  result.n_english = node.at("n_english_correct").number();
  result.base = node.at("base").number();
  result.base_given_english = node.at("base_given_english").number();
  result.ci_share = node.at("ci_share").number();
  for (const auto& [name, method] : node.at("methods").members())
    result.methods.push_back(
        {name, method.at("accuracy").numbers(), method.at("given_english").numbers()});
  result.difference = difference_of(node.at("difference"));
  return result;
}

/// What the tokens of `passage` do: chosen (L,T,K) and mass (L).
void read_visits(const Node& node, int E, std::size_t layers, PassageResults& passage) {
  passage.output = node.at("output").text();
  passage.correct = node.at("correct").flag();
  passage.mass = numbers_of_size(node.at("mass"), layers, "layer");
  const std::vector<Node> rows = node.at("chosen").list();
  if (rows.size() != layers) node.at("chosen").wrong(cat("a list of ", layers, " layers"));
  for (const Node& row : rows) {
    passage.chosen.emplace_back();
    for (const Node& token : row.list()) passage.chosen.back().push_back(experts_in(token, E));
    if (passage.chosen.back().size() != passage.tokens.size())
      row.wrong(cat("a list of experts for each of ", passage.tokens.size(), " tokens"));
  }
}

RoutingResults routing_of(const Node& node) {
  RoutingResults result;
  result.lang = node.at("lang").text();
  result.task = node.at("task").text();
  result.method = node.at("method").text();
  result.id = node.at("id").text();
  result.experts = node.at("experts").whole();
  const std::vector<Node> sets = node.at("task_experts").list();
  if (sets.empty()) node.at("task_experts").wrong("a list of layers, each a list of experts");
  for (const Node& set : sets) result.task_experts.push_back(experts_in(set, result.experts));
  const std::size_t layers = sets.size();
  read_zone(node.at("zone"), layers, result.first, result.last);
  const auto read_text = [](const Node& side, PassageResults& passage) {
    passage.question = side.at("question").text();
    passage.answer = side.at("answer").text();
    passage.tokens = side.at("tokens").texts();
  };
  read_text(node.at("english"), result.english);
  read_visits(node.at("english"), result.experts, layers, result.english);
  for (const auto& [key, passage] :
       {std::pair{"before", &result.before}, {"after", &result.after}}) {
    read_text(node.at("target"), *passage);
    read_visits(node.at(key), result.experts, layers, *passage);
    passage->divergence = numbers_of_size(node.at(key).at("divergence"), layers, "layer");
  }
  return result;
}

template <class Entry>
std::vector<Entry> entries(const Node& node, Entry (*read)(const Node&)) {
  std::vector<Entry> all;
  for (const Node& entry : node.list()) all.push_back(read(entry));
  return all;
}

OverallResults overall_of(const Node& node) {
  OverallResults overall{difference_of(node.at("difference")), 0, unknown_interval(), 0};
  const Node r = node.at("ci_gain_correlation");
  const Node none(null_json, "");
  overall.r = (r.there() ? r.at("r") : none).number();
  overall.r_points = (r.there() ? r.at("points") : none).number();
  if (r.there()) overall.r_interval = {r.at("low").number(), r.at("high").number()};
  return overall;
}

void read_base(const Node& list, Results& results) {
  for (const Node& node : list.list()) {
    const std::string lang = node.at("lang").text(), task = node.at("task").text();
    const double accuracy = node.at("accuracy").number();
    if (lang == "en") results.base_english.push_back({task, accuracy});
  }
}

}  // namespace

const MethodAccuracy* AccuracyResults::method(const std::string& name) const {
  for (const MethodAccuracy& one : methods)
    if (one.name == name) return &one;
  return nullptr;
}

std::string Results::name(const std::string& lang) const {
  const auto found = language_names.find(lang);
  return found == language_names.end() || found->second.empty() ? lang : found->second;
}

Results parse_results(const Json& json) {
  const Node root(json, "");
  Results results;
  results.title = root.at("title").there() ? root.at("title").text() : "RA-MoE in small";
  results.model = facts_of(root.at("model"));
  results.languages = root.at("languages").texts();
  for (const auto& [lang, name] : root.at("language_names").members())
    results.language_names[lang] = name.text();
  results.tasks = root.at("tasks").texts();
  results.seeds = root.at("seeds").numbers();
  for (const auto& [lang, share] : root.at("web_share").members())
    results.web_share[lang] = share.number();
  read_base(root.at("base_accuracy"), results);
  if (root.at("pretrain").there()) read_curve(root.at("pretrain"), results.pretrain);
  if (!root.at("divergence").empty()) results.divergence = divergence_of(root.at("divergence"));
  results.taxonomy = entries(root.at("taxonomy"), taxonomy_of);
  results.experts = entries(root.at("experts"), experts_of);
  results.finetune = entries(root.at("finetune"), finetune_of);
  results.accuracy = entries(root.at("accuracy"), accuracy_of);
  results.routing = entries(root.at("routing"), routing_of);
  if (!root.at("overall").empty()) results.overall = overall_of(root.at("overall"));
  results.words = root.at("words").texts();
  results.run = facts_of(root.at("run"), "build");
  if (root.at("run").there()) results.build = facts_of(root.at("run").at("build"));
  return results;
}

}  // namespace ramoe
