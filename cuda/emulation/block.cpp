#include "cuda/emulation/block.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

#include "cuda/emulation/device_memory.h"
#include "cuda/emulation/faults.h"
#include "cuda/emulation/fibres.h"
#include "cuda/emulation/memory_check.h"
#include "cuda/emulation/shared_memory.h"
#include "support/choices.h"
#include "support/error.h"

namespace emulation {
namespace {

/// Where threads wait until all have come: a block's barrier, or lanes of a warp.
struct Meeting {
  unsigned number = 0;  // of times it was held
  int arrived = 0;
  unsigned mask = 0;
  Place place{};
};

struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
  int group;
};

struct Thread {
  enum State { unborn, running, waiting, done } state = unborn;
  Fibre* fibre = nullptr;
  const Meeting* meeting = nullptr;
  unsigned number = 0;       // of the meeting that it waits for
  std::vector<Copy> copies;  // cp.async: not yet arrived
  int groups = 0;            // committed
};

struct Warp {
  Meeting meetings[warpSize];  // by the lowest lane of the mask
};

/// The block that runs: one for the program, as launches take turns.
struct Block {
  Launch launch;
  std::vector<Thread> threads;
  std::vector<uint3> index;  // threadIdx of each
  std::vector<Warp> warps;
  Meeting barrier;
  int count = 0;                  // of threads
  int votes = 0, last_votes = 0;  // of the coming barrier, of the one before
  void (*body)(const void*) = nullptr;
  const void* argument = nullptr;
  std::exception_ptr error;
  RunOrder order = RunOrder::forward;
};
Block block;
std::mutex one_launch;
thread_local bool runs_kernel = false;

Thread& thread_of(int t) {
  return block.threads[static_cast<std::size_t>(t)];
}
Thread& me() {
  return thread_of(running.thread);
}
Warp& my_warp() {
  return block.warps[static_cast<std::size_t>(running.thread / warpSize)];
}

void name_thread(int t) {
  running.thread = t;
  threadIdx = block.index[static_cast<std::size_t>(t)];
}

bool may_run(const Thread& t) {
  return t.state == Thread::unborn || (t.state == Thread::waiting && t.meeting->number != t.number);
}

/// The first of [from, to) that may run, the last if reversed; -1 if none.
int find_thread(int from, int to) {
  if (block.order == RunOrder::reversed) {
    for (int t = to - 1; t >= from; --t)
      if (may_run(thread_of(t))) return t;
  } else {
    for (int t = from; t < to; ++t)
      if (may_run(thread_of(t))) return t;
  }
  return -1;
}

/// The thread to go on with: of this warp if one can, else of another; -1 if none can.
int choose() {
  const int now = running.thread, warp = now / warpSize * warpSize;
  const int end = std::min(warp + warpSize, block.count);
  std::pair<int, int> order[] = {{now + 1, end}, {warp, now + 1}, {end, block.count}, {0, warp}};
  if (block.order == RunOrder::reversed)
    std::swap(order[0], order[1]), std::swap(order[2], order[3]);
  for (const auto& [from, to] : order)
    if (const int t = find_thread(from, to); t >= 0) return t;
  return -1;
}

std::string text_of_index(uint3 i) {
  return ramoe::cat('(', i.x, ',', i.y, ',', i.z, ')');
}

std::string text_of_error(const std::string& line, int thread, const std::string& what) {
  return ramoe::cat(line, ": ", name_of_thread(thread), ' ', what);
}

/// Error if a thread still waits, now that no thread can go on.
void check_all_done() {
  const Thread *waiting = nullptr, *other = nullptr;
  for (const Thread& t : block.threads)
    if (t.state == Thread::waiting && !waiting) waiting = &t;
  if (!waiting) return;
  for (const Thread& t : block.threads)
    if (t.state == Thread::done || (t.state == Thread::waiting && t.meeting != waiting->meeting))
      if (!other) other = &t;
  std::string text = "waits for ever: ";
  if (!other) {
    text += "lanes of its mask do not exist";
  } else {
    const int number = static_cast<int>(other - block.threads.data());
    text += "thread " + text_of_index(block.index[static_cast<std::size_t>(number)]);
    text += other->state == Thread::done ? std::string(" has returned")
                                         : " waits at " + text_of(other->meeting->place);
  }
  const int number = static_cast<int>(waiting - block.threads.data());
  ramoe::fail(text_of_error(text_of(waiting->meeting->place), number, text));
}

/// A fibre's life: to run threads that begin, one after the other.
void live() {
  arrived_in_new_fibre();
  for (;;) {
    Thread& thread = me();
    thread.fibre = &present_fibre();
    thread.state = Thread::running;
    try {
      block.body(block.argument);
    } catch (...) {
      const Deaf guard;
      block.error = std::current_exception();
    }
    if (!waited[running.thread] && !block.error)
      complain_later(line_of(block.launch.code),
                     "ends without wait_for_earlier_kernels(), the first line of every kernel");
    thread.state = Thread::done;
    const int next = block.error ? -1 : choose();
    if (next >= 0) name_thread(next);
    if (next >= 0 && thread_of(next).state == Thread::unborn) continue;
    rest();
    switch_to(next < 0 ? main_fibre() : *thread_of(next).fibre);
  }
}

/// Lets others run until the meeting has been held.
void wait(const Meeting& meeting) {
  Thread& mine = me();
  const int number = running.thread;
  mine.state = Thread::waiting;
  mine.meeting = &meeting;
  mine.number = meeting.number;
  const int next = choose();
  if (next < 0) switch_to(main_fibre());  // and never back: nobody can go on
  name_thread(next);
  Thread& thread = thread_of(next);
  switch_to(thread.state == Thread::unborn ? idle_fibre(live) : *thread.fibre);
  mine.state = Thread::running;
  name_thread(number);
}

/// The first to come says where; true for the last, who ends the meeting when all is done.
bool arrive(Meeting& meeting, int members, Place place) {
  if (meeting.arrived == 0)
    meeting.place = place;
  else if (meeting.place.line != place.line || std::strcmp(meeting.place.file, place.file) != 0)
    complain(place, "comes to this barrier while others wait at ", meeting.place);
  return ++meeting.arrived == members;
}
void hold(Meeting& meeting) {
  meeting.arrived = 0;
  ++meeting.number;
}

void run_block() {
  Block& b = block;
  for (Thread& t : b.threads) {
    t.state = Thread::unborn;
    t.copies.clear();
    t.groups = 0;
  }
  std::memset(waited, 0, sizeof waited);
  std::fill(b.warps.begin(), b.warps.end(), Warp{});
  b.barrier = {};
  b.votes = 0;
  ++running.block;
  running.barriers = 0;
  clear_shared();
  if (watching) check_new_block();
  name_thread(b.order == RunOrder::reversed ? b.count - 1 : 0);
  runs_kernel = true;
  switch_to(idle_fibre(live));
  runs_kernel = false;
  running.thread = -1;
  if (some_fibre_waits()) {  // and never will go on
    forget_fibres(live);
    if (!b.error) check_all_done();
  }
  if (b.error) std::rethrow_exception(std::exchange(b.error, nullptr));
}

void prepare(const Launch& launch) {
  const auto& [kernel, blocks, threads, shared_bytes, code] = launch;
  const std::size_t count = std::size_t{threads.x} * threads.y * threads.z;
  ramoe::check(count >= 1 && count <= 1024, kernel, ": a block has 1 to 1024 threads, not ", count);
  ramoe::check(shared_bytes <= kMostShared, kernel,
               ": a block has at most 227 KiB of shared memory");
  ramoe::check(blocks.y <= 65535 && blocks.z <= 65535, kernel,
               ": a grid has at most 65535 blocks in y and in z");
  Block& b = block;
  b.launch = launch;
  gridDim = blocks;
  blockDim = threads;
  b.count = static_cast<int>(count);
  b.warps.resize((count + warpSize - 1) / warpSize);
  b.threads.resize(count);
  b.index.clear();
  for (unsigned z = 0; z < threads.z; ++z)
    for (unsigned y = 0; y < threads.y; ++y)
      for (unsigned x = 0; x < threads.x; ++x) b.index.push_back({x, y, z});
  place_shared(shared_bytes);
  static const bool once = [] {
    const char* order = std::getenv("RAMOE_CUDA_ORDER");
    if (order) block.order = ramoe::from_name<RunOrder>(order, "RAMOE_CUDA_ORDER");
    return true;
  }();
  (void)once;
}

/// The i-th block to run; steps of `step` blocks come to all of them.
std::size_t place_in_order(std::size_t i, std::size_t blocks, std::size_t step) {
  if (block.order == RunOrder::mixed) return i * step % blocks;
  return block.order == RunOrder::reversed ? blocks - 1 - i : i;
}

}  // namespace

