// What a student's code must not be able to do, one at a time: attack WHAT ARGUMENT. Prints "done"
// if it could. Run under single guards by tests/labs/guard_test.cpp.
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

bool forks() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  return child > 0;
}

/// As many processes as it can get, each asleep; whether there were more than 500.
bool bombs() {
  int count = 0;
  for (; count < 600; ++count) {
    const pid_t child = fork();
    if (child < 0) break;
    if (child == 0) {
      pause();
      _exit(0);
    }
  }
  return count > 500;
}

/// A process that leaves the group and outlives its parents.
bool leaves_one(const char* file) {
  if (fork() == 0) {
    setsid();
    if (fork() == 0) {
      sleep(1);
      close(open(file, O_CREAT | O_WRONLY, 0666));
      _exit(0);
    }
    _exit(0);
  }
  usleep(100000);
  return true;
}

bool writes(const char* file) {
  const int out = open(file, O_CREAT | O_WRONLY, 0666);
  return out >= 0 && write(out, "x", 1) == 1;
}

bool reads(const char* file) {
  char byte;
  const int in = open(file, O_RDONLY);
  return in >= 0 && read(in, &byte, 1) >= 0;
}

bool connects(const char* port) {
  const int socket_ = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return socket_ >= 0 &&
         connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

bool takes_memory(std::size_t wanted = std::size_t(1) << 30) {
  for (std::size_t taken = 0; taken < wanted; taken += 1 << 20) {
    void* more = std::malloc(1 << 20);
    if (more == nullptr) return false;
    std::memset(more, 1, 1 << 20);
  }
  return true;
}

/// Four processes of 100 MiB each, which stay a while.
bool takes_memory_by_children() {
  for (int i = 0; i < 4; ++i)
    if (fork() == 0) {
      takes_memory(100 << 20);
      sleep(10);
      _exit(0);
    }
  while (wait(nullptr) > 0) {
  }
  return true;
}

bool fills_a_file() {
  signal(SIGXFSZ, SIG_IGN);
  const int out = open("large", O_CREAT | O_WRONLY, 0666);
  const std::vector<char> block(1 << 20, 'x');
  for (int i = 0; i < 100; ++i)
    if (write(out, block.data(), block.size()) != static_cast<ssize_t>(block.size())) return false;
  return true;
}

bool attack(const std::string& what, const char* argument) {
  if (what == "nothing") return true;
  if (what == "fork") return forks();
  if (what == "bomb") return bombs();
  if (what == "leave") return leaves_one(argument);
  if (what == "write") return writes(argument);
  if (what == "read") return reads(argument);
  if (what == "connect") return connects(argument);
  if (what == "memory") return takes_memory();
  if (what == "memory_of_children") return takes_memory_by_children();
  if (what == "fill") return fills_a_file();
  if (what == "kill") return kill(getppid(), 0) == 0 && getppid() > 1;
  if (what == "kill_all") return kill(std::atoi(argument), 0) == 0;
  if (what == "exec") execl("/bin/echo", "echo", "done", nullptr);
  if (what == "ptrace") return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0;
  if (what == "root") return setuid(0) == 0;
  if (what == "spin")
    for (volatile int i = 0; i == 0;) {
    }
  while (what == "sleep") pause();
  if (what == "crash") *reinterpret_cast<volatile int*>(argument - argument) = 1;
  if (what == "abort") abort();
  return false;
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) return 2;
  std::puts(attack(words[1], words[2]) ? "done" : "could not");
}
