// Support - files that are either whole or not there: written beside, flushed, renamed.
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace ramoe {

using Json = nlohmann::ordered_json;

/// The whole file as bytes. Error names the path and the system's reason.
std::string read_file(const std::string& path);

/// Error if lists and objects lie more than 200 deep in each other: JSON values are copied and
/// written by recursion, and a file of brackets must not use up the stack. `where` names the text.
void check_json_depth(std::string_view text, const std::string& where);

/// A JSON value for a message, in at most `most` bytes; what is no UTF-8 is replaced.
std::string excerpt(const Json& value, std::size_t most = 60);

/// Parses a JSON file. A broken one is an Error with path, line and column, as is one too deep.
Json read_json(const std::string& path);

/// What a file that is being written is called until it is whole: path + this. No other program's
/// file has such a name, so one that a killed process left may be written over or removed.
inline constexpr const char* temporary_suffix = ".ramoe-tmp";

/// Writes path + temporary_suffix, flushes it to disk and renames it over path: a reader sees the
/// old file or the new one and never a part. A full disk or a folder that cannot be written is an
/// Error; the old file is then untouched and the temporary one removed.
void write_file(const std::string& path, std::string_view bytes);

/// The same for content that is produced piece by piece: `produce` calls `write(data, bytes)`. Once
/// all is there, `patch` may name bytes that replace those from `at` on, such as a checksum that
/// stands in front of what it covers.
using WriteBytes = std::function<void(const void* data, std::size_t bytes)>;
struct Patch {
  std::size_t at = 0;
  std::string bytes;
};
void write_file(const std::string& path,
                const std::function<void(const WriteBytes& write)>& produce,
                const std::function<Patch()>& patch = {});

/// Error unless write_file(path) can begin.
void check_can_write(const std::string& path);

/// write_file of the value as indented JSON with a final newline.
void write_json(const std::string& path, const Json& value);

/// The number, or null if it is not finite: JSON has neither NaN nor infinity.
Json number_or_null(double value);

/// Removes what write_file(path) wrote, whole or not; what is a folder, or not there, stays so.
void remove_written(const std::string& path);

/// Removes a folder that is empty; whether it did. Never a link to a folder.
bool remove_empty(const std::string& folder);

/// Creates the folder and its parents. Error if that cannot be done or a file is in the way.
void make_folder(const std::string& path);

/// FNV-1a of the bytes as 16 hexadecimal digits: a checksum against mix-ups, not against attackers.
std::string checksum(std::string_view bytes);

}  // namespace ramoe
