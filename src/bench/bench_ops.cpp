// Each operation of a training step alone, forward and backward, at the sizes of the step.
//
// An operation runs on a tape as in training: the gradient of an activation is written for the
// first time, that of a weight is added to. The time of backward begins when the gradient of the
// output is there, and ends when the tape is played. Operands are small enough to remain in a
// cache, while a step would often find them in memory; the same holds for the copies that they are
// compared with.

#include "bench/bench.h"
#include "ch01_tensor/philox.h"
#include "ch01_tensor/vector_ops.h"
#include "ch02_autograd/basic_ops.h"
#include "ch03_transformer/transformer_ops.h"
#include "ch10_alignment/alignment_loss.h"

namespace ramoe {
namespace {

struct OpInput {
  Shape shape;
  bool weight = false;  // then its gradient is added to
};

using OpInputs = const Tensor<float>*;

struct OpCase {
  std::string name, dims;
  std::vector<OpInput> inputs;
  Work forward, backward;
  std::function<Tensor<float>(Tape<float>& tape, OpInputs in)> run;
};

/// The inputs of an operation with their values, and the tape on which it runs repeatedly.
class OpRunner {
 public:
  OpRunner(const OpCase& op, std::uint64_t seed) : op_(op), tape_(arena_) {
    Random random(seed, 78);
    for (const OpInput& input : op.inputs) {
      values_.emplace_back(input.shape.count());
      for (float& value : values_.back()) value = static_cast<float>(random.uniform() - 0.5);
      gradients_.emplace_back(input.weight ? input.shape.count() : 0);
    }
  }

  /// One forward and one backward; adds their seconds to spent[0] and spent[1].
  void lap(double* spent) {
    tape_.reset();
    std::vector<Tensor<float>> in;
    for (std::size_t i = 0; i < op_.inputs.size(); ++i) in.push_back(input(i));
    const double start = now_seconds();
    const Tensor<float> y = op_.run(tape_, in.data());
    spent[0] += now_seconds() - start;
    if (y.node < 0) return;
    if (dy_.size() < y.count()) dy_.assign(y.count(), 0.01f);
    // A loss whose gradient with respect to y is dy; it records the time at which dy is written.
    const Tensor<float> loss = tape_.output(Shape{}, y);
    loss.data[0] = 0;
    tape_.record(loss, [&tape = tape_, y, &dy = dy_, &begin = begin_] {
      bool fresh;
      copy_values(tape.grad(y, fresh), dy.data(), y.count());
      begin = now_seconds();
    });
    tape_.backward(loss);
    spent[1] += now_seconds() - begin_;
  }

 private:
  Tensor<float> input(std::size_t i) {
    const Shape& shape = op_.inputs[i].shape;
    if (op_.inputs[i].weight) return tape_.leaf(values_[i].data(), gradients_[i].data(), shape);
    // As in the middle of a tape: a place there, without a gradient yet.
    const Tensor<float> place = tape_.output(shape, tape_.leaf(&unused_, &unused_, Shape{}));
    return {values_[i].data(), shape, place.node};
  }

  const OpCase& op_;
  Arena arena_;
  Tape<float> tape_;
  std::vector<std::vector<float>> values_, gradients_;
  std::vector<float> dy_;
  float unused_ = 0;
  double begin_ = 0;
};

/// A batch, and the routing of random rows in one layer: what the operations of chapter 4 read.
struct OpWorld {
  explicit OpWorld(const BenchOptions& o)
      : config(o.model),
        batch(random_batch(o.model, o.sequences, o.tokens, o.seed)),
        tape(arena),
        values(std::size_t(N()) * std::size_t(C()) + std::size_t(C()) * std::size_t(E())) {
    Random random(o.seed, 79);
    for (float& value : values) value = static_cast<float>(random.normal());
    const typename Tape<float>::NoGrad no_grad(tape);
    const std::size_t rows = std::size_t(N()) * std::size_t(C());
    routing = route(tape, tape.constant(values.data(), {N(), C()}),
                    tape.constant(values.data() + rows, {C(), E()}), K(), config.norm_topk_prob);
    routing.layer = 0;
    const std::vector<double> even(std::size_t(E()), 1.0 / E());
    q_star = {even};
    support = {{0}};
    for (int b = 0; b < batch.tokens.B; ++b)
      aligned.push_back({.b = b, .span = {}, .q_star = &q_star, .support = &support});
  }
  /// The routing with its gates and logits in the middle of another tape.
  Routing<float> with(const Tensor<float>& gate, const Tensor<float>& z) const {
    Routing<float> r = routing;
    r.gate.node = gate.node;
    r.logits.z.node = z.node;
    return r;
  }
  int N() const { return batch.tokens.B * batch.tokens.T; }
  int C() const { return config.hidden_size; }
  int E() const { return config.num_experts; }
  int K() const { return config.num_experts_per_tok; }
  int targets() const { return static_cast<int>(batch.target.size()); }

