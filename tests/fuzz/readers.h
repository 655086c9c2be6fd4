// What is done with a file that may come from anywhere, for libFuzzer and for the replay of the
// corpus under GoogleTest. Each function writes the bytes into `folder` and reads them back: an
// Error is the right answer to a broken file; any other exception passes through.
#pragma once

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "ch04_moe/model.h"
#include "formats/tokenizer_json.h"
#include "formats/weight_files.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"
#include "support/read_tensor.h"

namespace ramoe {

/// Not write_file, which waits for the disk.
inline void put_bytes(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// The part of `rest` before the mark; the mark is dropped too.
inline std::string_view next_part(std::string_view& rest, std::string_view mark) {
  const std::string_view part = rest.substr(0, rest.find(mark));
  rest.remove_prefix(std::min(rest.size(), part.size() + mark.size()));
  return part;
}

/// Opens the file and reads every tensor.
inline void try_safetensors(const std::string& folder, std::string_view bytes) {
  const std::string path = folder + "/model.safetensors";
  put_bytes(path, bytes);
  try {
    const SafetensorsFile file(path);
    for (const std::string& name : file.names()) {
      const TensorInfo& info = file.info(name);
      std::vector<char> raw(info.bytes);
      read_raw(file, name, info.dtype, info.shape, raw.data());
      if (info.dtype == "F32" || info.dtype == "F16" || info.dtype == "BF16") {
        std::vector<float> values(info.bytes / (info.dtype == "F32" ? 4 : 2));
        read_f32(file, name, info.shape, values.data());
      }
    }
    file.check_whole();
    file.info("no such tensor");
  } catch (const Error&) {
  }
}

/// model.safetensors.index.json, "\n--\n", the shard 1.safetensors, "\n--\n", 2.safetensors.
inline void try_shards(const std::string& folder, std::string_view bytes) {
  put_bytes(folder + "/model.safetensors.index.json", next_part(bytes, "\n--\n"));
  put_bytes(folder + "/1.safetensors", next_part(bytes, "\n--\n"));
  put_bytes(folder + "/2.safetensors", bytes);
  try {
    const WeightFiles files(folder);
    for (const std::string& name : files.names()) {
      const TensorInfo& info = files.info(name);
      std::vector<char> raw(info.bytes);
      read_raw(files.file_of(name), name, info.dtype, info.shape, raw.data());
    }
    files.file_of("no such tensor");
  } catch (const Error&) {
  }
}

/// Reads a config.json, counts the parameters, and writes and reads it again.
inline void try_config(const std::string& folder, std::string_view bytes) {
  const std::string path = folder + "/config.json";
  put_bytes(path, bytes);
  ModelConfig config;
  try {
    config = from_hugging_face(read_json(path), path);
    config.validate();
  } catch (const Error&) {
    return;
  }
  count_parameters(config);
  const Json written = to_hugging_face(config);
  try {
    if (to_hugging_face(from_hugging_face(written, "written again")) == written) return;
  } catch (const Error& error) {
    throw std::logic_error(error.what());  // what was accepted must stay acceptable
  }
  throw std::logic_error("written and read again, the configuration is another one");
}

/// Entries "letter":id for all bytes, so that a short input can hold a whole vocabulary.
inline std::string byte_vocabulary() {
  std::string entries;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string letter = to_byte_letters(std::string(1, static_cast<char>(byte)));
    entries += (byte ? "," : "") + Json(letter).dump() + ":" + std::to_string(byte);
  }
  return entries;
}

/// tokenizer.json, a NUL, tokenizer_config.json, a NUL, a text to encode; '@' in the first stands
/// for byte_vocabulary(). What loads is saved and loaded again and must encode alike.
inline void try_tokenizer(const std::string& folder, std::string_view bytes) {
  constexpr std::string_view kNul("\0", 1);
  static const std::string entries = byte_vocabulary();
  std::string tokenizer_json;
  bool full = false;
  for (const char c : next_part(bytes, kNul)) {
    if (c != '@' || full) {
      tokenizer_json += c;
    } else {
      tokenizer_json += entries;
      full = true;
    }
  }
  put_bytes(folder + "/tokenizer.json", tokenizer_json);
  put_bytes(folder + "/tokenizer_config.json", next_part(bytes, kNul));
  const std::string text = std::string(bytes) + "Kenya's  cafe\u0301 12\n<|eos|> \xE2\x82";
  std::vector<int> ids, plain;
  try {
    const Tokenizer tokenizer = load_tokenizer(folder);
    ids = tokenizer.encode(text, SpecialText::tokens);
    plain = tokenizer.encode(text);
    tokenizer.decode(tokenizer.with_specials(ids));
    tokenizer.decode_text(plain);
    save_tokenizer(tokenizer, folder);
  } catch (const Error&) {
    return;
  }
  const Tokenizer again = load_tokenizer(folder);
  if (again.encode(text, SpecialText::tokens) == ids && again.encode(text) == plain) return;
  throw std::logic_error("saved and loaded again, the tokenizer is another one");
}

}  // namespace ramoe
