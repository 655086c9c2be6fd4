// ramoe explain: one example number by number, from the code that trains and answers.
#include "app/explain.h"

#include <iostream>

#include "app/stages.h"
#include "ch07_divergence/language_gaps.h"
#include "report/routing_trace.h"
#include "support/error.h"

namespace ramoe {
namespace {

enum class Topic { router, attention, alignment, taxonomy };
constexpr auto names(Topic) {
  return std::array{"router", "attention", "alignment", "taxonomy"};
}
enum class Side { target, english };
constexpr auto names(Side) {
  return std::array{"target", "english"};
}

struct ExplainOptions {
  std::string topic, base = "data/models/olmoe", language, task, example;
  Side side = Side::target;
  int layer = -1, head = 0, token = -1, components = 3, names = 3;
  Device device = Device::reference;
  ZoneConfig zone;
  ExpertConfig experts;
  AlignmentConfig alignment;
  AnswerOptions answers;

  void list(FieldList& f) {
    f.add("topic", &topic, "what to explain; the first word may name it without --topic=",
          {.choices = ramoe::names_of<Topic>()});
    f.add("base", &base, "run folder of the base model");
    f.also("base", model_aliases());
    f.add("language", &language, "target language; empty: es if the base has it, else its first");
    f.also("language", language_aliases());
    f.add("task", &task, "task; empty: facts or follow, if the base has them");
    f.add("example", &example, "id of a training pair; empty: the first ci pair of the task");
    f.add("side", &side, "router, attention: the sentence in the target language or in English");
    f.add("layer", &layer, "router, attention: the layer, from 0; -1: the middle one", {-1, 1024});
    f.add("head", &head, "attention: the head, from 0", {0, 1024});
    f.add("token", &token, "the token, from 0; -1: the last of the prompt", {-1, 1 << 20});
    f.add("components", &components, "attention: components shown of each vector", {1, 8});
    f.add("names", &names, "alignment: emoji names per line of general text", {1, 16});
    f.add("device", &device,
          "the definitions in double, so that the digits are the same everywhere",
          {.choices = {"reference"}});
    zone.list(f);
    experts.list(f);
    alignment.list(f);
    answers.list(f);
  }
};

/// Names the given keys that another topic would read.
void note_unused_keys(const FieldList& fields, Topic topic) {
  const std::string because = "explain " + name_of(topic);
  if (topic != Topic::router && topic != Topic::attention)
    note_unused(fields, {"side", "layer"}, because);
  if (topic != Topic::attention) note_unused(fields, {"head", "components"}, because);
  if (topic == Topic::taxonomy) note_unused(fields, {"token"}, because);
  if (topic == Topic::alignment) return;
  note_unused(fields, {"names"}, because);
  note_unused(fields, keys_of<ZoneConfig>(), because);
  note_unused(fields, keys_of<ExpertConfig>(), because);
  note_unused(fields, keys_of<AlignmentConfig>(), because);
}

/// The language as chosen, or Spanish, whose letters a table can show; else the first.
std::string language_of(const ExplainOptions& o, const ParallelData& data) {
  if (!o.language.empty()) {
    const std::string lang = data.language_code(o.language);
    check(lang != english, "--language=", o.language,
          ": expected a target language; English is the other side of each pair.");
    return lang;
  }
  const std::vector<std::string> targets = data.targets();
  return contains(targets, "es") ? "es" : targets[0];
}

/// The tasks in which an example is looked for, in this order.
std::vector<std::string> tasks_of(const ExplainOptions& o, const ParallelData& data) {
  const std::vector<std::string> all = data.tasks_by_name();
  if (!o.task.empty()) {
    data.require_task(o.task);
    return {o.task};
  }
  std::vector<std::string> tasks;
  for (const char* task : {"facts", "follow"})
    if (contains(all, task)) tasks.push_back(task);
  return tasks.empty() || !o.example.empty() ? all : tasks;
}

/// The training pair with the id, or the first one that stage 1 puts into ci.
ExplainedPair find_pair(Model<double>& model, const BaseRun& base, const ExplainOptions& o) {
  constexpr std::size_t together = 16;  // pairs that are answered at once
  const std::string lang = language_of(o, *base.data);
  Classifier<double> classifier(model, base.prompts, o.answers);
  std::string tasks;
  for (const std::string& task : tasks_of(o, *base.data)) {
    tasks += (tasks.empty() ? "" : ", ") + task;
    const std::vector<ExamplePair> pairs = base.data->pairs(lang, task, Split::adapt_train);
    if (!o.example.empty()) {
      for (const ExamplePair& pair : pairs)
        if (pair.target.id == o.example) return {pair, classifier.classify({pair})[0], {}};
      continue;
    }
    TypeCounts seen;
    for (std::size_t first = 0; first < pairs.size(); first += together) {
      const std::size_t end = std::min(pairs.size(), first + together);
      const std::vector<ClassifiedPair> some = classifier.classify(
          {pairs.begin() + std::ptrdiff_t(first), pairs.begin() + std::ptrdiff_t(end)});
      for (std::size_t i = 0; i < some.size(); ++i) {
        ++seen.count[static_cast<std::size_t>(some[i].type)];
        if (some[i].type == PairType::ci) return {pairs[first + i], some[i], seen};
      }
    }
  }
  check(o.example.empty(), "no training pair of ", lang, " (", tasks, ") has the id ", o.example,
        "; `ramoe taxonomy` lists them in taxonomy.jsonl.");
  fail("no training pair of ", lang, " (", tasks,
       ") is ci for this model; choose another --language or --task, or name an --example.");
}

ExplainedTokens tokens_of(const BaseRun& base, const std::vector<int>& ids) {
  ExplainedTokens tokens{ids, {}};
  for (const int id : ids) tokens.text.push_back(visible_token(*base.tokenizer, id));
  return tokens;
}

ExplainedTokens prompt_of(const BaseRun& base, const Example& example) {
  CachedEncoder encoder(*base.tokenizer);
  return tokens_of(base, base.prompts.prompt(encoder, example.question));
}

/// The token as chosen, or the last of the prompt.
int token_of(const ExplainOptions& o, const ExplainedTokens& prompt) {
  const int last = static_cast<int>(prompt.ids.size()) - 1;
  check(o.token <= last || o.topic == name_of(Topic::alignment), "--token=", o.token,
        ": the prompt has tokens 0 to ", last, ".");
  return o.token < 0 ? last : o.token;
}

void explain_token(Model<double>& model, const BaseRun& base, const ExplainOptions& o,
                   const ExplainedPair& found, Topic topic) {
  const ModelConfig& config = model.config();
  const Example& example = o.side == Side::english ? found.pair.english : found.pair.target;
  const ExplainedTokens prompt = prompt_of(base, example);
  const int t = token_of(o, prompt);
  const int layer = o.layer < 0 ? config.num_hidden_layers / 2 : o.layer;
  check(layer < config.num_hidden_layers, "--layer=", layer, ": the model has layers 0 to ",
        config.num_hidden_layers - 1, ".");
  std::cout << "prompt    " << example.question << "\n" << token_lines("tokens", prompt);
  const std::string place =
      cat("layer ", layer, ", token ", t, " \"", prompt.text[std::size_t(t)], "\"");
  if (topic == Topic::router) {
    const std::vector<int> layers = config.moe_layers();
    const auto at = std::find(layers.begin(), layers.end(), layer);
    check(at != layers.end(), "--layer=", layer, " is dense: it has no router.");
    std::cout << "\n"
              << place << ": K = " << config.num_experts_per_tok << " of E = " << config.num_experts
              << " experts\n\n"
              << router_table(router_numbers(model, prompt.ids, int(at - layers.begin()), t),
                              config.norm_topk_prob);
  } else {
    check(o.head < config.num_attention_heads, "--head=", o.head, ": a layer has heads 0 to ",
          config.num_attention_heads - 1, ".");
    const AttentionNumbers numbers = attention_numbers(model, prompt.ids, layer, o.head, t);
    std::cout << "\n"
              << place << ", head " << o.head << " of NH = " << config.num_attention_heads
              << ", which reads key/value head " << numbers.kv
              << " of NKV = " << config.num_key_value_heads << "\n"
              << attention_table(numbers, prompt, o.components);
  }
}

/// The zone as `ramoe divergence` finds it.
Zone zone_of(Model<double>& model, const BaseRun& base, const ExplainOptions& o) {
  std::vector<double> curve(std::size_t(model.config().moe_layer_count()), 0.0);
  if (o.zone.rule == ZoneRule::curve)
    curve = general_curve(model, base.prompts, *base.data, o.names, o.answers.watch);
  return find_zone(o.zone, curve);
}

void explain_alignment(Model<double>& model, const BaseRun& base, const ExplainOptions& o,
                       const ExplainedPair& found) {
  const std::string& task = found.classified.task;
  const FinetuneExample example =
      finetune_examples({found.pair}, {found.classified}, base.prompts)[0];
  const ExplainedTokens target = tokens_of(base, example.target.tokens);
  const int t = o.token < 0 ? example.target.prompt - 1 : o.token;
  StageResults stages;
  stages.zone = zone_of(model, base, o);
  stages.experts[task] =
      find_task_experts(model, base.prompts, *base.data, task, o.experts, o.names, o.answers)
          .experts;
  const AlignmentNumbers numbers =
      alignment_numbers(model, example, o.alignment, stages, base.record.seed, t);
  check(numbers.distance <= 1e-8, "the gradient differs from finite differences by ",
        numbers.distance, "; one of the two is wrong.");
  std::cout << "English   " << found.pair.english.question << "\n"
            << token_lines("tokens", tokens_of(base, example.english.tokens)) << "target    "
            << found.pair.target.question << "\n"
            << token_lines("tokens", target) << "zone      layers " << stages.zone.first << " to "
            << stages.zone.last << "; compared: span=" << name_of(o.alignment.span)
            << ", T = " << numbers.rows << ", divergence=" << name_of(o.alignment.divergence)
            << "\np and dz  of token " << t << " \"" << target.text[std::size_t(t)]
            << "\" of the target\n\n"
            << alignment_table(numbers, o.alignment.lambda);
}

}  // namespace

int run_explain(const Arguments& arguments) {
  ExplainOptions o;
  FieldList fields = fields_of(o);
  if (!read_arguments(fields, arguments, "explain",
                      {"topic", false, "router|attention|alignment|taxonomy [--key=value ...]"}))
    return 0;
  check(!o.topic.empty(),
        "ramoe explain needs a topic: router, attention, alignment or taxonomy, "
        "as in ramoe explain router.");
  const Topic topic = from_name<Topic>(o.topic, "topic");
  note_unused_keys(fields, topic);
  const Workers workers(1);
  const BaseRun base = open_base(o.base, o.answers.stop);
  DeviceModel weights = load_weights(base, o.device);
  weights.with([&]<class T>(Model<T>& model) {
    if constexpr (std::is_same_v<T, double>) {
      const ExplainedPair found = find_pair(model, base, o);
      std::cout << pair_line(found);
      if (topic == Topic::taxonomy)
        std::cout << taxonomy_table(found, prompt_of(base, found.pair.english),
                                    prompt_of(base, found.pair.target));
      else if (topic == Topic::alignment)
        explain_alignment(model, base, o, found);
      else
        explain_token(model, base, o, found, topic);
    }
  });
  return 0;
}

}  // namespace ramoe
