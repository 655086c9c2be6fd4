#include "support/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/checksum.h"
#include "support/error.h"
#include "support/json.h"
#include "support/stop.h"

namespace ramoe {
namespace {

/// A file that is being written under a temporary name; removed unless finish() was called.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path)
      : path_(path), temporary_(path + temporary_suffix) {
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) give_up("cannot be created");
  }
  ~TemporaryFile() {
    if (descriptor_ < 0) return;
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(const void* data, std::size_t bytes) {
    const char* next = static_cast<const char*>(data);
    while (bytes > 0) {
      const ssize_t written = ::write(descriptor_, next, bytes);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) give_up("cannot be written");
      next += written;
      bytes -= static_cast<std::size_t>(written);
    }
  }

  void patch(const Patch& patch) {
    if (::lseek(descriptor_, static_cast<off_t>(patch.at), SEEK_SET) < 0)
      give_up("cannot be written");
    write(patch.bytes.data(), patch.bytes.size());
  }

  void finish() {
    if (::fsync(descriptor_) != 0) give_up("cannot be flushed to disk");
    const int result = ::close(descriptor_);
    descriptor_ = -1;
    if (result != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
      const int reason = errno;
      ::unlink(temporary_.c_str());
      errno = reason;
      give_up("cannot be put in place");
    }
  }

 private:
  [[noreturn]] void give_up(const char* what) {
    fail(path_, " ", what, ": ", std::strerror(errno),
         "; what was there before is untouched. Free some space or choose another folder.");
  }

  std::string path_, temporary_;
  int descriptor_ = -1;
};

}  // namespace

std::string read_file(const std::string& path) {
  std::error_code ignored;
  check(!std::filesystem::is_directory(path, ignored), path, " is a folder; a file was expected.");
  std::ifstream file(path, std::ios::binary);
  check(file.good(), path, " cannot be read: ", std::strerror(errno), ".");
  std::ostringstream bytes;
  bytes << file.rdbuf();
  check(!file.bad(), path, " cannot be read to its end: ", std::strerror(errno), ".");
  return std::move(bytes).str();
}

void check_json_depth(std::string_view text, const std::string& where) {
  constexpr int most = 200;
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_text = !in_text;
    } else if (!in_text && (c == '[' || c == '{')) {
      check(++depth <= most, where, ": lists and objects lie more than ", most,
            " deep in each other; restore the file or make it again.");
    } else if (!in_text && (c == ']' || c == '}')) {
      --depth;
    }
  }
}

std::string excerpt(const Json& value, std::size_t most) {
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() > most ? text.substr(0, most - 3) + "..." : text;
}

Json read_json(const std::string& path) {
  const std::string text = read_file(path);
  check_json_depth(text, path);
  return parse_json(text, path);
}

void write_file(const std::string& path,
                const std::function<void(const WriteBytes& write)>& produce,
                const std::function<Patch()>& patch) {
  TemporaryFile file(path);
  produce([&](const void* data, std::size_t bytes) { file.write(data, bytes); });
  if (patch) file.patch(patch());
  file.finish();
}

void write_file(const std::string& path, std::string_view bytes) {
  write_file(path, [&](const WriteBytes& write) { write(bytes.data(), bytes.size()); });
}

void check_can_write(const std::string& path) {
  const TemporaryFile file(path);
}

void write_json(const std::string& path, const Json& value) {
  std::string text;
  try {
    text = value.dump(1) + "\n";
  } catch (const Json::exception&) {
    fail(path, " cannot be written as JSON: a text in it is not UTF-8.");
  }
  write_file(path, text);
}

Json number_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

void remove_written(const std::string& path) {
  namespace fs = std::filesystem;
  for (const std::string& file : {path, path + temporary_suffix}) {
    std::error_code error;
    if (fs::is_directory(fs::symlink_status(file, error))) continue;
    error.clear();
    fs::remove(file, error);
    check(!error, file, " cannot be removed: ", error.message(), ".");
  }
}

bool remove_empty(const std::string& folder) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(folder, error);
  return std::filesystem::is_directory(status) && std::filesystem::remove(folder, error);
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  check(!error && std::filesystem::is_directory(path), "the folder ", path,
        " cannot be made: ", error ? error.message() : "a file of that name is in the way",
        ". Choose another with --run=FOLDER.");
}

std::string checksum(std::string_view bytes) {
  ByteChecksum sum;
  for (std::size_t at = 0; at < bytes.size(); at += kChecksumBlock) {
    stop_point();
    sum.add(bytes.substr(at, kChecksumBlock));
  }
  return sum.text();
}

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
