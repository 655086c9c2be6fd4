#include "ch12_experiments/run_results.h"

namespace ramoe {

// ---- The keys of each struct, for reading and for writing ---------------------------------------

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, Zone>& z) {
  keys("first", z.first, "last", z.last);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, Score>& s) {
  keys.maybe("lang", s.lang);
  keys("task", s.task);
  keys.maybe("n", s.n);
  keys.maybe("n_english_correct", s.n_english);
  keys("accuracy", s.accuracy, "given_english", s.given_english, "verified", s.verified);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, LanguageGap>& g) {
  keys("lang", g.lang, "task", g.task, "gap", g.gap);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, GapCorrelations>& c) {
  keys("zone", c.zone, "outside", c.outside);
  keys.maybe("points", c.points);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, DivergenceResults>& d) {
  keys("by_language", d.by_language, "mean", d.mean, "texts", d.texts, "by_task", d.by_task, "gaps",
       d.gaps, "zone", d.zone);
  keys.maybe("zone_rule", d.zone_rule);
  keys("u_shaped", d.u_shaped, "correlation", d.correlation);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, TaxonomyRow>& t) {
  keys("lang", t.lang, "task", t.task, "cc", t.cc, "ci", t.ci, "ic", t.ic, "ii", t.ii, "rho_ci",
       t.rho_ci);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, ExpertResults>& e) {
  keys("task", e.task, "score", e.score, "experts", e.experts);
  keys.maybe("rule", e.rule);
  keys("tau", e.tau, "prompts", e.prompts);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, LossCurve>& c) {
  keys("steps", c.steps, "loss", c.loss);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, FinetuneCurve>& c) {
  keys("lang", c.lang, "method", c.method, "seed", c.seed, "steps", c.steps, "loss", c.loss,
       "alignment", c.alignment);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, RunScores>& s) {
  keys("language", s.language, "method", s.method, "seed", s.seed, "test", s.test);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, MethodAccuracy>& m) {
  keys("accuracy", m.accuracy, "given_english", m.given_english, "difference", m.difference);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, MeanInterval>& m) {
  keys("mean", m.mean, "low", m.interval.low, "high", m.interval.high);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, Difference>& d) {
  keys("mean", d.mean, "low", d.interval.low, "high", d.interval.high, "per_seed", d.per_seed);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, AccuracyRow>& a) {
  keys("lang", a.lang, "task", a.task);
  keys.maybe("n", a.n);
  keys.maybe("n_english_correct", a.n_english);
  keys("base", a.base, "base_given_english", a.base_given_english, "methods", a.methods, "ci_share",
       a.ci_share);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, GainCorrelation>& c) {
  keys("r", c.r, "low", c.interval.low, "high", c.interval.high);
  keys.maybe("points", c.points);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, OverallResults>& o) {
  keys("difference", o.difference, "ci_gain_correlation", o.ci_gain, "headroom_gain_correlation",
       o.headroom_gain);
}

/// `before` holds the texts of the target language; those of `after` are the same.
template <class Keys>
static void list(Keys& keys, KeysOf<Keys, RoutingTrace>& r) {
  keys("lang", r.lang, "task", r.task, "method", r.method, "id", r.id, "experts", r.experts, "zone",
       r.zone, "task_experts", r.task_experts);
  const auto texts = [](auto& side, auto& passage) {
    side("question", passage.question, "answer", passage.answer);
  };
  const auto answered = [](auto& side, auto& passage) {
    side("output", passage.output, "correct", passage.correct);
  };
  const auto visits = [](auto& side, auto& passage) {
    side("chosen", passage.chosen, "mass", passage.mass);
  };
  keys.object("english", [&](auto&& side) {
    texts(side, r.english);
    answered(side, r.english);
    side("tokens", r.english.tokens);
    visits(side, r.english);
  });
  keys.object("target", [&](auto&& side) {
    texts(side, r.before);
    side("tokens", r.before.tokens);
  });
  for (auto* passage : {&r.before, &r.after})
    keys.object(passage == &r.before ? "before" : "after", [&](auto&& side) {
      answered(side, *passage);
      visits(side, *passage);
      side("divergence", passage->divergence);
    });
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, GridRouting>& g) {
  keys("of", g.of, "traces", g.traces, "language_names", g.language_names);
}

