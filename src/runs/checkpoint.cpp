#include "runs/checkpoint.h"

#include <cmath>
#include <set>

#include "formats/model_files.h"
#include "runs/run_folder.h"
#include "support/stop.h"

namespace ramoe {
namespace {

/// Weights and moments as float for the file, in the order of the parameters: the training's own
/// arrays if it computes in float, otherwise copies.
struct FloatState {
  std::vector<std::vector<float>*> values, m, v;
  std::vector<std::unique_ptr<std::vector<float>>> copies;
};

template <class T>
std::vector<float>* floats_of(Storage<T>& from, FloatState& state) {
  if constexpr (std::is_same_v<T, float>) return &from;
  std::vector<Number<T>> host(from.size());
  copy_out(host.data(), from.data(), from.size());
  state.copies.push_back(std::make_unique<std::vector<float>>(host.begin(), host.end()));
  return state.copies.back().get();
}

template <class T>
FloatState float_state(Model<T>& model, AdamW<T>& optimiser) {
  FloatState state;
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    state.values.push_back(floats_of<T>(model.parameters()[i]->value, state));
    state.m.push_back(floats_of<T>(optimiser.m(i), state));
    state.v.push_back(floats_of<T>(optimiser.v(i), state));
  }
  return state;
}

template <class T>
void put_back(Storage<T>& to, const std::vector<float>& from) {
  if constexpr (std::is_same_v<T, float>) return;
  const std::vector<Number<T>> host(from.begin(), from.end());
  copy_in(to.data(), host.data(), host.size());
}

/// A whole number >= 0 in the metadata; -1 if there is none.
std::int64_t whole_number(const SafetensorsMetadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end() || found->second.empty() || found->second.size() > 18 ||
      found->second.find_first_not_of("0123456789") != std::string::npos)
    return -1;
  return std::stoll(found->second);
}

}  // namespace

template <class T>
void save_checkpoint(const Trainer<T>& trainer, const std::string& path,
                     const CheckpointNotes& notes) {
  const StopScope whole(nullptr);
  // The cast is safe: the arrays are only read.
  const FloatState state = float_state(trainer.model(), const_cast<AdamW<T>&>(trainer.optimiser()));
  const ModelConfig& config = trainer.model().config();
  std::vector<TensorToWrite> tensors;
  for (const auto& [prefix, arrays] :
       {std::pair{"", &state.values}, std::pair{"adamw.m.", &state.m},
        std::pair{"adamw.v.", &state.v}})
    for (TensorToWrite& t : tensors_to_write(config, prefix, {arrays->begin(), arrays->end()}))
      tensors.push_back(std::move(t));
  SafetensorsMetadata metadata = {{"step", std::to_string(trainer.steps_done())}};
  if (!std::isnan(trainer.tokens()))
    metadata["tokens"] = std::to_string(std::llround(trainer.tokens()));
  if (notes.metrics_lines >= 0) metadata["metrics_lines"] = std::to_string(notes.metrics_lines);
  if (!notes.run.is_null()) metadata["run"] = notes.run.dump();
  write_safetensors(path, tensors, with_checksum(std::move(metadata)));
}

template <class T>
CheckpointNotes load_checkpoint(Trainer<T>& trainer, const std::string& path, const Json& run) {
  const WeightFiles file(path);
  CheckpointNotes notes;
  notes.checked = file.files().front()->check_whole();
  const SafetensorsMetadata& metadata = file.metadata();
  const std::int64_t step = whole_number(metadata, "step");
  check(step >= 0 && step < 1'000'000'000, path,
        ": the metadata has no whole number \"step\"; this is not a training checkpoint.");
  if (metadata.contains("run") && !run.is_null()) {
    notes.run = json_or_discarded(metadata.at("run"));
    check(notes.run.is_object(), path, ": the metadata \"run\" is not a JSON object.");
    const std::string different = identity_differences(notes.run, run);
    check(different.empty(), path, " is the checkpoint of another run (", different, ").");
  }
  notes.metrics_lines = static_cast<int>(whole_number(metadata, "metrics_lines"));
  const std::int64_t tokens = whole_number(metadata, "tokens");
  Model<T>& model = trainer.model();
  AdamW<T>& optimiser = trainer.optimiser();
  const FloatState state = float_state(model, optimiser);
  // Reading finds missing tensors; extra ones, such as those of a deeper model, are found by name.
  std::set<std::string> wanted;
  for (const StoredTensor& t : stored_tensors(model.config())) {
    wanted.insert(t.name);
    if (state.m[t.parameter]->empty()) continue;
    wanted.insert("adamw.m." + t.name);
    wanted.insert("adamw.v." + t.name);
  }
  for (const std::string& name : file.names())
    check(wanted.contains(name), path, ": the tensor ", name,
          " belongs to no trained part of this model; is it the checkpoint of another one?");
  // Everything is checked before anything is overwritten: a wrong file changes nothing.
  const std::pair<const char*, const std::vector<std::vector<float>*>&> parts[] = {
      {"", state.values}, {"adamw.m.", state.m}, {"adamw.v.", state.v}};
  for (const auto& [prefix, arrays] : parts) check_tensors(file, model.config(), prefix, arrays);
  for (const auto& [prefix, arrays] : parts) read_tensors(file, model.config(), prefix, arrays);
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    put_back<T>(model.parameters()[i]->value, *state.values[i]);
    put_back<T>(optimiser.m(i), *state.m[i]);
    put_back<T>(optimiser.v(i), *state.v[i]);
  }
  optimiser.set_steps_done(static_cast<int>(step));
  trainer.set_tokens(tokens >= 0 ? static_cast<double>(tokens) : std::nan(""));
  return notes;
}

#define RAMOE_INSTANTIATE(T)                                                                    \
  template void save_checkpoint(const Trainer<T>&, const std::string&, const CheckpointNotes&); \
  template CheckpointNotes load_checkpoint(Trainer<T>&, const std::string&, const Json&);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
