#include "support/parallel.h"

#include "support/error.h"

namespace ramoe {
namespace {

thread_local ThreadPool* pool_of_this_thread = nullptr;

// The state word: generation * kGeneration | kOpen if workers may join | number of workers inside.
constexpr std::uint64_t kOpen = std::uint64_t{1} << 31;
constexpr std::uint64_t kGeneration = std::uint64_t{1} << 32;
constexpr std::uint64_t kInside = kOpen - 1;

// Spin 15 to 40 us before sleeping: waking a worker costs more than most loops of a step. After
// that, idle workers leave the core to others.
constexpr int kSpins = 1000;

void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");  // takes as long as x86's pause; `yield` is mostly a nop
#else
  std::this_thread::yield();
#endif
}

}  // namespace

ThreadPool* ThreadPool::current() {
  return pool_of_this_thread;
}

PoolScope::PoolScope(ThreadPool& pool) : before_(pool_of_this_thread) {
  pool_of_this_thread = &pool;
}
PoolScope::~PoolScope() {
  pool_of_this_thread = before_;
}

ThreadPool::ThreadPool(int threads) {
  check(threads >= 1 && threads <= 1024, "threads = ", threads, ", expected 1 to 1024");
  workers_.reserve(static_cast<std::size_t>(threads - 1));
  try {
    for (int t = 1; t < threads; ++t) workers_.emplace_back([this] { work(); });
  } catch (...) {
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

void ThreadPool::stop() {
  {
    std::lock_guard lock(mutex_);
    stop_.store(true);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int n, int grain, BlockFunction block, const void* body) {
  check(grain >= 1, "grain = ", grain, ", expected at least 1");
  if (n <= 0) return;
  if (workers_.empty() || running_.exchange(true, std::memory_order_acquire)) {
    // No workers, or this pool already runs a loop: run the blocks in order on this thread.
    for (std::int64_t begin = 0; begin < n; begin += grain) {
      stop_point();
      block(body, static_cast<int>(begin),
            static_cast<int>(std::min<std::int64_t>(n, begin + grain)));
    }
    return;
  }
  // These are published by the store that opens the loop: a worker reads them after it has joined.
  n_ = n, grain_ = grain, block_ = block, body_ = body;
  next_.store(0, std::memory_order_relaxed);
  error_ = nullptr;

  // Open the loop. A worker that is about to sleep sees the open loop, or we see that it sleeps:
  // both sides write their own variable before they read the other's, and sequential consistency
  // puts these accesses in one order.
  const std::uint64_t generation = (state_.load(std::memory_order_relaxed) | (kGeneration - 1)) + 1;
  state_.store(generation | kOpen);
  if (sleeping_.load() > 0) {
    { std::lock_guard lock(mutex_); }
    wake_.notify_all();
  }

  ThreadPool* const before = pool_of_this_thread;
  pool_of_this_thread = nullptr;  // loops inside a block run serially
  take_blocks();
  pool_of_this_thread = before;

  // Close the loop. From here on nobody can join, and those inside leave when no block is left.
  // What they wrote, error_ too, is published by each one's last subtraction, which is read here.
  state_.fetch_and(~kOpen, std::memory_order_acq_rel);
  for (int spins = 0; (state_.load(std::memory_order_acquire) & kInside) != 0; ++spins) {
    if (spins < kSpins)
      pause_briefly();
    else
      std::this_thread::yield();
  }
  const std::exception_ptr error = std::move(error_);
  error_ = nullptr;
  running_.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(error);
}

void ThreadPool::take_blocks() {
  const int blocks = n_ / grain_ + (n_ % grain_ != 0);
  for (;;) {
    const std::int64_t b = next_.fetch_add(1, std::memory_order_relaxed);  // a number, no data
    if (b >= blocks) return;
    const std::int64_t begin = b * grain_, end = std::min<std::int64_t>(n_, begin + grain_);
    try {
      stop_point();  // on the pool's own threads only a check of a null pointer
      block_(body_, static_cast<int>(begin), static_cast<int>(end));
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      next_.store(blocks, std::memory_order_relaxed);  // no further block starts
    }
  }
}

bool ThreadPool::join_loop(std::uint64_t& seen) {
  std::uint64_t state = state_.load();
  while ((state & kOpen) != 0 && state / kGeneration != seen) {
    // The generation is part of the word, so we can only join the loop that we have seen, and only
    // while it is open. The caller then waits for us before the body of the loop is destroyed.
    if (state_.compare_exchange_weak(state, state + 1)) {
      seen = state / kGeneration;
      return true;
    }
  }
  return false;
}

void ThreadPool::work() {
  std::uint64_t seen = 0;  // the last generation joined
  for (;;) {
    bool inside = false;
    for (int spin = 0; spin < kSpins && !inside && !stop_.load(std::memory_order_relaxed); ++spin) {
      inside = join_loop(seen);
      if (!inside) pause_briefly();
    }
    if (!inside) {
      std::unique_lock lock(mutex_);
      sleeping_.fetch_add(1);
      wake_.wait(lock, [&] { return stop_.load() || (inside = join_loop(seen)); });
      sleeping_.fetch_sub(1);
    }
    if (!inside) return;  // stopped
    take_blocks();
    state_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace ramoe
