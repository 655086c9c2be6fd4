// Runs a program that is not trusted: guard [--key=value ...] -- program arguments
//
//   --seconds=10 --memory=2048 (MiB) --scratch=FOLDER --read=PATH (again for more)
//   --report=3 --facts=4  descriptors: the program's 3, and where one line of JSON says what
//                         happened; 0 to 2 are this process's
//   --reserves             the program reserves addresses without memory: they are not limited, and
//                          the memory that it has is only watched
//   --without=NAME,NAME   switches guards off, to try the others alone
//
// Three processes: this one watches the clock and the memory; the first of the new tree waits; the
// program.
// tutorial/tools/grade_run.py starts it; tutorial/grading.md says what the guards are.
#include <poll.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <sstream>

#include "landlock.h"
#include "limits.h"
#include "system_calls.h"

namespace guard {
namespace {

/// What the waiting process tells the watching one.
struct Ended {
  int status;
  long peak_kib;
  double processor_seconds;
};

volatile std::sig_atomic_t told_to_stop = 0;

double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

Plan parse(int count, char** words) {
  Plan plan;
  int at = 1;
  for (; at < count && std::string(words[at]) != "--"; ++at) {
    const std::string word = words[at];
    const std::string key = word.substr(0, word.find('='));
    const std::string value = word.substr(std::min(word.size(), key.size() + 1));
    if (key == "--seconds")
      plan.seconds = std::stod(value);
    else if (key == "--memory")
      plan.memory_mib = std::stol(value);
    else if (key == "--reserves")
      plan.reserves = true;
    else if (key == "--scratch")
      plan.scratch = value;
    else if (key == "--report")
      plan.report = std::stoi(value);
    else if (key == "--facts")
      plan.facts = std::stoi(value);
    else if (key == "--read")
      plan.read.push_back(value);
    else if (key == "--without") {
      std::istringstream names(value);
      for (std::string name; std::getline(names, name, ',');) plan.without.insert(name);
    } else {
      std::cerr << "guard: " << word << ": unknown option\n";
      std::exit(2);
    }
  }
  plan.command.assign(words + std::min(at + 1, count), words + count);
  if (plan.command.empty() || plan.scratch.empty()) {
    std::cerr << "guard: expected --scratch=FOLDER -- program arguments\n";
    std::exit(2);
  }
  return plan;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text)
    if (c != '"' && c != '\\' && c >= ' ') out += c;
  return out + "\"";
}

/// The program's process: all guards, then exec. What held is said on `said` first.
[[noreturn]] void become_program(const Plan& plan, Held held, int said) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool in_view = enter_view(plan, held);
  const std::string scratch = in_view ? "/tmp" : plan.scratch;
  limit_resources(plan, held);
  give_up_rights(plan, held, in_view);
  if (held["process limit"] != "off" && geteuid() == nobody) {  // nobody's only now
    held["process limit"] = "on";
    limit(RLIMIT_NPROC, 64);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of user has cleared it
  if (chdir(scratch.c_str()) != 0) _exit(126);
  enter_landlock(plan, held, scratch);
  if (wanted(plan, held, "system calls") && !refuse_system_calls()) held["system calls"] = why();
  std::string line;
  for (const auto& [name, state] : held)
    line += (line.empty() ? "" : ",") + quoted(name) + ":" + quoted(state);
  if (write(said, line.data(), line.size()) < 0) _exit(126);
  close_range(4, ~0u, 0);
  const std::string temporary = "TMPDIR=" + scratch, home = "HOME=" + scratch;
  const char* const second = plan.without.contains("system calls") ? "GUARD_EXEC=1" : "GUARD_EXEC=";
  std::vector<char*> environment, words;
  for (const char* word : {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "RAMOE_MEMORY_GB=1",
                           temporary.c_str(), home.c_str(), second})
    environment.push_back(const_cast<char*>(word));
  for (const std::string& word : plan.command) words.push_back(const_cast<char*>(word.c_str()));
  environment.push_back(nullptr);
  words.push_back(nullptr);
  execve(words[0], words.data(), environment.data());
  std::fprintf(stderr, "guard: %s: %s\n", words[0], std::strerror(errno));
  _exit(127);
}

/// The first process of the tree: starts the program, waits for it, reaps what it leaves.
[[noreturn]] void wait_for_program(const Plan& plan, const Held& held, int said, int ended) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_DUMPABLE, 0);
  setsid();
  const pid_t program = fork();
  if (program == 0) {
    close(ended);
    become_program(plan, held, said);
  }
  close(said);
  for (int fd = 0; fd < 4; ++fd) close(fd);
  int status = 0;
  pid_t found;
  do found = waitpid(-1, &status, 0);
  while (found != program && (found > 0 || errno == EINTR));
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  const Ended all = {status, usage.ru_maxrss, seconds(usage.ru_utime) + seconds(usage.ru_stime)};
  _exit(write(ended, &all, sizeof all) == sizeof all ? 0 : 1);
}

