#include "support/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "support/error.h"

namespace ramoe {
namespace {

TEST(Parallel, EveryIndexOnceForAnyThreadsAndGrain) {
  for (int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    const PoolScope scope(pool);
    for (int n : {0, 1, 2, 7, 64, 1000}) {
      for (int grain : {1, 2, 3, 64, 5000}) {
        std::vector<std::atomic<int>> visits(static_cast<std::size_t>(n));
        parallel_for(n, grain, [&](int begin, int end) {
          EXPECT_EQ(begin % grain, 0);  // pieces depend on the range alone
          EXPECT_EQ(end, std::min(n, begin + grain));
          for (int i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
        });
        for (const auto& v : visits) EXPECT_EQ(v.load(), 1);
      }
    }
  }
}

TEST(Parallel, WithoutAPoolRunsHereInOrder) {
  ASSERT_EQ(ThreadPool::current(), nullptr);
  std::vector<int> order;
  parallel_for(5, 2, [&](int begin, int) { order.push_back(begin); });
  EXPECT_EQ(order, (std::vector<int>{0, 2, 4}));
}

// A worker that comes late must not touch a loop that is over: each round's body and sums die with
// the round, so under AddressSanitizer a late touch is an error, and here a wrong sum.
TEST(Parallel, ThousandsOfShortLoops) {
  ThreadPool pool(4);
  const PoolScope scope(pool);
  for (int round = 0; round < 3000; ++round) {
    auto sums = std::make_unique<std::vector<int>>(7, -1);
    parallel_for(7, 1, [&sums = *sums, round](int begin, int) {
      sums[static_cast<std::size_t>(begin)] = round + begin;
    });
    for (int i = 0; i < 7; ++i) ASSERT_EQ((*sums)[static_cast<std::size_t>(i)], round + i);
    // Now and then let the workers fall asleep.
    if (round % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

TEST(Parallel, WorkersTakePartAndAreWaitedFor) {
  ThreadPool pool(2);
  const PoolScope scope(pool);
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> arrived{0};
  std::atomic<bool> met{true}, worker_done{false};
  // Both blocks wait for each other, so each has a thread (one alone would never finish, hence the
  // way out); then the worker is late.
  parallel_for(2, 1, [&](int, int) {
    ++arrived;
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (arrived.load() < 2 && met.load()) {
      if (std::chrono::steady_clock::now() > limit) met = false;
      std::this_thread::yield();
    }
    if (std::this_thread::get_id() == caller) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    worker_done = true;
  });
  EXPECT_TRUE(met.load());
  EXPECT_TRUE(worker_done.load());
}

// The thread that called looks at the flag; the others stop with their present block.
TEST(Parallel, StopsBetweenBlocksIfTheFlagIsSet) {
  for (const int threads : {0, 1, 3}) {
    std::optional<ThreadPool> pool;
    std::optional<PoolScope> scope;
    if (threads > 0) scope.emplace(pool.emplace(threads));
    std::atomic<bool> flag{false};
    std::atomic<int> visits{0};
    const auto caller = std::this_thread::get_id();
    bool wait = false;  // so that the caller comes to look before the others have done all blocks
    const auto loop = [&] {
      parallel_for(100000, 1, [&](int, int) {
        ++visits;
        flag = true;
        if (wait && std::this_thread::get_id() != caller)
          std::this_thread::sleep_for(std::chrono::microseconds(100));
      });
    };
    loop();
    EXPECT_EQ(visits.exchange(0), 100000) << "nobody was to look";
    flag = false;
    wait = true;
    const StopScope stop(&flag);
    EXPECT_THROW(loop(), Interrupted);
    EXPECT_LT(visits.exchange(0), 100000);
    EXPECT_THROW(loop(), Interrupted);
    const StopScope whole(nullptr);
    visits = 0;
    wait = false;
    loop();
    EXPECT_EQ(visits, 100000);
  }
}

TEST(Parallel, AnExceptionComesBackAndThePoolGoesOn) {
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    const PoolScope scope(pool);
    for (int round = 0; round < 50; ++round) {
      EXPECT_THROW(parallel_for(100, 1,
                                [](int begin, int) {
                                  if (begin % 10 == 3) throw std::out_of_range("block");
                                }),
                   std::out_of_range);
      EXPECT_EQ(ThreadPool::current(), &pool);
      std::atomic<int> sum{0};
      parallel_for(100, 7, [&](int begin, int end) { sum += end - begin; });
      EXPECT_EQ(sum.load(), 100);
    }
  }
}

TEST(Parallel, NestedLoopsRunSerially) {
  ThreadPool pool(3);
  const PoolScope scope(pool);
  std::atomic<int> sum{0}, elsewhere{0};
  parallel_for(20, 1, [&](int, int) {
    if (ThreadPool::current() != nullptr) ++elsewhere;
    const std::thread::id outer = std::this_thread::get_id();
    parallel_for(10, 1, [&](int, int) {
      if (std::this_thread::get_id() != outer) ++elsewhere;
      ++sum;
    });
    const PoolScope inner(pool);  // even when the busy pool is named again
    parallel_for(10, 1, [&](int, int) {
      if (std::this_thread::get_id() != outer) ++elsewhere;
      ++sum;
    });
  });
  EXPECT_EQ(sum.load(), 400);
  EXPECT_EQ(elsewhere.load(), 0);
}

TEST(Parallel, ScopesNestAndBelongToTheirThread) {
  ThreadPool one(2), two(2);
  {
    const PoolScope a(one);
    EXPECT_EQ(ThreadPool::current(), &one);
    {
      const PoolScope b(two);
      EXPECT_EQ(ThreadPool::current(), &two);
    }
    EXPECT_EQ(ThreadPool::current(), &one);
    ThreadPool* seen = &one;
    std::thread([&] { seen = ThreadPool::current(); }).join();
    EXPECT_EQ(seen, nullptr);
  }
  EXPECT_EQ(ThreadPool::current(), nullptr);
}

TEST(Parallel, TwoThreadsMayShareAPool) {
  ThreadPool pool(3);
  auto many_loops = [&pool](int& wrong) {
    const PoolScope scope(pool);
    for (int round = 0; round < 500; ++round) {
      std::atomic<int> sum{0};
      parallel_for(16, 1, [&](int begin, int) { sum += begin; });
      if (sum.load() != 120) ++wrong;
    }
  };
  int wrong_here = 0, wrong_there = 0;
  std::thread other([&] { many_loops(wrong_there); });
  many_loops(wrong_here);
  other.join();
  EXPECT_EQ(wrong_here + wrong_there, 0);
}

TEST(Parallel, BadSizesAreErrors) {
  EXPECT_THROW(ThreadPool(0), Error);
  EXPECT_THROW(ThreadPool(-3), Error);
  ThreadPool pool(2);
  EXPECT_THROW(pool.run(
                   5, 0, [](const void*, int, int) {}, nullptr),
               Error);
}

}  // namespace
}  // namespace ramoe