void run_grid(const Launch& launch, void (*body)(const void*), const void* argument,
              std::size_t bytes) {
  const std::lock_guard lock(one_launch);
  watch_faults_of_this_thread();
  prepare(launch);
  block.body = body;
  block.argument = argument;
  if (watching) check_new_launch(argument, bytes, dynamic_shared(), launch.shared_bytes);
  const Access access;
  const auto [X, Y, Z] = launch.blocks;
  const std::size_t blocks = std::size_t{X} * Y * Z;
  std::size_t step = blocks / 2 + 1;
  while (std::gcd(step, blocks) != 1) ++step;
  for (std::size_t i = 0; i < blocks; ++i) {
    const std::size_t at = place_in_order(i, blocks, step);
    blockIdx = {static_cast<unsigned>(at % X), static_cast<unsigned>(at / X % Y),
                static_cast<unsigned>(at / X / Y)};
    run_block();
  }
}

void check_pointer(std::string_view kernel, int number, const volatile void* pointer) {
  const void* const at = const_cast<const void*>(pointer);
  ramoe::check(!at || is_device(at), kernel, ": argument ", number, " is ", at,
               ", a pointer into the host's memory; a kernel takes memory of the GPU");
}

void take_order(RunOrder order) {
  const std::lock_guard lock(one_launch);
  block.order = order;
}

