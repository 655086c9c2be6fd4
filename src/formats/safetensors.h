// Formats - safetensors: weights in the file format that other libraries read
//
//   8 bytes   length of the header, little-endian
//   header    JSON {"name": {"dtype": "F32", "shape": [V,C], "data_offsets": [begin, end]}, ...,
//             "__metadata__": {"key": "text"}}, padded with spaces to a multiple of 8
//   data      the tensors, row-major, little-endian; offsets count from here
//
// Our own files have a checksum of all bytes in the metadata, which other readers ignore:
//
//   "ramoe_checksum": "0123456789abcdef"  XXH64 of the XXH64 values of each MiB of the file, with
//                                         these 16 digits taken as zeros
//   "ramoe_checksum_of": "file"           so that damage to the other key is found as well
//
// A file may come from anywhere, so the header is checked against the file before anything is
// allocated. A contradiction is an Error that names file, tensor and the reason.
// Source: the format's description at github.com/huggingface/safetensors.
// Tests: tests/formats/safetensors_test.cpp
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "support/error.h"
#include "support/files.h"

namespace ramoe {

/// Rows first: {V, C} is V rows of C elements; {} is a single number.
using TensorShape = std::vector<std::int64_t>;

/// "(V,C)" with the numbers, for messages.
std::string shape_text(const TensorShape& shape);

/// A tensor to be saved: its bytes are at `data`, or `produce` passes them to `write`.
/// dtype is one of F32 F16 BF16 F64 I64 I32 I16 I8 U8 BOOL.
struct TensorToWrite {
  std::string name, dtype;
  TensorShape shape;
  const void* data = nullptr;
  std::function<void(const WriteBytes& write)> produce = {};
};

/// The Error for a tensor that is not in `names`; suggests the nearest one.
[[noreturn]] void no_such_tensor(const std::string& path, const std::string& name,
                                 const std::vector<std::string>& names);

using SafetensorsMetadata = std::map<std::string, std::string>;

/// The metadata with the two keys of a checksum, which write_safetensors fills in.
SafetensorsMetadata with_checksum(SafetensorsMetadata metadata);
/// A header as stored in a file: padded with spaces to a multiple of 8 bytes.
std::string padded_header(std::string text);
/// The position of the checksum digits in a header; npos: there is no checksum.
std::size_t digits_of_checksum(std::string_view header);

/// Writes the tensors in the given order, to a temporary file that is flushed and renamed (see
/// write_file). Error: a duplicate name, an unknown dtype, a negative dimension, or a number of
/// produced bytes that does not match the shape; the old file is then untouched.
void write_safetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                       const SafetensorsMetadata& metadata = {});

/// The header entry of one tensor, checked against the file.
struct TensorInfo {
  std::string dtype;
  TensorShape shape;
  std::uint64_t bytes = 0;
  std::uint64_t begin = 0;  // from the start of the file
};

/// A file opened for reading, mapped into memory. The constructor reads and checks only the header;
/// data is read from the disk on access. If the file was truncated after opening, the next access
/// to a tensor is an Error; if it is truncated while a tensor is being read, the process ends
/// (SIGBUS), as with every mapped file. Several threads may use one object.
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
  /// Error: no such tensor; suggests the nearest name.
  const TensorInfo& info(const std::string& name) const;
  const SafetensorsMetadata& metadata() const { return metadata_; }

  /// Reads the whole file on the pool's threads and compares its checksum. Error: the file is
  /// damaged. Returns false if it has no checksum, such as the files of other programs.
  bool check_whole() const;

  /// info(name). Error: the tensor is missing or has another shape.
  const TensorInfo& expect(const std::string& name, const TensorShape& expected) const;
  /// The mapped bytes of a tensor, without any alignment. Error: the tensor is missing, or the file
  /// was truncated after opening.
  const unsigned char* bytes(const std::string& name) const;
  /// Tells the system that [begin, begin + count) of bytes(name) is not needed soon: it takes the
  /// pages back, and a later access reads them from the disk again.
  void release(const std::string& name, std::uint64_t begin, std::uint64_t count) const;

 private:
  void close();
  void read_header();
  void check_layout(std::uint64_t data_begin, std::uint64_t data_bytes);
  std::string path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0, data_begin_ = 0;
  const unsigned char* map_ = nullptr;
  std::vector<std::string> names_;
  std::map<std::string, TensorInfo> tensors_;
  SafetensorsMetadata metadata_;
};

/// checksum() (files.h) of the file as if it had no checksum of its own. Runs note it for their
/// base model; it is the same as for older files, which had no checksum.
std::string checksum_of_tensors(const std::string& path);

/// IEEE half precision and bfloat16, exact, with subnormals, infinities and NaN.
float f32_from_f16(std::uint16_t half);
inline float f32_from_bf16(std::uint16_t brain) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(brain) << 16);
}

/// The nearest value, the even one of a tie; infinity beyond the largest.
std::uint16_t f16_from_f32(float value);
std::uint16_t bf16_from_f32(float value);

/// Converts an element of a stored tensor to fp32. The bytes need no alignment.
struct StoredF32 {
  static constexpr std::size_t kBytes = 4;
  static float read(const unsigned char* from) {
    float value;
    std::memcpy(&value, from, kBytes);
    return value;
  }
};
template <float (*convert)(std::uint16_t)>
struct StoredHalf {
  static constexpr std::size_t kBytes = 2;
  static float read(const unsigned char* from) {
    std::uint16_t value;
    std::memcpy(&value, from, kBytes);
    return convert(value);
  }
};
/// Calls action(StoredF32() or StoredHalf<...>()). Error, which begins with `where`: another dtype.
template <class Action>
void with_elements(const std::string& dtype, const std::string& where, const Action& action) {
  if (dtype == "F32") return action(StoredF32());
  if (dtype == "F16") return action(StoredHalf<f32_from_f16>());
  if (dtype == "BF16") return action(StoredHalf<f32_from_bf16>());
  fail(where, ": its dtype is ", dtype, ", but F32, F16 or BF16 was expected.");
}

}  // namespace ramoe
