#include "formats/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <set>

#include "support/checksum.h"
#include "support/config.h"
#include "support/error.h"
#include "support/json.h"

namespace ramoe {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::uint64_t length_bytes = 8;
constexpr std::uint64_t most_header_bytes = 100'000'000;  // the limit of the reference reader
constexpr const char* metadata_key = "__metadata__";
constexpr const char* remedy =
    " The file is damaged or no safetensors file; make or fetch it again.";

/// JSON with sorted objects: a header may have many tensors, so keys must be found fast.
using HeaderJson = nlohmann::json;

struct Dtype {
  const char* name;
  std::uint64_t bytes;
};
constexpr Dtype dtypes[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8}, {"I64", 8},
                            {"I32", 4}, {"I16", 2}, {"I8", 1},   {"U8", 1},  {"BOOL", 1}};

/// Bytes of one element; 0 for an unknown dtype.
std::uint64_t element_bytes(const std::string& dtype) {
  for (const Dtype& known : dtypes)
    if (dtype == known.name) return known.bytes;
  return 0;
}

/// Bytes of a tensor of a known dtype; `where` names file and tensor.
std::uint64_t tensor_bytes(const std::string& dtype, const TensorShape& shape,
                           const std::string& where) {
  std::uint64_t bytes = element_bytes(dtype);
  check(bytes != 0, where, ": unknown dtype \"", dtype,
        "\"; known are F32 F16 BF16 F64 I64 I32 I16 I8 U8 BOOL. Quantised weights are not read.");
  bool too_large = false;
  for (const std::int64_t size : shape) {
    check(size >= 0, where, ": shape ", shape_text(shape), " has a negative dimension.");
    too_large |= __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes);
  }
  check(!too_large, where, ": shape ", shape_text(shape), " counts more than 2^64 bytes.");
  return bytes;
}

const HeaderJson& member(const HeaderJson& entry, const char* key, const std::string& where) {
  const auto found = entry.find(key);
  check(found != entry.end(), where, ": \"", key, "\" is missing.", remedy);
  return *found;
}

/// Reads one entry of the header; `begin` still counts from the start of the data.
TensorInfo read_entry(const HeaderJson& entry, std::uint64_t data_bytes, const std::string& where) {
  check(entry.is_object(), where, ": its entry is not a JSON object.", remedy);
  TensorInfo info;
  const HeaderJson& dtype = member(entry, "dtype", where);
  check(dtype.is_string(), where, ": \"dtype\" is not text.", remedy);
  info.dtype = dtype.get<std::string>();

  const HeaderJson& shape = member(entry, "shape", where);
  check(shape.is_array(), where, ": \"shape\" is not a list.", remedy);
  for (const HeaderJson& size : shape) {
    check(size.is_number_unsigned() && size.get<std::uint64_t>() >> 63 == 0, where,
          ": \"shape\" is not a list of whole numbers from 0 to 2^63 - 1.", remedy);
    info.shape.push_back(size.get<std::int64_t>());
  }
  info.bytes = tensor_bytes(info.dtype, info.shape, where);

  const HeaderJson& offsets = member(entry, "data_offsets", where);
  check(offsets.is_array() && offsets.size() == 2 && offsets[0].is_number_unsigned() &&
            offsets[1].is_number_unsigned(),
        where, ": \"data_offsets\" is not a list of two whole numbers of at least 0.", remedy);
  info.begin = offsets[0].get<std::uint64_t>();
  const std::uint64_t end = offsets[1].get<std::uint64_t>();
  check(info.begin <= end, where, ": data_offsets [", info.begin, ", ", end, "] are reversed.",
        remedy);
  check(end <= data_bytes, where, ": data_offsets [", info.begin, ", ", end,
        "] lie outside the file, which holds ", data_bytes, " bytes of data.", remedy);
  check(end - info.begin == info.bytes, where, ": data_offsets [", info.begin, ", ", end, "] span ",
        end - info.begin, " bytes, but ", info.dtype, " of shape ", shape_text(info.shape),
        " takes ", info.bytes, ".", remedy);
  return info;
}

/// The header as JSON. A duplicate key would silently hide the first one, and the format limits the
/// nesting, so the parser's callback checks both.
HeaderJson parse_header(const std::string& text, const std::string& path) {
  std::vector<std::set<std::string>> seen(1);
  const auto watch = [&](int depth, HeaderJson::parse_event_t event, HeaderJson& parsed) {
    check(depth <= 3, path, ": the header is nested deeper than the format allows.", remedy);
    if (event == HeaderJson::parse_event_t::object_start) seen.emplace_back();
    if (event == HeaderJson::parse_event_t::object_end) seen.pop_back();
    if (event == HeaderJson::parse_event_t::key)
      check(seen.back().insert(parsed.get<std::string>()).second, path, ": the header names ",
            parsed.dump(), " twice.", remedy);
    return true;
  };
  check(text.find('\0') == std::string::npos, path, ": the header holds a NUL byte.", remedy);
  try {
    return HeaderJson::parse(text, watch);
  } catch (const Json::exception&) {
    fail(path, ": the header is not valid JSON.", remedy);
  }
}

