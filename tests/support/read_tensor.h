// The values of one tensor of a safetensors file; the program reads whole models (model_files.h).
#pragma once

#include <cstring>

#include "formats/safetensors.h"

namespace ramoe {

/// Reads any dtype without conversion. Error: missing, another dtype, another shape than expected.
inline void read_raw(const SafetensorsFile& file, const std::string& name, const std::string& dtype,
                     const TensorShape& expected, void* out) {
  const TensorInfo& tensor = file.expect(name, expected);
  check(tensor.dtype == dtype, file.path(), ", tensor ", name, ": its dtype is ", tensor.dtype,
        ", but ", dtype, " was expected.");
  if (tensor.bytes > 0) std::memcpy(out, file.bytes(name), tensor.bytes);  // no bytes: may be null
}

/// Reads F32, F16 or BF16 as fp32. Errors: as above.
inline void read_f32(const SafetensorsFile& file, const std::string& name,
                     const TensorShape& expected, float* out) {
  const TensorInfo& tensor = file.expect(name, expected);
  const unsigned char* from = file.bytes(name);
  with_elements(tensor.dtype, cat(file.path(), ", tensor ", name), [&](auto element) {
    for (std::uint64_t i = 0; i < tensor.bytes / element.kBytes; ++i)
      out[i] = element.read(from + i * element.kBytes);
  });
}

}  // namespace ramoe
