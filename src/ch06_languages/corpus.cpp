#include "ch06_languages/corpus.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "ch01_tensor/philox.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"

namespace ramoe {
namespace {

std::size_t rounded(double share, std::size_t n) {
  return static_cast<std::size_t>(std::lround(share * static_cast<double>(n)));
}

void check_shares(const CorpusConfig& c) {
  const double sum = c.adapt_share + c.valid_share + c.test_share;
  check(sum <= 0.95, "adapt_share + valid_share + test_share = ", sum,
        " leaves too little for pre-training; let them sum to at most 0.95.");
}

}  // namespace

std::uint64_t seed_for(std::uint64_t seed, const std::string& purpose) {
  return std::stoull(ramoe::checksum(cat(purpose, "/", seed)), nullptr, 16);
}

void CorpusConfig::list(FieldList& f) {
  f.add("data", &data, "folder with world.json and languages/");
  f.add("languages", &languages, "codes or names of the packs; English must be one");
  f.also("languages", {"language", "lang", "on"});
  f.add("tasks", &tasks, "tasks of the corpus", {.choices = names_of<Task>()});
  f.add("answers", &form.answers,
        "native: in the language of the question; neutral: the same in all, sums in digits and "
        "facts as codes");
  f.add("numbers", &form.numbers, "how questions write numbers");
  f.add("data_seed", &data_seed, "seed of the splits and of the follow items");
  f.add("mixture_exponent", &mixture_exponent,
        "weight of a language = (web share / English share) ^ this; 0 equal, 1 raw",
        {.least = 0, .most = 2});
  f.add("max_sum", &max_sum, "largest number in sums", {.least = 6, .most = largest_number});
  f.add("longest_list", &longest_list, "longest list in follow", {.least = 2, .most = 4});
  f.add("adapt_share", &adapt_share, "share of sums and facts for training in stages 1 to 3",
        {.least = 0, .most = 0.9});
  f.add("valid_share", &valid_share, "share of sums and facts for validation in stages 1 to 3",
        {.least = 0, .most = 0.9});
  f.add("test_share", &test_share, "share of sums and facts for the test",
        {.least = 0, .most = 0.9});
  f.add("follow_base", &follow_base, "follow items for pre-training", {.least = 1, .most = 1e5});
  f.add("follow_adapt", &follow_adapt, "follow items for training in stages 1 to 3",
        {.least = 1, .most = 1e5});
  f.add("follow_valid", &follow_valid, "follow items for validation in stages 1 to 3",
        {.least = 1, .most = 1e5});
  f.add("follow_test", &follow_test, "follow items for the test", {.least = 1, .most = 1e5});
  f.add("rare_share", &rare_share, "share of all items that nobody sees in pre-training",
        {.least = 0, .most = 0.5});
  f.add("english_sees_local", &english_sees_local,
        "probability that English sees a fact local to a target language", {.least = 0, .most = 1});
  f.add("local_test_to_adapt", &local_test_to_adapt,
        "a test fact local to a language joins that language's adapt_train");
}

Corpus::Corpus(std::vector<LanguagePack> packs, World world, CorpusConfig config)
    : packs_(std::move(packs)), world_(std::move(world)), config_(std::move(config)) {
  std::set<std::string> codes;
  for (const LanguagePack& pack : packs_) {
    check(codes.insert(pack.code).second, "the language ", pack.code, " is given twice.");
    check_names(pack, world_);
  }
  check(codes.contains(english), "English (en) is not among the languages; the method compares ",
        "every language with English, so add en to --languages.");
  check_shares(config_);
  check(!config_.tasks.empty(),
        "no task was given; set --tasks=sums,facts,follow or some of them.");
  for (const std::string& name : config_.tasks) {
    const Task task = from_name<Task>(name, "task");
    check(!contains(tasks_, task), "the task ", name, " is given twice; once is enough.");
    tasks_.push_back(task);
  }
  for (const Task task : tasks_) {
    deal(task);
    if (config_.form != TaskForm{}) check_asked_apart(task);
  }
}

/// A question that two languages share would let one learn in pre-training what the other is
/// tested on. Words keep languages apart, and the packs' names are checked; digits may not.
void Corpus::check_asked_apart(Task task) const {
  for (const Split split : every<Split>())
    for (const std::string& id : ids(task, split)) {
      std::map<std::string, std::string> language_of;
      for (const LanguagePack& pack : packs_) {
        const std::string question = example(id, pack.code).question;
        const auto [other, is_new] = language_of.emplace(question, pack.code);
        check(is_new, other->second, " and ", pack.code, " ask ", id, " alike: \"", question,
              "\". What one learns in pre-training the other would be tested on; expected ",
              "--numbers=words with --answers=native, or other --languages.");
      }
    }
}

void Corpus::deal(Task task) {
  const CorpusConfig& c = config_;
  const std::uint64_t seed = seed_for(c.data_seed, "deal/" + name_of(task));
  const int follow = c.follow_base + c.follow_adapt + c.follow_valid + c.follow_test;
  std::vector<std::string> all =
      task == Task::sums    ? sum_ids(c.max_sum)
      : task == Task::facts ? fact_ids(world_)
                            : follow_ids(world_, follow, c.longest_list, seed_for(seed, "draw"));
  const std::size_t n = all.size();
  std::array<std::size_t, 4> sizes = {0, rounded(c.adapt_share, n), rounded(c.valid_share, n),
                                      rounded(c.test_share, n)};
  if (task == Task::follow)
    sizes = {0, static_cast<std::size_t>(c.follow_adapt), static_cast<std::size_t>(c.follow_valid),
             static_cast<std::size_t>(c.follow_test)};
  sizes[0] = n - sizes[1] - sizes[2] - sizes[3];
  Random(seed, 0).shuffle(all);
  auto next = all.begin();
  for (std::size_t s = 0; s < sizes.size(); ++s) {
    const auto end = next + static_cast<std::ptrdiff_t>(sizes[s]);
    ids_[task][s].assign(next, end);
    next = end;
  }
  // One draw per id from each generator: what is rare does not depend on what is local, and vice
  // versa.
  Random rare(seed, 1), local(seed, 2);
  for (const std::string& id : all) {
    if (rare.uniform() < c.rare_share) rare_.insert(id);
    const bool heard = local.uniform() < c.english_sees_local;
    if (task == Task::facts && !heard && is_foreign(id)) unseen_by_english_.insert(id);
  }
}

/// Whether a fact belongs to a target language and not to English: the target is official in the
/// territory, and English is not its main language.
bool Corpus::is_foreign(const std::string& id) const {
  const Territory& t = world_.territories.at(id.substr(6, id.find('/', 6) - 6));  // after "facts/"
  if (t.language == english) return false;
  return std::any_of(packs_.begin(), packs_.end(), [&](const LanguagePack& pack) {
    return pack.code != english && t.is_official(pack.code);
  });
}

std::vector<std::string> Corpus::languages() const {
  std::vector<std::string> codes;
  for (const LanguagePack& pack : packs_) codes.push_back(pack.code);
  return codes;
}

const LanguagePack& Corpus::pack(const std::string& lang) const {
  require_language(lang);
  return *std::find_if(packs_.begin(), packs_.end(),
                       [&](const LanguagePack& pack) { return pack.code == lang; });
}

double Corpus::weight(const std::string& lang) const {
  const double ratio = pack(lang).web_share / pack(english).web_share;
  return std::min(1.0, std::pow(ratio, config_.mixture_exponent));
}

const std::vector<std::string>& Corpus::ids(Task task, Split split) const {
  const auto found = ids_.find(task);
  check(found != ids_.end(), "this corpus was built without the task ", name_of(task),
        "; add it to --tasks.");
  return found->second[static_cast<std::size_t>(split)];
}

Example Corpus::example(const std::string& id, const std::string& lang) const {
  return make_example(id, pack(lang), world_, config_.form);
}

bool Corpus::is_local(const std::string& id, const std::string& lang) const {
  return task_of(id) == Task::facts && example(id, lang).local;
}

std::vector<Example> Corpus::base_examples(const std::string& lang, Task task) const {
  std::vector<Example> seen;
  if (lang == english) {
    for (const Split split : every<Split>())
      for (const std::string& id : ids(task, split))
        if (!is_rare(id) && !unseen_by_english_.contains(id)) seen.push_back(example(id, lang));
    return seen;
  }
  // The ids of a split are already in seeded order. A smaller language sees a prefix of what a
  // larger one sees, so languages differ only in how much they saw.
  const std::vector<std::string>& base = ids(task, Split::base);
  const auto part =
      static_cast<std::size_t>(std::ceil(weight(lang) * static_cast<double>(base.size()) - 1e-9));
  for (const Split split : every<Split>()) {
    const std::vector<std::string>& of_split = ids(task, split);
    for (std::size_t i = 0; i < of_split.size(); ++i) {
      if (is_rare(of_split[i])) continue;
      if ((split == Split::base && i < part) || is_local(of_split[i], lang))
        seen.push_back(example(of_split[i], lang));
    }
  }
  return seen;
}

std::vector<Example> Corpus::examples(const std::string& lang, Task task, Split split) const {
  check(split != Split::base,
        "examples() gives adapt and test splits; base_examples() gives what pre-training sees.");
  std::vector<Example> found;
  for (const std::string& id : ids(task, split)) {
    Example e = example(id, lang);
    if (split == Split::test && e.local && lang != english) continue;
    found.push_back(std::move(e));
  }
  if (split == Split::adapt_train && config_.local_test_to_adapt && lang != english)
    for (const std::string& id : ids(task, Split::test))
      if (is_local(id, lang)) found.push_back(example(id, lang));
  return found;
}

std::vector<ExamplePair> Corpus::pairs(const std::string& lang, Task task, Split split) const {
  std::vector<ExamplePair> found;
  for (Example& e : examples(lang, task, split)) {
    Example in_english = example(e.id, english);
    found.push_back({std::move(in_english), std::move(e)});
  }
  return found;
}

std::vector<ParallelText> emoji_lines(const World& world, const std::vector<LanguagePack>& packs,
                                      int names, std::uint64_t seed) {
  const int n = static_cast<int>(world.emoji.size());
  check(names >= 1 && names <= n, "a text of ", names, " names was asked for; there are 1 to ", n,
        ".");
  std::vector<std::string> order = world.emoji;
  Random(seed_for(seed, "parallel_text")).shuffle(order);
  std::vector<ParallelText> texts;
  for (int i = 0; i < n; ++i) {
    ParallelText text;
    text.id = cat("text/", names, "/", i);
    for (const LanguagePack& pack : packs) {
      std::vector<std::string> items;
      for (int k = 0; k < names; ++k)
        items.push_back(pack.name(Concept::emoji, order[static_cast<std::size_t>((i + k) % n)]));
      text.text[pack.code] = pack.list.join(items);
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

std::vector<ParallelText> Corpus::parallel_text(int names) const {
  return emoji_lines(world_, packs_, names, config_.data_seed);
}

std::vector<TextPair> Corpus::general_text(const std::string& lang, int names) const {
  require_language(lang);
  std::vector<TextPair> pairs;
  for (const ParallelText& line : parallel_text(names))
    pairs.push_back({line.text.at(english), line.text.at(lang)});
  return pairs;
}

std::vector<std::string> Corpus::english_text(int names) const {
  std::vector<std::string> texts;
  for (ParallelText& text : parallel_text(names)) texts.push_back(std::move(text.text.at(english)));
  return texts;
}

bool Corpus::is_verified(const Example& example, const std::string& output) const {
  if (example.task != name_of(Task::follow)) return ParallelData::is_verified(example, output);
  return follows(parse_instruction(example.id), output, pack(example.lang)).ok;
}

std::vector<std::string> Corpus::names_of(const std::string& lang) const {
  const LanguagePack& found = pack(lang);
  return {found.english_name, found.own_name};
}

std::string Corpus::checksum() const {
  CorpusConfig config = config_;
  config.data.clear();  // the data may lie in another folder
  Json fields = fields_of(config).to_json();
  if (config.form.answers == AnswerForm::native) fields.erase("answers");
  if (config.form.numbers == NumberForm::words) fields.erase("numbers");
  std::string all = world_.checksum + fields.dump();
  for (const LanguagePack& pack : packs_) all += pack.code + pack.checksum;
  return ramoe::checksum(all);
}

Corpus load_corpus(const CorpusConfig& config) {
  check(std::filesystem::is_directory(config.data), "there is no folder ", config.data,
        " with language packs; run in the root of the repository or give --data=FOLDER.");
  World world = load_world(config.data + "/world.json");
  std::vector<LanguagePack> packs = load_packs(config.data, config.languages, world);
  return Corpus(std::move(packs), std::move(world), config);
}

}  // namespace ramoe
