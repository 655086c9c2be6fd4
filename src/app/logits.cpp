// ramoe logits: what a model computes for given token ids, for comparison with other programs.
#include <algorithm>
#include <cmath>
#include <iostream>

#include "app/base_run.h"
#include "app/command.h"
#include "app/device.h"
#include "app/model_folder.h"
#include "support/error.h"
#include "support/json_place.h"

namespace ramoe {
namespace {

struct LogitsKeys {
  std::string folder, ids, out;
  int threads = 0;
  Device device = Device::cpu;
  GemmEngine gemm = GemmEngine::own;
  Precision weights = Precision::fp32;

  void list(FieldList& f) {
    f.add("folder", &folder,
          "model or run folder; the first argument may name it without --folder=");
    f.also("folder", model_aliases());
    f.add("ids", &ids,
          "JSON file: [[5, 17], [8]], or {\"input_ids\": [[5, 17], [8, 0]], \"attention_mask\": "
          "[[1, 1], [1, 0]]}");
    f.add("out", &out, "safetensors file: logits (B,T,V), router_logits.<layer> (B,T,E)");
    f.add("threads", &threads, "threads; 0: as many as the machine has", {0, 1024});
    f.add("device", &device, device_help);
    f.add("gemm", &gemm, gemm_help);
    f.add("weights", &weights, weights_help);
  }
};

/// Token ids as given, padded on the right to T; the real tokens of row b are
/// [begin[b], begin[b] + count[b]).
struct Given {
  int T = 0;
  std::vector<std::vector<int>> token;
  std::vector<int> begin, count;
};

/// A list of lists of whole numbers from 0 to `most`, none of them empty.
std::vector<std::vector<int>> read_lists(const JsonAt<Json>& at, int most) {
  std::vector<std::vector<int>> lists;
  for (const JsonAt<Json>& row : at.elements()) {
    lists.emplace_back();
    for (const JsonAt<Json>& value : row.elements()) lists.back().push_back(value.whole(0, most));
    if (lists.back().empty()) row.expected("a list of at least one whole number");
  }
  if (lists.empty()) at.expected("a list of lists of whole numbers");
  return lists;
}

Given read_given(const std::string& path, int vocabulary) {
  const Json json = read_json(path);
  const JsonAt<Json> at{path, "", json};
  if (json.is_object()) at.only({"input_ids", "attention_mask"});
  Given given;
  given.token = read_lists(json.is_object() ? at["input_ids"] : at, vocabulary - 1);
  std::vector<std::vector<int>> mask;
  if (at.has("attention_mask")) mask = read_lists(at["attention_mask"], 1);
  check(mask.empty() || mask.size() == given.token.size(), path, ": attention_mask has ",
        mask.size(), " rows and input_ids ", given.token.size(), ".");
  if (mask.empty())
    for (const std::vector<int>& row : given.token) mask.emplace_back(row.size(), 1);
  for (std::size_t b = 0; b < given.token.size(); ++b) {
    const std::size_t length = given.token[b].size();
    check(mask[b].size() == length, path, ": attention_mask[", b, "] has ", mask[b].size(),
          " values and input_ids[", b, "] ", length, ".");
    const auto first = std::find(mask[b].begin(), mask[b].end(), 1);
    const auto end = std::find(first, mask[b].end(), 0);
    check(first != mask[b].end() && std::find(end, mask[b].end(), 1) == mask[b].end(), path,
          ": attention_mask[", b, "] must mark one unbroken stretch of tokens.");
    given.begin.push_back(static_cast<int>(first - mask[b].begin()));
    given.count.push_back(static_cast<int>(end - first));
    given.T = std::max(given.T, static_cast<int>(length));
  }
  return given;
}

/// Computes one row at a time, so that memory holds the logits of one row. The values of the
/// routers are small and kept for all rows.
template <class T>
class LogitsWriter {
 public:
  LogitsWriter(Model<T>& model, const Given& given)
      : model_(model), given_(given), tape_(arena_), router_(model.config().moe_layers().size()) {}