void meet_block(Place place) {
  if (!arrive(block.barrier, block.count, place)) return wait(block.barrier);
  block.last_votes = std::exchange(block.votes, 0);
  hold(block.barrier);
  running.barriers = block.barrier.number;
}

int vote_in_block(bool vote, Place place) {
  block.votes += vote;
  meet_block(place);
  return block.last_votes;
}

int lane() {
  return running.thread % warpSize;
}

unsigned lanes_alive() {
  unsigned mask = 0;
  const int warp = running.thread / warpSize * warpSize;
  for (int l = 0; l < warpSize && warp + l < block.count; ++l)
    if (thread_of(warp + l).state != Thread::done) mask |= 1u << l;
  return mask;
}

namespace {
bool arrive_in_warp(unsigned mask, Lane mine, Place place, Meeting*& meeting) {
  if (!(mask >> lane() & 1)) complain(place, "calls an exchange without being in its mask");
  Warp& warp = my_warp();
  meeting = &warp.meetings[std::countr_zero(mask)];
  if (meeting->arrived > 0 && meeting->mask != mask)
    complain(place, "comes to an exchange with another mask than the lanes that wait");
  meeting->mask = mask;
  lanes_of_warp[running.thread / warpSize][lane()] = mine;
  return arrive(*meeting, std::popcount(mask), place);
}
}  // namespace

void meet_warp(unsigned mask, Lane mine, void (*answer)(const Lane*, unsigned), Place place) {
  Meeting* meeting = nullptr;
  if (!arrive_in_warp(mask, mine, place, meeting)) return wait(*meeting);
  answer(lanes_of_warp[running.thread / warpSize], mask);
  hold(*meeting);
}

void order_warp(unsigned mask, Place place) {
  Meeting* meeting = nullptr;
  if (!arrive_in_warp(mask, {}, place, meeting)) return wait(*meeting);
  if (watching) check_order_warp(running.thread / warpSize, mask);
  hold(*meeting);
}

void copy_later(void* to, const void* from, std::size_t bytes) {
  if (watching) check_copy_begins(to, from, bytes, __builtin_return_address(0));
  const Deaf guard;
  std::memset(to, 0xff, bytes);  // until it is waited for nothing is known of it
  me().copies.push_back({to, from, bytes, me().groups});
}
void commit_copies() {
  ++me().groups;
}
void wait_copies(int left) {
  const Deaf guard;
  Thread& mine = me();
  std::erase_if(mine.copies, [&](const Copy& c) {
    if (c.group >= mine.groups - left) return false;
    if (c.from)
      std::memcpy(c.to, c.from, c.bytes);
    else
      std::memset(c.to, 0, c.bytes);
    if (watching) check_copy_arrives(c.to, c.bytes);
    return true;
  });
}

void complain(Place place, const char* what, Place other) {
  const Deaf guard;
  const std::string text = other.file ? what + text_of(other) : what;
  throw ramoe::Error(text_of_error(text_of(place), running.thread, text));
}

void complain_later(const std::string& line, const std::string& what) {
  const Deaf guard;
  if (!block.error)
    block.error = std::make_exception_ptr(ramoe::Error(text_of_error(line, running.thread, what)));
}

bool complained() {
  return block.error != nullptr;
}

void leave_for_ever() {
  for (;;) switch_to(main_fibre());
}

bool this_thread_runs_kernel() {
  return runs_kernel;
}

std::string name_of_thread(int thread) {
  return ramoe::cat(block.launch.kernel, ", block ", text_of_index(blockIdx), ", thread ",
                    text_of_index(block.index[static_cast<std::size_t>(thread)]));
}
std::string name_of_present_thread() {
  return name_of_thread(running.thread);
}

}  // namespace emulation
