#include "formats/model_files.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <set>

#include "ch05_training/memory.h"
#include "support/error.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

constexpr std::size_t kSquare = 32;                // side of a block that is transposed at once
constexpr std::size_t kBandBytes = 4 * (1 << 20);  // of the file between two releases of its pages

/// The number of rows of the file's tensor in a band.
std::size_t band_rows(const StoredTensor& t, std::size_t element_bytes) {
  const std::size_t rows = kBandBytes / std::max<std::size_t>(1, t.in() * element_bytes);
  return std::max(kSquare, rows / kSquare * kSquare);
}

/// Calls act(o, i, count) for each row of each square in rows [o_begin, o_end): `count` elements of
/// the file from (o,i) on. A tensor that is not transposed counts as one row.
template <class Act>
void each_stretch(const StoredTensor& t, std::size_t o_begin, std::size_t o_end, const Act& act) {
  if (!t.transposed) return act(o_begin, std::size_t(0), (o_end - o_begin) * t.in());
  for (std::size_t i = 0; i < t.in(); i += kSquare)
    for (std::size_t o = o_begin; o < o_end; ++o) act(o, i, std::min(kSquare, t.in() - i));
}

/// Keeps a value of the file as a float, or as BF16 (rounded, if the file has more digits), and
/// returns what is kept.
inline float keep(float& to, float value) {
  return to = value;
}
inline float keep(std::uint16_t& to, float value) {
  to = bf16_from_f32(value);
  return f32_from_bf16(to);
}

/// Reads rows [o_begin, o_end) of the file into the array; returns whether all values are finite.
template <class Element, class Kept>
bool read_rows(Kept* array, const unsigned char* from, const StoredTensor& t, std::size_t o_begin,
               std::size_t o_end) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  bool finite = true;
  each_stretch(t, o_begin, o_end, [&](std::size_t o, std::size_t i, std::size_t count) {
    const unsigned char* stretch = from + (o * t.in() + i) * Element::kBytes;
    Kept* to = array + t.place(o, i);
    const std::size_t step = t.transposed ? t.stride : 1;
    for (std::size_t n = 0; n < count; ++n) {
      const float kept = keep(to[n * step], Element::read(stretch + n * Element::kBytes));
      finite &= (std::bit_cast<std::uint32_t>(kept) & kExponent) != kExponent;
    }
  });
  return finite;
}

/// Reads one tensor band by band; the pool's threads share the rows of a band.
template <class Kept>
void read_tensor(Kept* array, const SafetensorsFile& file, const std::string& name,
                 const StoredTensor& t) {
  const std::string where = cat(file.path(), ", tensor ", name);
  with_elements(file.info(name).dtype, where, [&](auto element) {
    using Element = decltype(element);
    const std::size_t begin = t.file_begin * Element::kBytes;
    const unsigned char* from = file.bytes(name) + begin;
    const std::size_t rows = band_rows(t, Element::kBytes), row_bytes = t.in() * Element::kBytes;
    std::atomic<bool> finite{true};
    for (std::size_t o = 0; o < t.out(); o += rows) {
      const std::size_t end = std::min(t.out(), o + rows);
      parallel_for(static_cast<int>(end - o), kSquare, [&](int first, int last) {
        if (!read_rows<Element>(array, from, t, o + std::size_t(first), o + std::size_t(last)))
          finite = false;
      });
      file.release(name, begin + o * row_bytes, (end - o) * row_bytes);
    }
    check(finite, where,
          ": it holds a value that is not finite", sizeof(Kept) == 2 ? " as BF16" : "",
          "; the file is damaged, or training had diverged when it was saved.");
  });
}

/// Writes fp32 values in the given dtype.
void write_values(const std::vector<float>& values, const std::string& dtype,
                  const WriteBytes& write) {
  if (dtype == "F32") return write(values.data(), values.size() * sizeof(float));
  const auto half = dtype == "F16" ? f16_from_f32 : bf16_from_f32;
  std::vector<std::uint16_t> halves(values.size());
  std::transform(values.begin(), values.end(), halves.begin(), half);
  write(halves.data(), halves.size() * sizeof(std::uint16_t));
}

/// Writes one tensor from the array to a file.
void write_tensor(const std::vector<float>& array, const StoredTensor& t, const std::string& dtype,
                  const WriteBytes& write) {
  const std::size_t rows = band_rows(t, sizeof(float));
  std::vector<float> band;
  for (std::size_t o = 0; o < t.out(); o += rows) {
    const std::size_t end = std::min(t.out(), o + rows);
    band.resize((end - o) * t.in());
    each_stretch(t, o, end, [&](std::size_t row, std::size_t i, std::size_t count) {
      const float* from = array.data() + t.place(row, i);
      const std::size_t step = t.transposed ? t.stride : 1;
      for (std::size_t n = 0; n < count; ++n) band[(row - o) * t.in() + i + n] = from[n * step];
    });
    write_values(band, dtype, write);
  }
}

/// Whether it is a tensor of old files that is computed here and not read.
bool is_computed(const std::string& name) {
  return name.ends_with(".rotary_emb.inv_freq");
}

