// Support - locks between processes: on files, dropped by the system when their process ends
#pragma once

#include <string>

namespace ramoe {

/// A lock on a file. It holds for the file itself, whatever path leads to it.
class FileLock {
 public:
  /// Opens the file, made if it is missing. Error: that cannot be done.
  explicit FileLock(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// Takes the lock for this process alone; false if another one holds it. Tries for a moment,
  /// since is_locked() takes it for an instant.
  bool try_lock();
  /// Waits for it. Interrupted: see stop_point().
  void lock();
  /// Turns the lock into one that several processes may have, all of which only read.
  void share();

 private:
  int descriptor_ = -1;
};

/// Whether another process, or another FileLock of this one, holds the lock; false if there is no
/// such file.
bool is_locked(const std::string& path);

}  // namespace ramoe