  ModelConfig config;
  TrainingBatch batch;
  Arena arena;
  Tape<float> tape;
  std::vector<float> values;
  Routing<float> routing;
  PerLayer q_star;
  std::vector<std::vector<int>> support;
  std::vector<AlignedSequence> aligned;
};

/// The operations. Their work is given in FLOPs and in the floats that it moves.
struct OpList {
  std::vector<OpCase> cases;

  void add(std::string name, std::string dims, std::vector<OpInput> inputs, Work forward,
           Work backward, std::function<Tensor<float>(Tape<float>&, OpInputs)> run) {
    for (Work* work : {&forward, &backward}) work->bytes *= sizeof(float);
    cases.push_back(
        {std::move(name), std::move(dims), std::move(inputs), forward, backward, std::move(run)});
  }
};

/// Chapters 1 to 3. Backward reads a weight w, and reads and writes its gradient: 3 w floats.
void add_transformer_ops(OpList& ops, const OpWorld& w) {
  const ModelConfig& c = w.config;
  const TokenBatch& batch = w.batch.tokens;
  const int N = w.N(), C = w.C(), V = c.vocab_size, HS = c.head_size(), R = w.targets();
  const int query = c.num_attention_heads * HS, key = c.num_key_value_heads * HS;
  const double n = N, nc = n * C, nq = n * query, nk = n * key, eps = c.rms_norm_eps;
  const int *token = batch.token.data(), *position = batch.position.data();
  const int* length = batch.length.data();
  using In = OpInputs;
  using TapeF = Tape<float>;
  ops.add("embedding", cat("(", N, ") of (", V, ",", C, ")"), {{{V, C}, true}}, {0, 2 * nc},
          {0, nc + 2.0 * V * C}, [=](TapeF& t, In in) { return embedding(t, in[0], token, N); });
  const int* rows = w.batch.logit_rows.data();
  ops.add("gather_rows", cat("(", R, ",", C, ")"), {{{N, C}}}, {0, 2.0 * R * C},
          {0, 1.0 * R * C + nc}, [=](TapeF& t, In in) { return gather_rows(t, in[0], rows, R); });
  ops.add("rmsnorm", cat("(", N, ",", C, ")"), {{{N, C}}, {{C}, true}}, {0, 2 * nc}, {0, 3 * nc},
          [=](TapeF& t, In in) { return rmsnorm(t, in[0], in[1], eps); });
  ops.add("rmsnorm_heads", cat("(", N, ",", query, ") by ", HS), {{{N, query}}, {{HS}, true}},
          {0, 2 * nq}, {0, 3 * nq},
          [=](TapeF& t, In in) { return rmsnorm_heads(t, in[0], in[1], eps); });
  const double theta = c.rope_theta;
  // In place: backward rotates the gradient back and hands it over as that of the input.
  ops.add("rope", cat("(", N, ",", query, ")"), {{{N, query}}}, {0, 2 * nq}, {0, 2 * nq},
          [=](TapeF& t, In in) { return rope_over(t, in[0], position, HS, theta); });
  ops.add("clip", cat("(", N, ",", query, ")"), {{{N, query}}}, {0, 2 * nq}, {0, 3 * nq},
          [=](TapeF& t, In in) { return clip(t, in[0], 0.4); });
  const AttentionDims dims{batch.B, batch.T, c.num_attention_heads, c.num_key_value_heads, HS};
  const double cells = n * batch.T * c.num_attention_heads, products = 2 * cells * HS;
  ops.add("attention", cat("B=", batch.B, " T=", batch.T, " NH=", dims.NH, " HS=", HS),
          {{{N, query}}, {{N, key}}, {{N, key}}}, {2 * products, 2 * nq + 2 * nk + cells},
          {4 * products, 3 * nq + 4 * nk + cells},
          [=](TapeF& t, In in) { return attention(t, in[0], in[1], in[2], length, dims); });
  const auto linear_case = [&](const char* name, int M, int I, int O) {
    const double x = 1.0 * M * I, y = 1.0 * M * O, weight = 1.0 * I * O;
    ops.add(name, cat("(", M, ",", I, ")(", I, ",", O, ")"), {{{M, I}}, {{I, O}, true}},
            {2 * x * O, x + weight + y}, {4 * x * O, 2 * x + 3 * weight + y},
            [](TapeF& t, In in) { return linear(t, in[0], in[1]); });
  };
  linear_case("linear q", N, C, query);
  linear_case("linear lm_head", R, C, V);
  const double r = R, rv = r * V;
  ops.add("linear_transposed", cat("(", R, ",", C, ")(", V, ",", C, ")'"),
          {{{R, C}}, {{V, C}, true}}, {2 * rv * C, r * C + 1.0 * V * C + rv},
          {4 * rv * C, 2 * r * C + 3.0 * V * C + rv},
          [](TapeF& t, In in) { return linear_transposed(t, in[0], in[1]); });
  const int slots = N * w.K(), H = c.moe_intermediate_size;
  const double sh = 1.0 * slots * H;
  ops.add("swiglu", cat("(", slots, ",", 2 * H, ")"), {{{slots, 2 * H}}}, {0, 3 * sh}, {0, 5 * sh},
          [](TapeF& t, In in) { return swiglu(t, in[0]); });
  ops.add("add", cat("(", N, ",", C, ")"), {{{N, C}}, {{N, C}}}, {0, 3 * nc},
          {0, 2 * nc},  // one gradient is handed over
          [](TapeF& t, In in) { return add(t, in[0], in[1]); });
  const int* target = w.batch.target.data();
  ops.add("cross_entropy", cat("(", R, ",", V, ")"), {{{R, V}}}, {0, rv}, {0, 2 * rv},
          [=](TapeF& t, In in) { return cross_entropy(t, in[0], target); });
}

/// Chapters 4 and 10.
void add_moe_ops(OpList& ops, const OpWorld& w) {
  const ModelConfig& c = w.config;
  const int N = w.N(), C = w.C(), E = w.E(), K = w.K(), H = c.moe_intermediate_size;
  const double n = N, nc = n * C, ne = n * E, weight = 3.0 * E * C * H, ce = 1.0 * C * E;
  const unsigned char *scored = w.batch.tokens.scored.data(),
                      *is_token = w.batch.tokens.is_token.data();
  const int rows = w.batch.tokens.scored_rows();
  const OpWorld* world = &w;
  using In = OpInputs;
  using TapeF = Tape<float>;
  ops.add("softmax", cat("(", N, ",", E, ")"), {{{N, E}}}, {0, 2 * ne}, {0, 3 * ne},
          [](TapeF& t, In in) { return softmax(t, in[0]); });
  const bool renormalise = c.norm_topk_prob;
  ops.add("route", cat("(", N, ",", C, ") to ", K, " of ", E), {{{N, C}}, {{C, E}, true}},
          {2 * nc * E, nc + ce + 2 * ne + 2 * n * K},
          {4 * nc * E, 2 * nc + 3 * ce + ne + 3 * n * K},
          [=](TapeF& t, In in) { return route(t, in[0], in[1], K, renormalise).gate; });
  // Dispatched rows and intermediate values are internal to the operation and do not count.
  ops.add("experts", cat(N * K, " rows, E=", E, " C=", C, " H=", H),
          {{{N, C}}, {{E, C, 2 * H}, true}, {{E, H, C}, true}, {{N, K}}},
          {6 * n * K * C * H, 2 * nc + weight + n * K},
          {12 * n * K * C * H, 3 * nc + 3 * weight + 2 * n * K}, [=](TapeF& t, In in) {
            const Routing<float> routing = world->with(in[3], {});
            return experts(t, in[0], routing, in[1], in[2], is_token);
          });
  ops.add("balance_loss", cat("(", N, ",", E, ")"), {{{N, E}}}, {0, ne + n * K}, {0, 2 * ne},
          [=](TapeF& t, In in) { return balance_loss(t, world->with({}, in[0]), scored, rows); });
  ops.add("z_loss", cat("(", N, ",", E, ")"), {{{N, E}}}, {0, ne}, {0, 2 * ne},
          [=](TapeF& t, In in) { return z_loss(t, world->with({}, in[0]), scored, rows); });
  ops.add("sigmoid_gate", cat("(", N, ",", C, ")"), {{{N, 1}}, {{N, C}}}, {0, 2 * nc}, {0, 3 * nc},
          [](TapeF& t, In in) { return sigmoid_gate(t, in[0], in[1]); });
  ops.add("alignment_loss", cat("(", N, ",", E, "), ", w.batch.tokens.B, " examples"), {{{N, E}}},
          {0, ne}, {0, 2 * ne}, [=](TapeF& t, In in) {
            return alignment_loss(t, {world->with({}, in[0])}, world->batch.tokens, world->aligned,
                                  {0}, {});
          });
}

/// The optimiser on all weights of the configuration: norm of the gradients, then the update.
Speed measure_adamw(const BenchOptions& o, double& parameters) {
  Model<float> model(o.model, o.seed);
  AdamW<float> optimiser(model.parameters(), {});
  parameters = static_cast<double>(count_parameters(o.model).total);
  // The norm reads g; the update reads g and reads and writes w, m, v.
  return measure_parts({{0, sizeof(float) * 8 * parameters}}, o.effort(), [&](double* spent) {
    for (const auto& p : model.parameters())
      std::fill_n(p->want_gradient(), p->value.size(), 1e-3f);
    const double start = now_seconds();
    optimiser.prepare(1e-4, 1.0);
    optimiser.update();
    *spent += now_seconds() - start;
  })[0];
}

std::string direction_text(const char* direction, const Speed& s) {
  const double rate = s.copy_binds() ? s.gb_per_s : s.gflops;
  return text_of("  %-8s %9.1f us %7.1f %-7s %4.0f %% of %s", direction, 1e6 * s.seconds, rate,
                 s.copy_binds() ? "GB/s" : "GFLOP/s", 100 * s.share(),
                 s.copy_binds() ? "copy" : "FMA ");
}

}  // namespace

Json bench_ops(const Bench& bench) {
  const BenchOptions& o = bench.options;
  const OpWorld world(o);
  OpList ops;
  add_transformer_ops(ops, world);
  add_moe_ops(ops, world);
  Json table = Json::array();
  std::string text = "operations\n";
  for (const OpCase& op : ops.cases) {
    bench.progress(double(table.size()) / double(ops.cases.size() + 1));
    OpRunner runner(op, o.seed);
    const std::vector<Speed> speeds = measure_parts({op.forward, op.backward}, o.effort(),
                                                    [&](double* spent) { runner.lap(spent); });
    text += text_of("  %-17s %-28s", op.name.c_str(), op.dims.c_str()) +
            direction_text("forward", speeds[0]) + direction_text("  backward", speeds[1]) + "\n";
    table.push_back({{"name", op.name},
                     {"dims", op.dims},
                     {"forward", to_json(speeds[0])},
                     {"backward", to_json(speeds[1])}});
  }
  double parameters = 0;
  const Speed adamw = measure_adamw(o, parameters);
  const std::string dims = text_of("%.2f M parameters", parameters / 1e6);
  text += text_of("  %-17s %-28s", "adamw", dims.c_str()) + direction_text("update", adamw) + "\n";
  table.push_back({{"name", "adamw"}, {"dims", dims}, {"update", to_json(adamw)}});
  bench.print(text);
  return table;
}

}  // namespace ramoe
