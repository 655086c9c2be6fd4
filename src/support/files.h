// Support - files that are complete or absent: written under another name, flushed, renamed; and
// locks on files, which the system releases when a process ends.
// Tests: tests/support/files_test.cpp, file_lock_test.cpp
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace ramoe {

using Json = nlohmann::ordered_json;  // the whole type: support/json.h

/// The whole file as bytes. Error names the path and the system's reason.
std::string read_file(const std::string& path);

/// Error if lists and objects are nested more than 200 deep: JSON values are copied and written by
/// recursion, and a file full of brackets must not overflow the stack. `where` names the text.
void check_json_depth(std::string_view text, const std::string& where);

/// A JSON value for a message, in at most `most` bytes; invalid UTF-8 is replaced.
std::string excerpt(const Json& value, std::size_t most = 60);

/// Parses a JSON file. Error: invalid JSON, with path, line and column, or nested too deep.
Json read_json(const std::string& path);

/// A file is called path + this suffix until it is complete. No other program uses such names, so
/// a file that a killed process left may be overwritten or removed.
inline constexpr const char* temporary_suffix = ".ramoe-tmp";

/// Writes path + temporary_suffix, flushes it to disk and renames it over path: a reader sees the
/// old file or the new one, never a part of it. Error: the disk is full or the folder cannot be
/// written; the old file is then untouched and the temporary one removed.
void write_file(const std::string& path, std::string_view bytes);

/// The same for content that is produced piece by piece: `produce` calls `write(data, bytes)`. In
/// the end `patch` may give bytes that replace those from `at` on, such as a checksum that stands
/// before the data that it covers.
using WriteBytes = std::function<void(const void* data, std::size_t bytes)>;
struct Patch {
  std::size_t at = 0;
  std::string bytes;
};
void write_file(const std::string& path,
                const std::function<void(const WriteBytes& write)>& produce,
                const std::function<Patch()>& patch = {});

/// Error unless a file can be written at `path`.
void check_can_write(const std::string& path);

/// write_file of the value as indented JSON with a final newline.
void write_json(const std::string& path, const Json& value);

/// The number, or null if it is not finite: JSON has neither NaN nor infinity.
Json number_or_null(double value);

/// Removes what write_file(path) wrote, complete or not. Folders and missing files are skipped.
void remove_written(const std::string& path);

/// Removes an empty folder, but never a link to one; returns whether it was removed.
bool remove_empty(const std::string& folder);

/// Creates the folder and its parents. Error: this fails, or a file has that name.
void make_folder(const std::string& path);

/// FNV-1a of the bytes as 16 hexadecimal digits. It finds mix-ups, not attacks.
std::string checksum(std::string_view bytes);

/// A lock on a file. It belongs to the file itself, whatever path is used to open it.
class FileLock {
 public:
  /// Opens the file and creates it if it is missing. Error: this is not possible.
  explicit FileLock(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// Takes the exclusive lock; false if another process holds it. Tries several times, since
  /// is_locked() of another process holds it for a moment.
  bool try_lock();
  /// Waits for the lock. Throws Interrupted, see stop_point().
  void lock();
  /// Turns the lock into a shared one: several processes may hold it, and all of them only read.
  void share();

 private:
  int descriptor_ = -1;
};

/// Whether another process, or another FileLock of this one, holds the lock; false if there is no
/// such file.
bool is_locked(const std::string& path);

}  // namespace ramoe