/// Kills what was adopted from the program, until nothing is left. In a tree of its own nothing is.
void kill_the_rest() {
  for (int round = 0; round < 1000; ++round) {
    bool any = false;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const std::string name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      std::ifstream file(entry.path() / "stat");
      std::string text;
      std::getline(file, text);
      const std::size_t close = text.rfind(')');
      if (close == std::string::npos) continue;
      std::istringstream rest(text.substr(close + 2));
      char state = 0;
      pid_t parent = 0;
      rest >> state >> parent;
      if (parent != getpid()) continue;
      any = true;
      kill(std::stoi(name), SIGKILL);
    }
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (!any) return;
    usleep(2000);
  }
}

/// What a file of /proc says. `proc` was opened before the view hides it, from this process too.
std::istringstream said_by(int proc, const std::string& name) {
  const int file = openat(proc, name.c_str(), O_RDONLY | O_CLOEXEC);
  std::string text(4096, '\0');
  const ssize_t length = file < 0 ? 0 : read(file, text.data(), text.size());
  if (file >= 0) close(file);
  return std::istringstream(text.substr(0, length > 0 ? static_cast<std::size_t>(length) : 0));
}

/// The memory that a process and all below it have now, in MiB.
long memory_below(int proc, pid_t process) {
  const std::string name = std::to_string(process);
  long addresses = 0, pages = 0;
  said_by(proc, name + "/statm") >> addresses >> pages;
  long sum = (pages * sysconf(_SC_PAGESIZE)) >> 20;
  std::istringstream children = said_by(proc, name + "/task/" + name + "/children");
  for (pid_t child; children >> child;) sum += memory_below(proc, child);
  return sum;
}

std::string read_all(int from) {
  std::string text(4096, '\0');
  const ssize_t length = read(from, text.data(), text.size());
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return text;
}

/// Whatever numbers they had, they become 3 and 4; others are closed.
void place_descriptors(const Plan& plan) {
  const int report = fcntl(plan.report, F_DUPFD, 10), facts = fcntl(plan.facts, F_DUPFD, 10);
  dup2(report, 3);
  dup2(facts, 4);
  close_range(5, ~0u, 0);
}

int run(const Plan& plan) {
  place_descriptors(plan);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  struct sigaction action {};
  action.sa_handler = [](int) { told_to_stop = 1; };
  sigaction(SIGTERM, &action, nullptr);
  Held held;
  const int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (!plan.without.contains("view of files")) mkdir((plan.scratch + "/.view").c_str(), 0755);
  enter_namespaces(plan, held);
  if (wanted(plan, held, "memory watch")) {
    const std::string self = std::to_string(getpid());
    const std::string children = self + "/task/" + self + "/children";
    if (faccessat(proc, children.c_str(), R_OK, 0) != 0)
      held["memory watch"] = "no /proc/" + children;
  }
  const bool watched = held["memory watch"] == "on";
  int said[2], ended[2];
  if (pipe2(said, O_CLOEXEC) != 0 || pipe2(ended, O_CLOEXEC) != 0) return 2;
  const double began = now();
  const pid_t first = fork();
  if (first < 0) return 2;
  if (first == 0) wait_for_program(plan, held, said[1], ended[1]);
  close(said[1]);
  close(ended[1]);
  for (int fd = 0; fd < 4; ++fd)
    if (fd != proc) close(fd);
  Ended all = {-1, 0, 0};
  bool known = false, late = false, swollen = false;
  while (!known && !late && !swollen && told_to_stop == 0) {
    const double left = began + plan.seconds - now(), nap = watched ? 0.02 : left;
    pollfd waiting = {ended[0], POLLIN, 0};
    const int ready =
        poll(&waiting, 1, left > 0 ? static_cast<int>(1e3 * std::min(left, nap)) + 1 : 0);
    if (ready > 0 && read(ended[0], &all, sizeof all) != sizeof all) break;
    known = ready > 0;
    late = ready == 0 && now() >= began + plan.seconds;
    swollen = ready == 0 && watched && memory_below(proc, first) > plan.memory_mib;
  }
  kill(first, SIGKILL);
  waitpid(first, nullptr, 0);
  kill_the_rest();
  char line[256];
  std::snprintf(line, sizeof line,
                "{\"known\":%s,\"late\":%s,\"swollen\":%s,\"code\":%d,\"signal\":%d,"
                "\"seconds\":%.3f,\"processor\":%.3f,\"peak_mib\":%ld,\"guards\":{",
                known ? "true" : "false", late ? "true" : "false", swollen ? "true" : "false",
                known && WIFEXITED(all.status) ? WEXITSTATUS(all.status) : -1,
                known && WIFSIGNALED(all.status) ? WTERMSIG(all.status) : 0, now() - began,
                all.processor_seconds, all.peak_kib / 1024);
  const std::string text = line + read_all(said[0]) + "}}\n";
  return write(4, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 2;
}

}  // namespace
}  // namespace guard

int main(int count, char** words) {
  return guard::run(guard::parse(count, words));
}