std::string header_text(const std::string& path, const std::vector<TensorToWrite>& tensors,
                        const SafetensorsMetadata& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[metadata_key] = metadata;
  std::uint64_t begin = 0;
  for (const TensorToWrite& tensor : tensors) {
    const std::string where = path + ", tensor " + tensor.name;
    check(tensor.name != metadata_key && !header.contains(tensor.name), where,
          ": the name is reserved or used twice; names must be unique.");
    const std::uint64_t end = begin + tensor_bytes(tensor.dtype, tensor.shape, where);
    header[tensor.name] =
        Json{{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  try {
    return padded_header(header.dump());
  } catch (const Json::exception&) {
    fail(path, ": a tensor name or a metadata text is not UTF-8.");
  }
}

/// Passes the bytes of a tensor to `write`. Error: their number does not match the shape.
void write_tensor(const TensorToWrite& tensor, const std::string& where, const WriteBytes& write) {
  const std::uint64_t wanted = tensor_bytes(tensor.dtype, tensor.shape, where);
  std::uint64_t given = 0;
  const WriteBytes count = [&](const void* data, std::size_t bytes) {
    given += bytes;
    check(given <= wanted, where, ": more than the ", wanted, " bytes of its shape were given.");
    write(data, bytes);
  };
  if (tensor.produce)
    tensor.produce(count);
  else if (wanted > 0 && tensor.data != nullptr)
    count(tensor.data, wanted);
  check(given == wanted, where, ": ", given, " bytes were given, but ", tensor.dtype, " ",
        shape_text(tensor.shape), " takes ", wanted, ".");
}

}  // namespace

std::string shape_text(const TensorShape& shape) {
  std::string text = "(";
  for (const std::int64_t size : shape) text += (text.size() > 1 ? "," : "") + std::to_string(size);
  return text + ")";
}

void no_such_tensor(const std::string& path, const std::string& name,
                    const std::vector<std::string>& names) {
  const std::string nearest = nearest_word(name, names);
  fail(path, ": there is no tensor ", name, " among its ", names.size(),
       nearest.empty() ? "." : "; the nearest name is " + nearest + ".");
}

void write_safetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                       const SafetensorsMetadata& metadata) {
  const std::string header = header_text(path, tensors, metadata);
  const std::uint64_t header_bytes = header.size();
  BlockChecksum sum;
  const auto produce = [&](const WriteBytes& to_file) {
    const WriteBytes write = [&](const void* data, std::size_t bytes) {
      sum.add(data, bytes);
      to_file(data, bytes);
    };
    write(&header_bytes, length_bytes);
    write(header.data(), header.size());
    for (const TensorToWrite& tensor : tensors)
      write_tensor(tensor, path + ", tensor " + tensor.name, write);
  };
  const std::size_t digits = digits_of_checksum(header);
  if (digits == std::string::npos) return write_file(path, produce);
  write_file(path, produce, [&] { return Patch{length_bytes + digits, sum.text()}; });
}

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  check(descriptor_ >= 0, path, " cannot be read: ", std::strerror(errno), ".");
  try {
    struct stat status {};
    check(::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode), path,
          " is not a file; a safetensors file was expected.");
    size_ = static_cast<std::uint64_t>(status.st_size);
    check(size_ >= length_bytes, path_, ": ", size_,
          " bytes are too few; the header's length alone takes 8.", remedy);
    void* map = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor_, 0);
    check(map != MAP_FAILED, path_, " cannot be mapped into memory: ", std::strerror(errno), ".");
    map_ = static_cast<const unsigned char*>(map);
    read_header();
  } catch (...) {
    close();
    throw;
  }
}

SafetensorsFile::~SafetensorsFile() {
  close();
}

void SafetensorsFile::close() {
  if (map_) ::munmap(const_cast<unsigned char*>(map_), size_);
  ::close(descriptor_);
}

