// Chapter 5.4 - safetensors: weights in the file format that other libraries read
//
//   8 bytes   length of the header, little-endian
//   header    JSON {"name": {"dtype": "F32", "shape": [V,C], "data_offsets": [begin, end]}, ...,
//             "__metadata__": {"key": "text"}}, padded with spaces to a multiple of 8
//   data      the tensors, row-major, little-endian; offsets count from here
//
// A file may come from anywhere, so every claim of its header is held against the file before
// anything is allocated: a lie is an Error that names file, tensor and what was wrong.
// Source: the format's description at github.com/huggingface/safetensors.
// Tests: tests/ch05_training/safetensors_test.cpp
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "support/files.h"

namespace ramoe {

/// Rows first: {V, C} is V rows of C elements; {} is a single number.
using TensorShape = std::vector<std::int64_t>;

/// "(V,C)" with the numbers, for messages.
std::string shape_text(const TensorShape& shape);

/// A tensor to be saved: its bytes either lie at `data` or are handed to `write` by `produce`.
/// dtype is one of F32 F16 BF16 F64 I64 I32 I16 I8 U8 BOOL.
struct TensorToWrite {
  std::string name, dtype;
  TensorShape shape;
  const void* data = nullptr;
  std::function<void(const WriteBytes& write)> produce = {};
};

using SafetensorsMetadata = std::map<std::string, std::string>;

/// Writes the tensors in the given order: beside the path, flushed, renamed (see write_file).
/// Error: two of one name, unknown dtype, negative dimension, or another number of bytes produced
/// than the shape says; the old file is then untouched.
void write_safetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                       const SafetensorsMetadata& metadata = {});

/// What the header says about one tensor, checked against the file.
struct TensorInfo {
  std::string dtype;
  TensorShape shape;
  std::uint64_t bytes = 0;
  std::uint64_t begin = 0;  // from the start of the file
};

/// A file opened for reading. The constructor reads and checks the header alone; data is read when
/// asked for. One object may be used by several threads.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::string& path() const { return path_; }
  /// In the order of the data.
  const std::vector<std::string>& names() const { return names_; }
  bool has(const std::string& name) const { return tensors_.contains(name); }
  /// Error for a name that is not there suggests the nearest one.
  const TensorInfo& info(const std::string& name) const;
  const SafetensorsMetadata& metadata() const { return metadata_; }

  /// Reads F32, F16 or BF16 as fp32. Error: missing, another dtype, another shape than expected.
  void read_f32(const std::string& name, const TensorShape& expected, float* out) const;
  /// Reads any dtype as it stands in the file. Errors as read_f32.
  void read_raw(const std::string& name, const std::string& dtype, const TensorShape& expected,
                void* out) const;

 private:
  void read_header(std::uint64_t file_bytes);
  void check_layout(std::uint64_t data_begin, std::uint64_t data_bytes);
  const TensorInfo& expect(const std::string& name, const TensorShape& expected) const;
  void read_at(std::uint64_t begin, void* out, std::uint64_t bytes, const std::string& what) const;

  std::string path_;
  int descriptor_ = -1;
  std::vector<std::string> names_;
  std::map<std::string, TensorInfo> tensors_;
  SafetensorsMetadata metadata_;
};

/// IEEE half precision and bfloat16, exact, with subnormals, infinities and NaN.
float f32_from_f16(std::uint16_t half);
float f32_from_bf16(std::uint16_t brain);

}  // namespace ramoe
