#include "report/routing_trace.h"

#include <cstdio>

#include "ch09_task_experts/task_experts.h"
#include "support/error.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

std::vector<double> divergence_of(const PerLayer& english, const PerLayer& target) {
  std::vector<double> divergence;
  for (std::size_t l = 0; l < english.size(); ++l)
    divergence.push_back(routing_divergence(english[l], target[l]));
  return divergence;
}

Json tokens_of(const Tokenizer& tokenizer, const PassageRouting& routing) {
  Json tokens = Json::array();
  for (const int id : routing.ids) tokens.push_back(visible_token(tokenizer, id));
  return tokens;
}

}  // namespace

PassageRouting passage_routing(Model<float>& model, const std::vector<int>& sequence) {
  Arena arena;
  Tape<float> tape(arena);
  const Tape<float>::NoGrad no_grad(tape);
  const ModelConfig& config = model.config();
  const TokenBatch batch = make_batch({sequence}, config.pad_token_id, config.bos_token_id);
  const ForwardResult<float> forward = model.forward(tape, batch, {.routing_only = true});
  PassageRouting result;
  for (int t = 0; t < batch.T; ++t)
    if (batch.scored[std::size_t(t)]) result.ids.push_back(sequence[std::size_t(t)]);
  for (const Routing<float>& routing : forward.routing) {
    std::vector<double> q;
    check(mean_routing(q, FetchedRouting(routing), batch, 0, {}) > 0,
          "a passage has no token besides BOS.");
    result.q.push_back(q);
    result.chosen.emplace_back();
    for (int t = 0; t < batch.T; ++t) {
      const int* expert = row(routing.chosen.expert, t, routing.K);
      if (batch.scored[std::size_t(t)])
        result.chosen.back().push_back(std::vector<int>(expert, expert + routing.K));
    }
  }
  return result;
}

std::string visible_token(const Tokenizer& tokenizer, int id) {
  const std::string& bytes = tokenizer.token(id);
  std::string text;
  for (std::size_t i = 0; i < bytes.size();) {
    const CodePoint c = read_utf8(bytes, i);
    if (!c.valid) {
      char hex[8];
      for (std::size_t k = 0; k < c.bytes; ++k) {
        std::snprintf(hex, sizeof hex, "<%02X>", static_cast<unsigned char>(bytes[i + k]));
        text += hex;
      }
    } else if (c.value == U' ') {
      append_utf8(text, U'\u2423');
    } else {
      append_utf8(text, c.value);
    }
    i += c.bytes;
  }
  return text;
}

ExamplePair pair_to_show(Model<float>& base, const Prompts& prompts,
                         const std::vector<ExamplePair>& pairs, const AnswerOptions& options) {
  check(!pairs.empty(), "there is no pair of which the routing could be shown.");
  std::vector<Example> english_side, target_side;
  for (const ExamplePair& pair : pairs) {
    english_side.push_back(pair.english);
    target_side.push_back(pair.target);
  }
  const std::vector<Answer> in_english = answer_questions(base, prompts, english_side, options);
  const std::vector<Answer> in_target = answer_questions(base, prompts, target_side, options);
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (in_english[i].correct && !in_target[i].correct) return pairs[i];
  return pairs[0];
}

Json trace_pair(Model<float>& base, Model<float>& tuned, const ExamplePair& pair,
                const TraceContext& context) {
  const Tokenizer& tokenizer = context.prompts.tokenizer();
  CachedEncoder encoder(tokenizer);
  const auto routing_of = [&](Model<float>& model, const Example& example) {
    return passage_routing(model, context.prompts.prompt(encoder, example.question));
  };
  const auto answer_of = [&](Model<float>& model, const Example& example) {
    return answer_questions(model, context.prompts, {example}, context.answers)[0];
  };
  const Answer in_english = answer_of(base, pair.english), in_target = answer_of(base, pair.target),
               tuned_answer = answer_of(tuned, pair.target);
  const PassageRouting english_side = routing_of(base, pair.english);
  const PassageRouting before = routing_of(base, pair.target);
  const PassageRouting after = routing_of(tuned, pair.target);
  check(context.experts.size() == before.q.size(), "a routing trace of ", before.q.size(),
        " layers was given task experts of ", context.experts.size(), ".");
  return {{"lang", pair.target.lang},
          {"task", pair.target.task},
          {"method", context.method},
          {"id", pair.target.id},
          {"experts", before.q[0].size()},
          {"zone", {{"first", context.zone.first}, {"last", context.zone.last}}},
          {"task_experts", context.experts},
          {"english",
           {{"question", pair.english.question},
            {"answer", pair.english.answer},
            {"output", in_english.output},
            {"correct", in_english.correct},
            {"tokens", tokens_of(tokenizer, english_side)},
            {"chosen", english_side.chosen},
            {"mass", mass_of(english_side.q, context.experts)}}},
          {"target",
           {{"question", pair.target.question},
            {"answer", pair.target.answer},
            {"tokens", tokens_of(tokenizer, before)}}},
          {"before",
           {{"output", in_target.output},
            {"correct", in_target.correct},
            {"chosen", before.chosen},
            {"mass", mass_of(before.q, context.experts)},
            {"divergence", divergence_of(english_side.q, before.q)}}},
          {"after",
           {{"output", tuned_answer.output},
            {"correct", tuned_answer.correct},
            {"chosen", after.chosen},
            {"mass", mass_of(after.q, context.experts)},
            {"divergence", divergence_of(english_side.q, after.q)}}}};
}

}  // namespace ramoe
