#include "support/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "support/error.h"
#include "support/stop.h"

namespace ramoe {
namespace {

constexpr auto kPause = std::chrono::milliseconds(20);

bool take(int descriptor, int kind) {
  int result;
  do result = ::flock(descriptor, kind | LOCK_NB);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

}  // namespace

FileLock::FileLock(const std::string& path) {
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  // A lock needs no write permission, so the results of another user can be locked as well.
  if (descriptor_ < 0) descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  check(descriptor_ >= 0, path, " cannot be made: ", std::strerror(errno),
        "; choose another folder with --run=FOLDER.");
}

FileLock::~FileLock() {
  ::close(descriptor_);
}

bool FileLock::try_lock() {
  for (int times = 0; times < 5; ++times) {
    if (take(descriptor_, LOCK_EX)) return true;
    std::this_thread::sleep_for(kPause);
  }
  return false;
}

void FileLock::lock() {
  for (; !take(descriptor_, LOCK_EX); std::this_thread::sleep_for(kPause)) stop_point();
}

void FileLock::share() {
  // The system may give the lock to a waiting process first; then this one waits for it.
  for (; !take(descriptor_, LOCK_SH); std::this_thread::sleep_for(kPause)) stop_point();
}

bool is_locked(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool free = take(descriptor, LOCK_SH);
  ::close(descriptor);
  return !free;
}

}  // namespace ramoe