void SafetensorsFile::read_header() {
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, map_, length_bytes);
  check(header_bytes <= most_header_bytes, path_, ": the header claims ", header_bytes,
        " bytes; at most ", most_header_bytes, " are allowed.", remedy);
  check(header_bytes <= size_ - length_bytes, path_, ": the header claims ", header_bytes,
        " bytes, but only ", size_ - length_bytes, " follow.", remedy);
  const std::string text(reinterpret_cast<const char*>(map_) + length_bytes, header_bytes);
  const HeaderJson header = parse_header(text, path_);
  check(header.is_object(), path_, ": the header is not a JSON object.", remedy);

  const std::uint64_t data_begin = data_begin_ = length_bytes + header_bytes;
  const std::uint64_t data_bytes = size_ - data_begin;
  for (const auto& [name, entry] : header.items()) {
    if (name == metadata_key) {
      check(entry.is_object(), path_, ": __metadata__ is not a JSON object.", remedy);
      for (const auto& [key, value] : entry.items()) {
        check(value.is_string(), path_, ": __metadata__ \"", key, "\" is not text.", remedy);
        metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    TensorInfo info = read_entry(entry, data_bytes, path_ + ", tensor " + name);
    info.begin += data_begin;
    names_.push_back(name);
    tensors_.emplace(name, std::move(info));
  }
  check_layout(data_begin, data_bytes);
}

/// Sorts the names by position. The tensors must cover the data without overlaps and holes.
void SafetensorsFile::check_layout(std::uint64_t data_begin, std::uint64_t data_bytes) {
  const auto start_and_length = [&](const std::string& name) {
    const TensorInfo& info = tensors_.at(name);
    return std::array{info.begin, info.bytes};
  };
  std::sort(names_.begin(), names_.end(), [&](const std::string& a, const std::string& b) {
    return start_and_length(a) < start_and_length(b);
  });
  std::uint64_t covered = data_begin;
  for (const std::string& name : names_) {
    const TensorInfo& info = tensors_.at(name);
    check(info.begin >= covered, path_, ", tensor ", name, ": overlaps the tensor before it.",
          remedy);
    check(info.begin == covered, path_, ", tensor ", name, ": ", info.begin - covered,
          " bytes before it belong to no tensor.", remedy);
    covered += info.bytes;
  }
  check(covered == data_begin + data_bytes, path_, ": ", data_begin + data_bytes - covered,
        " bytes after the last tensor belong to no tensor.", remedy);
}

const TensorInfo& SafetensorsFile::info(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  no_such_tensor(path_, name, names_);
}

const TensorInfo& SafetensorsFile::expect(const std::string& name,
                                          const TensorShape& expected) const {
  const TensorInfo& found = info(name);
  check(found.shape == expected, path_, ", tensor ", name, ": its shape is ",
        shape_text(found.shape), ", but ", shape_text(expected),
        " was expected; was it saved with another configuration?");
  return found;
}

const unsigned char* SafetensorsFile::bytes(const std::string& name) const {
  const TensorInfo& tensor = info(name);
  struct stat status {};
  check(::fstat(descriptor_, &status) == 0 &&
            static_cast<std::uint64_t>(status.st_size) >= tensor.begin + tensor.bytes,
        path_, ", tensor ", name, ": the file ends too early; it had ", size_,
        " bytes when it was opened.", remedy);
  return map_ + tensor.begin;
}

void SafetensorsFile::release(const std::string& name, std::uint64_t begin,
                              std::uint64_t count) const {
  // Only whole pages: those at the ends may hold bytes of other tensors.
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t first = (info(name).begin + begin + page - 1) / page * page;
  const std::uint64_t last = (info(name).begin + begin + count) / page * page;
  if (first < last)
    ::madvise(const_cast<unsigned char*>(map_) + first, last - first, MADV_DONTNEED);
}

float f32_from_f16(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1f, fraction = half & 0x3ff;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // subnormal: exact in fp32
  return sign != 0 ? -magnitude : magnitude;
}

std::uint16_t f16_from_f32(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value), sign = bits >> 16 & 0x8000u;
  const float size = std::bit_cast<float>(bits & 0x7fffffffu);
  if (size != size) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (size >= 65520.0f) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (size < 0x1p-26f) return static_cast<std::uint16_t>(sign);
  // A half in [2^(e-1), 2^e) is a multiple of 2^(e-11), a subnormal one of 2^-24. If rounding gives
  // 2048 steps, the sum of the bits of exponent and steps carries into the exponent.
  int e = 0;
  std::frexp(size, &e);
  const int step = std::max(e - 11, -24);
  const auto steps = static_cast<std::uint32_t>(std::nearbyint(std::ldexp(size, -step)));
  return static_cast<std::uint16_t>(sign | ((static_cast<std::uint32_t>(step + 24) << 10) + steps));
}

std::uint16_t bf16_from_f32(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return static_cast<std::uint16_t>(bits >> 16 | 0x0040u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace ramoe