  void write(const std::string& path) {
    const ModelConfig& c = model_.config();
    const auto B = static_cast<std::int64_t>(given_.token.size());
    const std::int64_t tokens = given_.T;
    std::vector<std::int64_t> mask(static_cast<std::size_t>(B * tokens), 0);
    for (std::size_t b = 0; b < given_.token.size(); ++b)
      std::fill_n(mask.begin() + std::ptrdiff_t(b) * tokens + given_.begin[b], given_.count[b], 1);
    std::vector<TensorToWrite> tensors;
    tensors.push_back(
        {"logits", "F32", {B, tokens, c.vocab_size}, nullptr, [&](const WriteBytes& out) {
           for (std::size_t b = 0; b < given_.token.size(); ++b) write_row(b, out);
         }});
    const std::vector<int> layers = c.moe_layers();
    for (std::size_t i = 0; i < layers.size(); ++i)
      tensors.push_back({cat("router_logits.", layers[i]),
                         "F32",
                         {B, tokens, c.num_experts},
                         nullptr,
                         [this, i](const WriteBytes& out) {
                           out(router_[i].data(), router_[i].size() * sizeof(float));
                         }});
    tensors.push_back({"attention_mask", "I64", {B, tokens}, mask.data()});
    write_safetensors(path, tensors, {{"format", "pt"}});
  }

 private:
  /// Appends values (count,width) with zeros before and after, so that they are at the places of
  /// their tokens. Error: one is not finite.
  void place(std::vector<float>& to, const T* values, std::size_t b, int width) const {
    const std::size_t at = to.size(), w = std::size_t(width);
    const std::size_t count = std::size_t(given_.count[b]) * w;
    std::vector<Number<T>> from(count);
    copy_out(from.data(), values, count);
    for (std::size_t i = 0; i < count; ++i)
      check(std::isfinite(from[i]), "row ", b, ", token ", i / w,
            ": the model computes a value that is not finite; its weights are damaged.");
    to.resize(at + std::size_t(given_.T) * w, 0.0f);
    for (std::size_t i = 0; i < count; ++i)
      to[at + std::size_t(given_.begin[b]) * w + i] = static_cast<float>(from[i]);
  }

  void write_row(std::size_t b, const WriteBytes& out) {
    const auto first = given_.token[b].begin() + given_.begin[b];
    const TokenBatch batch = make_batch({{first, first + given_.count[b]}}, -1, -1);
    tape_.reset();
    const typename Tape<T>::NoGrad no_grad(tape_);
    const ForwardResult<T> result = model_.forward(tape_, batch);
    for (std::size_t i = 0; i < router_.size(); ++i)
      place(router_[i], result.routing[i].logits.z.data, b, model_.config().num_experts);
    row_.clear();
    place(row_, result.logits.data, b, model_.config().vocab_size);
    out(row_.data(), row_.size() * sizeof(float));
  }

  Model<T>& model_;
  const Given& given_;
  ArenaOf<T> arena_;
  Tape<T> tape_;
  std::vector<float> row_;
  std::vector<std::vector<float>> router_;  // by MoE layer, all rows
};

}  // namespace

int run_logits(const Arguments& arguments) {
  LogitsKeys keys;
  FieldList fields = fields_of(keys);
  if (!read_arguments(fields, arguments, "logits", {"folder", false})) return 0;
  for (const auto& [key, value] :
       {std::pair{"folder", keys.folder}, {"ids", keys.ids}, {"out", keys.out}})
    check(!value.empty(), "the key ", key,
          " is missing; expected ramoe logits FOLDER --ids=ids.json --out=out.safetensors.");
  const Workers workers(keys.threads, keys.device, keys.gemm);
  const std::string folder = find_model_folder(keys.folder);
  const ModelConfig config = load_model_config(folder);
  const Given given = read_given(keys.ids, config.vocab_size);  // before the weights are read
  DeviceModel(keys.device, folder, config, keys.weights).with([&]<class T>(Model<T>& model) {
    LogitsWriter<T>(model, given).write(keys.out);
  });
  std::cout << keys.out << ": logits (" << given.token.size() << "," << given.T << ","
            << config.vocab_size << "), router logits of " << config.moe_layers().size()
            << " layers (" << given.token.size() << "," << given.T << "," << config.num_experts
            << ")\n";
  return 0;
}

}  // namespace ramoe