template <class Keys>
static void list(Keys& keys, KeysOf<Keys, RunResults>& r) {
  keys.maybe("title", r.title);
  keys("model", r.model, "language_names", r.language_names, "web_share", r.web_share, "languages",
       r.languages, "tasks", r.tasks, "seeds", r.seeds, "base_accuracy", r.base_accuracy,
       "pretrain", r.pretrain, "divergence", r.divergence, "headroom", r.headroom, "taxonomy",
       r.taxonomy, "experts", r.experts, "finetune", r.finetune, "routing", r.routing, "accuracy",
       r.accuracy, "overall", r.overall, "words", r.words, "run", r.run);
}

// ---- What must fit together ---------------------------------------------------------------------

namespace {

struct Checker {
  const std::string& file;

  template <class... Parts>
  void operator()(bool good, const std::string& path, const Parts&... expected) const {
    check(good, file, ": ", path, ": expected ", expected...,
          ". Make the file again, or mend this key.");
  }
  template <class T>
  void size(const std::vector<T>& all, std::size_t n, const std::string& path,
            const char* of) const {
    (*this)(all.size() == n, path, "a list of ", n, ", one per ", of);
  }
  void zone(const Zone& z, std::size_t layers, const std::string& path) const {
    (*this)(0 <= z.first && z.first <= z.last && z.last < static_cast<int>(layers), path,
            "first <= last within layers 0 to ", layers - 1);
  }
  void experts(const std::vector<int>& all, int E, const std::string& path) const {
    for (const int e : all) (*this)(0 <= e && e < E, path, "an expert from 0 to ", E - 1);
  }
};

void check_parts(const Checker& check, const DivergenceResults& d, const std::string& path) {
  const std::size_t L = d.mean.size();
  check(L > 0, path + ".mean", "a list of numbers, one per layer");
  const auto curves = [&](const CurvesByLanguage& all, const std::string& below) {
    for (const auto& [lang, curve] : all)
      check.size(curve, L, cat(below, ".", lang), "layer as in divergence.mean");
  };
  curves(d.by_language, path + ".by_language");
  for (const auto& [task, all] : d.by_task) curves(all, cat(path, ".by_task.", task));
  if (d.zone) check.zone(*d.zone, L, path + ".zone");
}

void check_parts(const Checker& check, const HeadroomResults& h, const std::string& path) {
  check(!h.cells.empty(), path + ".cells", "a list of tasks and languages");
}

void check_parts(const Checker& check, const ExpertResults& e, const std::string& path) {
  check(!e.score.empty() && !e.score[0].empty(), path + ".score",
        "a list of layers, each a list of E scores");
  const std::size_t E = e.score[0].size();
  for (std::size_t l = 0; l < e.score.size(); ++l)
    check.size(e.score[l], E, cat(path, ".score[", l, "]"), "expert");
  check.size(e.experts, e.score.size(), path + ".experts", "layer");
  for (const auto& layer : e.experts) check.experts(layer, int(E), path + ".experts");
}

void check_parts(const Checker& check, const RoutingTrace& r, const std::string& path) {
  const std::size_t L = r.task_experts.size();
  check(L > 0, path + ".task_experts", "a list of layers, each a list of experts");
  for (const auto& layer : r.task_experts) check.experts(layer, r.experts, path + ".task_experts");
  check.zone(r.zone, L, path + ".zone");
  for (const auto& [key, passage] :
       {std::pair{".english", &r.english}, {".before", &r.before}, {".after", &r.after}}) {
    check.size(passage->mass, L, path + key + ".mass", "layer");
    if (passage != &r.english) check.size(passage->divergence, L, path + key, "layer");
    check.size(passage->chosen, L, path + key + ".chosen", "layer");
    for (const auto& layer : passage->chosen) {
      check.size(layer, passage->tokens.size(), path + key + ".chosen", "token");
      for (const auto& token : layer) check.experts(token, r.experts, path + key + ".chosen");
    }
  }
}

void check_parts(const Checker& check, const FinetuneCurve& c, const std::string& path) {
  check.size(c.loss, c.steps.size(), path + ".loss", "step");
  if (!c.alignment.empty()) check.size(c.alignment, c.steps.size(), path + ".alignment", "step");
}

void check_parts(const Checker& check, const TaxonomyRow& t, const std::string& path) {
  for (const auto& [key, count] :
       {std::pair{".cc", t.cc}, {".ci", t.ci}, {".ic", t.ic}, {".ii", t.ii}})
    check(count >= 0, path + key, "a count of at least 0");
}

template <class Part>
void check_parts(const Checker& check, const std::vector<Part>& all, const std::string& path) {
  for (std::size_t i = 0; i < all.size(); ++i) check_parts(check, all[i], cat(path, "[", i, "]"));
}

void check_parts(const Checker& check, const RunResults& r, const std::string&) {
  for (const auto& [key, facts] : {std::pair{"model", &r.model}, {"run", &r.run}})
    check(facts->is_null() || facts->is_object(), key, "an object");
  if (r.divergence) check_parts(check, *r.divergence, "divergence");
  check.size(r.pretrain.loss, r.pretrain.steps.size(), "pretrain.loss", "step");
  check_parts(check, r.headroom, "headroom");
  check_parts(check, r.taxonomy, "taxonomy");
  check_parts(check, r.experts, "experts");
  check_parts(check, r.finetune, "finetune");
  check_parts(check, r.routing, "routing");
}

void check_parts(const Checker&, const RunScores&, const std::string&) {}
void check_parts(const Checker& check, const GridRouting& g, const std::string&) {
  check_parts(check, g.traces, "traces");
}

/// Copies the texts of `before` to `after`; the file holds them once.
void share_texts(std::vector<RoutingTrace>& traces) {
  for (RoutingTrace& r : traces) {
    r.after.question = r.before.question;
    r.after.answer = r.before.answer;
    r.after.tokens = r.before.tokens;
  }
}

}  // namespace