void check_stored(const WeightFiles& files, const StoredTensor& t, const std::string& name) {
  const SafetensorsFile& file = files.file_of(name);
  file.expect(name, t.whole.empty() ? t.shape : t.whole);
  with_elements(file.info(name).dtype, cat(file.path(), ", tensor ", name), [](auto) {});
}

constexpr const char* kHead = "lm_head.weight";

/// Error if the files of a tied model hold an output layer that differs from the embedding:
/// versions of transformers differ in which of the two they use. Reads some rows at a time.
template <class Kept>
void check_tied_head(const WeightFiles& files, const std::vector<Kept>& embedding,
                     const Shape& shape, const std::string& config_path) {
  const SafetensorsFile& file = files.file_of(kHead);
  const std::int64_t V = shape[0], C = shape[1];
  StoredTensor t{kHead, {V, C}, 0, 0, 0, false};
  file.expect(kHead, t.shape);
  const std::int64_t rows = std::min(V, std::int64_t(band_rows(t, sizeof(Kept))));
  std::vector<Kept> band(std::size_t(rows * C));
  bool same = true;
  for (std::int64_t v = 0; v < V; v += rows) {
    t.shape[0] = std::min(rows, V - v);
    t.file_begin = std::size_t(v * C);
    read_tensor(band.data(), file, kHead, t);
    same &= std::equal(band.begin(), band.begin() + t.shape[0] * C,
                       embedding.begin() + std::int64_t(t.file_begin));
  }
  check(same, file.path(), ": ", kHead, " differs from the embedding, but ", config_path,
        " says tie_word_embeddings = true. Set it to false to compute with this ", kHead,
        ", as transformers 5 does; or leave the tensor out of the file to compute with the "
        "embedding, as transformers 4 does.");
}

/// All tensors of the model, checked: each is there with its shape, and no other. Those of a
/// parameter stand side by side.
std::vector<StoredTensor> checked_tensors(const WeightFiles& files, const ModelConfig& config,
                                          const std::string& config_path) {
  check(config.tie_word_embeddings || files.has(kHead), files.path(), ": there is no tensor ",
        kHead, ", the output layer. If it is the embedding, set tie_word_embeddings = true in ",
        config_path, "; otherwise fetch the missing file.");
  std::vector<StoredTensor> tensors = stored_tensors_in(files, config);
  std::set<std::string> wanted = {kHead};
  for (const StoredTensor& t : tensors) {
    check_stored(files, t, t.name);
    wanted.insert(t.name);
  }
  for (const std::string& name : files.names())
    check(wanted.contains(name) || is_computed(name), files.file_of(name).path(), ": the tensor ",
          name, " belongs to no part of the model in ", config_path,
          "; is it the config of another model?");
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const auto& a, const auto& b) { return a.parameter < b.parameter; });
  return tensors;
}

/// Bytes of the host that a model takes while it is read.
template <class T>
double bytes_to_load(const ModelConfig& config, Precision weights) {
  double here = 0, buffer = 0;  // of all parameters, and of the one that is on its way elsewhere
  list_parameters<int>(config, [&](const std::string&, const Shape& shape, double) {
    const bool half = kept_as_bf16(shape, weights);
    const double count = static_cast<double>(shape.count());
    if (!Lives<T>::on_gpu) here += count * (half ? 2 : sizeof(T));
    if (Lives<T>::on_gpu || (!half && !std::is_same_v<T, float>))
      buffer = std::max(buffer, count * (half ? 2 : sizeof(float)));
    return 0;
  });
  return here + buffer;
}

/// Reads the tensors [t, ...) of one parameter; returns the first of the next one.
template <class Kept>
std::vector<StoredTensor>::const_iterator read_parameter(
    std::vector<Kept>& values, const WeightFiles& files, const std::vector<StoredTensor>& tensors,
    std::vector<StoredTensor>::const_iterator t) {
  for (const std::size_t p = t->parameter; t != tensors.end() && t->parameter == p; ++t)
    read_tensor(values.data(), files.file_of(t->name), t->name, *t);
  return t;
}

}  // namespace

std::vector<TensorToWrite> tensors_to_write(const ModelConfig& config, const std::string& prefix,
                                            const std::vector<const std::vector<float>*>& arrays,
                                            const SavedForm& form) {
  std::vector<TensorToWrite> result;
  for (const StoredTensor& t : stored_tensors(config)) {
    const std::vector<float>* array = arrays[t.parameter];
    if (array->empty()) continue;
    const std::string dtype = form.dtype(t.name);
    result.push_back({prefix + t.name, dtype, t.shape, nullptr,
                      [=](const WriteBytes& write) { write_tensor(*array, t, dtype, write); }});
  }
  return result;
}

std::vector<TensorToWrite> tensors_to_write(const Model<float>& model, const SavedForm& form) {
  std::vector<const std::vector<float>*> values;
  for (const auto& p : model.parameters()) values.push_back(&p->value);
  return tensors_to_write(model.config(), "", values, form);
}

