#include "ch06_languages/mixture.h"

#include <algorithm>

#include "ch01_tensor/philox.h"
#include "support/choices.h"
#include "support/error.h"

namespace ramoe {

/// The random draws of one document.
class Mixture::Draw {
 public:
  Draw(std::uint64_t seed, std::uint64_t i) : random_(seed, i) {}

  std::size_t below(std::size_t n) { return random_.below(static_cast<std::uint32_t>(n)); }
  double uniform() { return random_.uniform(); }
  /// An index with probability proportional to its weight; `skip` is never chosen.
  std::size_t by_weight(const std::vector<double>& weights, std::size_t skip = ~std::size_t{0}) {
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) sum += i == skip ? 0 : weights[i];
    double left = random_.uniform() * sum;
    std::size_t last = 0;  // the last possible index also gets the rest that rounding leaves
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (i == skip || weights[i] <= 0) continue;
      last = i;
      if (left < weights[i]) return i;
      left -= weights[i];
    }
    return last;
  }

 private:
  Random random_;
};

void MixtureConfig::list(FieldList& f) {
  const Allowed share = {.least = 0, .most = 1e6};
  f.add("mixture_seed", &mixture_seed, "seed of the order of pre-training documents");
  f.add("qa_share", &qa_share, "share of questions with answers", share);
  f.add("lexicon_share", &lexicon_share, "share of bilingual lexicon lines", share);
  f.add("names_share", &names_share, "share of plain lists of names", share);
  f.add("sums_share", &sums_share, "share of sums among the questions", share);
  f.add("facts_share", &facts_share, "share of facts among the questions", share);
  f.add("follow_share", &follow_share, "share of follow among the questions", share);
  f.add("english_pairs", &english_pairs, "share of lexicon lines with an English side",
        {.least = 0, .most = 1});
  f.add("longest_names", &longest_names, "longest plain list of names", {.least = 2, .most = 8});
}

Mixture::Mixture(const Corpus& corpus, const MixtureConfig& config)
    : config_(config), seed_(seed_for(config.mixture_seed, "mixture")) {
  check(config.qa_share + config.lexicon_share + config.names_share > 0,
        "qa_share, lexicon_share and names_share are all 0; set one of them above 0.");
  for (const LanguagePack& pack : corpus.packs()) {
    if (pack.code == english) english_ = codes_.size();
    codes_.push_back(pack.code);
    lists_.push_back(pack.list);
    weights_.push_back(corpus.weight(pack.code));
    auto& by_task = qa_.emplace_back();
    for (const Task task : corpus.tasks())
      for (Example& e : corpus.base_examples(pack.code, task))
        by_task[task].push_back({pack.code, DocumentKind::qa, std::move(e.id),
                                 std::move(e.question), std::move(e.answer)});
  }
  tasks_ = corpus.tasks();
  const std::array shares = {config.sums_share, config.facts_share, config.follow_share};
  double all = 0;
  for (const Task task : tasks_) {
    task_shares_.push_back(shares[static_cast<std::size_t>(task)]);
    all += task_shares_.back();
  }
  check(config.qa_share == 0 || all > 0, "qa_share is above 0, but the shares of all tasks of the ",
        "corpus are 0; set sums_share, facts_share or follow_share.");
  for (const Concept kind : every<Concept>()) {
    std::map<std::string, std::vector<std::size_t>> groups;
    for (const std::string& key : corpus.world().keys(kind)) {
      // Lists contain only emoji: a list of the places of one subregion would reveal facts.
      if (kind == Concept::emoji)
        groups[corpus.world().emoji_group.at(key)].push_back(entries_.size());
      Entry& entry = entries_.emplace_back(Entry{name_of(kind) + "/" + key, {}});
      for (const LanguagePack& pack : corpus.packs()) entry.names.push_back(pack.name(kind, key));
    }
    for (auto& [name, members] : groups) {
      group_sizes_.push_back(static_cast<double>(members.size()));
      groups_.push_back(std::move(members));
    }
  }
}

const std::vector<Document>& Mixture::qa_documents(const std::string& lang, Task task) const {
  const auto at = std::find(codes_.begin(), codes_.end(), lang);
  check(at != codes_.end(), "the mixture has no language \"", lang, "\".");
  const auto& by_task = qa_[static_cast<std::size_t>(at - codes_.begin())];
  const auto found = by_task.find(task);
  check(found != by_task.end(), "the mixture has no documents of the task ", name_of(task), ".");
  return found->second;
}

Document Mixture::lexicon(const Entry& entry, std::size_t from, std::size_t to) const {
  return {codes_[to], DocumentKind::lexicon,
          "lexicon/" + entry.id + "/" + codes_[from] + "/" + codes_[to], entry.names[from] + " =",
          entry.names[to]};
}

std::vector<Document> Mixture::lexicon_documents() const {
  std::vector<Document> documents;
  for (const Entry& entry : entries_)
    for (std::size_t from = 0; from < codes_.size(); ++from)
      for (std::size_t to = 0; to < codes_.size(); ++to)
        if (from != to) documents.push_back(lexicon(entry, from, to));
  return documents;
}

Document Mixture::draw_qa(Draw& draw) const {
  const std::size_t lang = draw.by_weight(weights_);
  const Task task = tasks_[draw.by_weight(task_shares_)];
  const std::vector<Document>& documents = qa_[lang].at(task);
  return documents[draw.below(documents.size())];
}

Document Mixture::draw_lexicon(Draw& draw) const {
  const Entry& entry = entries_[draw.below(entries_.size())];
  std::size_t from = english_;
  const bool with_english = codes_.size() < 3 || draw.uniform() < config_.english_pairs;
  if (!with_english) from = draw.by_weight(weights_, english_);
  // The other side is always a target.
  std::vector<double> weights = weights_;
  weights[english_] = 0;
  std::size_t to = draw.by_weight(weights, from);
  if (draw.uniform() < 0.5) std::swap(from, to);
  return lexicon(entry, from, to);
}

Document Mixture::draw_names(Draw& draw) const {
  const std::size_t lang = draw.by_weight(weights_);
  const std::vector<std::size_t>& group = groups_[draw.by_weight(group_sizes_)];
  const std::size_t most = std::min(group.size(), static_cast<std::size_t>(config_.longest_names));
  const std::size_t length = most < 2 ? most : 2 + draw.below(most - 1);
  std::vector<std::size_t> chosen;
  while (chosen.size() < length) {
    const std::size_t entry = group[draw.below(group.size())];
    add_once(chosen, entry);
  }
  Document document{codes_[lang], DocumentKind::names, "names", "", ""};
  std::vector<std::string> names;
  for (const std::size_t entry : chosen) {
    document.id += "/" + entries_[entry].id;
    names.push_back(entries_[entry].names[lang]);
  }
  document.answer = lists_[lang].join(names);
  return document;
}

Document Mixture::document(std::uint64_t i) const {
  Draw draw(seed_, i);
  const double lexicon = codes_.size() < 2 ? 0 : config_.lexicon_share;
  switch (draw.by_weight({config_.qa_share, lexicon, config_.names_share})) {
    case 0:
      return draw_qa(draw);
    case 1:
      return draw_lexicon(draw);
    default:
      return draw_names(draw);
  }
}

}  // namespace ramoe
