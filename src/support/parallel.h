// Support - work on several threads, with results that are bit-equal to those of one
//
// A parallel loop cuts its range into blocks that depend only on the range, not on the number of
// threads, and one block computes each output completely. So any number of threads gives the same
// bits.
//
// Between blocks the calling thread checks whether it has to stop (support/stop.h).
// Tests: tests/support/parallel_test.cpp
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "support/stop.h"

namespace ramoe {

/// A block of work: a plain function and its argument, so that starting a loop allocates nothing.
using BlockFunction = void (*)(const void* body, int begin, int end);

/// Threads that wait for parallel loops. Its owner is the one who runs a model; two models in one
/// process have two pools. The thread that calls `run` works too, so `threads` = 1 starts none.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls block(body, begin, end) for consecutive pieces of `grain` of [0, n), in any order and on
  /// any thread; returns when all are done. After an exception no further block starts, and the
  /// first exception is rethrown here. A pool runs one loop at a time: a second one, from inside a
  /// block or from another thread, runs serially on the thread that called it.
  void run(int n, int grain, BlockFunction block, const void* body);

  /// The pool that parallel_for uses on this thread: that of the innermost PoolScope, or nullptr.
  static ThreadPool* current();

 private:
  void work();                          // main loop of a worker
  void take_blocks();                   // runs blocks of the current loop until none is left
  bool join_loop(std::uint64_t& seen);  // unless it is closed or already seen
  void stop();

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // The number of the loop, whether workers may join, and how many are inside: one word, so that a
  // late worker can never join a loop whose caller has already returned.
  std::atomic<std::uint64_t> state_{0};
  std::atomic<std::int64_t> next_{0};  // the block to take next
  std::atomic<int> sleeping_{0};
  std::atomic<bool> stop_{false}, running_{false};
  int n_ = 0, grain_ = 1;
  BlockFunction block_ = nullptr;
  const void* body_ = nullptr;
  std::exception_ptr error_;  // guarded by mutex_ while a loop runs
};

/// During its lifetime parallel_for on this thread uses `pool`.
class PoolScope {
 public:
  explicit PoolScope(ThreadPool& pool);
  ~PoolScope();
  PoolScope(const PoolScope&) = delete;
  PoolScope& operator=(const PoolScope&) = delete;

 private:
  ThreadPool* before_;
};

/// Calls body(begin, end) for pieces of `grain` of [0, n). Without a pool, or with only one piece,
/// it runs on this thread.
/// The body must give the same result whatever the order of the pieces.
template <class Body>
void parallel_for(int n, int grain, const Body& body) {
  ThreadPool* pool = ThreadPool::current();
  if (n <= 0) return;
  if (pool == nullptr || pool->threads() == 1 || n <= grain) {
    for (int begin = 0; begin < n; begin += grain) {
      stop_point();
      body(begin, n - begin < grain ? n : begin + grain);
    }
    return;
  }
  pool->run(
      n, grain,
      [](const void* b, int begin, int end) { (*static_cast<const Body*>(b))(begin, end); }, &body);
}

/// The number of threads that parallel_for uses on this thread.
inline int threads_in_force() {
  const ThreadPool* pool = ThreadPool::current();
  return pool == nullptr ? 1 : pool->threads();
}

/// The grain of loops over rows of C elements: enough rows to be worth starting a thread.
inline int rows_per_block(int C) {
  constexpr int kElements = 16384;
  const int rows = kElements / (C > 1 ? C : 1);
  return rows > 1 ? rows : 1;
}

}  // namespace ramoe