void check_tensors(const WeightFiles& files, const ModelConfig& config, const std::string& prefix,
                   const std::vector<std::vector<float>*>& arrays) {
  for (const StoredTensor& t : stored_tensors(config))
    if (!arrays[t.parameter]->empty()) check_stored(files, t, prefix + t.name);
}

void read_tensors(const WeightFiles& files, const ModelConfig& config, const std::string& prefix,
                  const std::vector<std::vector<float>*>& arrays) {
  check_tensors(files, config, prefix, arrays);
  for (const StoredTensor& t : stored_tensors(config))
    if (std::vector<float>* array = arrays[t.parameter]; !array->empty())
      read_tensor(array->data(), files.file_of(prefix + t.name), prefix + t.name, t);
}

std::map<std::string, std::string> saved_dtypes(SaveDtype choice, const std::string& folder,
                                                const ModelConfig& config) {
  std::map<std::string, std::string> dtypes;
  const std::vector<StoredTensor> tensors = stored_tensors(config);
  if (choice == SaveDtype::bf16)
    for (const StoredTensor& t : tensors) dtypes[t.name] = "BF16";
  if (choice != SaveDtype::as_loaded) return dtypes;
  const WeightFiles files(folder);
  std::map<std::size_t, std::string> dtype_from_parameter;
  for (const StoredTensor& t : stored_tensors_in(files, config))
    dtype_from_parameter[t.parameter] = files.info(t.name).dtype;
  for (const StoredTensor& t : tensors) dtypes[t.name] = dtype_from_parameter.at(t.parameter);
  return dtypes;
}

void round_values(Model<float>& model, const SavedForm& form) {
  for (const StoredTensor& t : stored_tensors(model.config())) {
    const std::string dtype = form.dtype(t.name);
    if (dtype == "F32") continue;
    std::vector<float>& value = model.parameters()[t.parameter]->value;
    for (std::size_t o = 0; o < t.out(); ++o)
      for (std::size_t i = 0; i < t.in(); ++i) {
        float& x = value[t.place(o, i)];
        const float rounded =
            dtype == "F16" ? f32_from_f16(f16_from_f32(x)) : f32_from_bf16(bf16_from_f32(x));
        check(std::isfinite(rounded), "tensor ", t.name, ": the value ", x, " is too large for ",
              dtype, "; save the model with --save_dtype=fp32.");
        x = rounded;
      }
  }
}

void save_model(const Model<float>& model, const std::string& folder, const SavedForm& form) {
  make_folder(folder);
  write_json(folder + "/config.json",
             form.config.empty() ? to_hugging_face(model.config()) : form.config);
  write_safetensors(folder + "/model.safetensors", tensors_to_write(model, form),
                    with_checksum({{"format", "pt"}}));
}

template <class T>
std::unique_ptr<Model<T>> load_model(const std::string& folder) {
  const std::string config_path = folder + "/config.json";
  return load_model<T>(folder, from_hugging_face(read_json(config_path), config_path));
}

template <class T>
std::unique_ptr<Model<T>> load_model(const std::string& folder, const ModelConfig& given,
                                     Precision weights) {
  const std::string config_path = folder + "/config.json";
  const WeightFiles files(folder);
  ModelConfig config = given;
  config.resolve_widths();
  check_memory(bytes_to_load<T>(config, weights), "the model in " + folder,
               "take a smaller one or a larger machine");
  if (Lives<T>::on_gpu)
    check_memory_for<T>(weight_bytes(config, weights), "the model in " + folder,
                        "take a smaller one, a larger GPU or, to read it, --weights=bf16");
  for (const auto& file : files.files()) file->check_whole();
  auto model = std::make_unique<Model<T>>(given, weights);
  const std::vector<StoredTensor> tensors = checked_tensors(files, config, config_path);
  std::vector<float> buffer;  // one parameter, on its way to values that are no floats
  std::vector<std::uint16_t> halves;  // the same of one that is kept as BF16
  for (auto t = tensors.begin(); t != tensors.end();) {
    Parameter<T>& parameter = *model->parameters()[t->parameter];
    const auto read = [&]<class Kept>(auto& to, std::vector<Kept>& on_its_way) {
      constexpr bool straight = std::is_same_v<decltype(to), std::vector<Kept>&>;
      std::vector<Kept>* values = &on_its_way;
      if constexpr (straight) values = &to;
      values->resize(parameter.shape.count());
      t = read_parameter(*values, files, tensors, t);
      if (&parameter == model->embedding() && config.tie_word_embeddings && files.has(kHead))
        check_tied_head(files, *values, parameter.shape, config_path);
      if constexpr (Lives<T>::on_gpu)
        copy_in(to.data(), values->data(), values->size());
      else if constexpr (!straight)
        std::copy(values->begin(), values->end(), to.begin());
    };
    if (parameter.bf16.empty())
      read(parameter.value, buffer);
    else
      read(parameter.bf16, halves);
  }
  return model;
}

#define RAMOE_INSTANTIATE(T)                                            \
  template std::unique_ptr<Model<T>> load_model<T>(const std::string&); \
  template std::unique_ptr<Model<T>> load_model<T>(const std::string&, const ModelConfig&, \
                                                   Precision);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