template <class Results>
Results results_from(const Json& json, const std::string& file) {
  Results results;
  JsonKeyReader(json, file).read(results);
  if constexpr (requires { results.routing; }) share_texts(results.routing);
  if constexpr (requires { results.traces; }) share_texts(results.traces);
  check_parts(Checker{file}, results, "");
  return results;
}

template RunResults results_from(const Json&, const std::string&);
template GridRouting results_from(const Json&, const std::string&);
template RunScores results_from(const Json&, const std::string&);
template DivergenceResults results_from(const Json&, const std::string&);
template std::vector<TaxonomyRow> results_from(const Json&, const std::string&);
template std::vector<ExpertResults> results_from(const Json&, const std::string&);

template <class Results>
Json to_json(const Results& results) {
  return JsonKeyWriter::written(results);
}

template Json to_json(const RunResults&);
template Json to_json(const GridRouting&);
template Json to_json(const DivergenceResults&);
template Json to_json(const std::vector<TaxonomyRow>&);
template Json to_json(const std::vector<ExpertResults>&);
template Json to_json(const Score&);

const Difference* AccuracyRow::difference(const std::string& method) const {
  const MethodAccuracy* found = find_named(methods, method);
  const bool measured = found && found->difference && std::isfinite(found->difference->mean);
  return measured ? &*found->difference : nullptr;
}

std::string RunResults::name(const std::string& lang) const {
  return name_of(language_names, lang);
}

std::string name_of(const Named<std::string>& language_names, const std::string& lang) {
  const std::string* name = find_named(language_names, lang);
  return name && !name->empty() ? *name : lang;
}

}  // namespace ramoe
