// Support - locks between processes: locks on files that the system releases when a process ends
#pragma once

#include <string>

namespace ramoe {

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
