// A process that has memory and can give it back, for tests of the reclaim protocol:
//
//   reclaim_client [--device UUID] [--bytes N] [--priority N] [--name TEXT] [--behave WORD]
//                  [--strategy WORD]
//
// It fills N bytes of the host, or of a GPU through the driver that is there (the simulated one, in
// tests), and offers to clear them as a cache, or what else the strategy is. How it behaves when it
// is asked: "honest" frees what is wanted and says so, "lie" frees nothing and says that it did,
// "refuse", "throw", "hang" never answers, "late" answers a second after the deadline, "die" ends
// at once, "fork" is honest and has a child that outlives it and holds its connection open, whose
// pid it says. A line on standard input ends it.
#include <dlfcn.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "levee/reclaim.hpp"

namespace {

using namespace levee;

constexpr std::size_t kBlock = std::size_t{16} << 20;

/// Memory in blocks that go back to the machine one by one.
class Cache {
 public:
  Cache() = default;
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  virtual ~Cache() = default;
  virtual void fill(std::size_t bytes) = 0;
  virtual std::size_t drop(std::size_t bytes) = 0;
};

class HostCache final : public Cache {
 public:
  void fill(std::size_t bytes) override {
    for (std::size_t have = 0; have < bytes; have += kBlock) {
      blocks_.push_back(std::make_unique<char[]>(kBlock));
      std::memset(blocks_.back().get(), 1, kBlock);
    }
  }
  std::size_t drop(std::size_t bytes) override {
    std::size_t freed = 0;
    while (freed < bytes && !blocks_.empty()) {
      blocks_.pop_back();  // Large blocks are mapped one by one: they go back at once.
      freed += kBlock;
    }
    return freed;
  }

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
};

class GpuCache final : public Cache {
 public:
  explicit GpuCache(const std::string& uuid) {
    void* const library = ::dlopen("libcuda.so.1", RTLD_NOW);
    if (library == nullptr) {
      throw std::runtime_error(::dlerror());
    }
    const auto find = [&]<class F>(F*& function, const char* name) {
      function = reinterpret_cast<F*>(::dlsym(library, name));
      if (function == nullptr) {
        throw std::runtime_error(fmt::format("no {}", name));
      }
    };
    find(init_, "cuInit");
    find(count_, "cuDeviceGetCount");
    find(uuid_, "cuDeviceGetUuid");
    find(retain_, "cuDevicePrimaryCtxRetain");
    find(use_, "cuCtxSetCurrent");
    find(alloc_, "cuMemAlloc_v2");
    find(free_, "cuMemFree_v2");
    open(uuid);
  }
  void fill(std::size_t bytes) override {
    for (std::size_t have = 0; have < bytes; have += kBlock) {
      need(alloc_(&blocks_.emplace_back(), kBlock), "cuMemAlloc");
    }
  }
  std::size_t drop(std::size_t bytes) override {
    need(use_(context_), "cuCtxSetCurrent");  // Callbacks run on another thread.
    std::size_t freed = 0;
    while (freed < bytes && !blocks_.empty()) {
      need(free_(blocks_.back()), "cuMemFree");
      blocks_.pop_back();
      freed += kBlock;
    }
    return freed;
  }

 private:
  struct Uuid {
    unsigned char bytes[16];
  };

  static void need(int result, const char* what) {
    if (result != 0) {
      throw std::runtime_error(fmt::format("{} returns {}", what, result));
    }
  }

  void open(const std::string& wanted) {
    need(init_(0), "cuInit");
    int devices = 0;
    need(count_(&devices), "cuDeviceGetCount");
    for (int device = 0; device < devices; ++device) {
      Uuid uuid{};
      need(uuid_(&uuid, device), "cuDeviceGetUuid");
      std::string text = "GPU-";
      for (std::size_t i = 0; i < sizeof uuid.bytes; ++i) {
        text += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                            uuid.bytes[i]);
      }
      if (text == wanted) {
        need(retain_(&context_, device), "cuDevicePrimaryCtxRetain");
        need(use_(context_), "cuCtxSetCurrent");
        return;
      }
    }
    throw std::runtime_error("there is no " + wanted);
  }

  int (*init_)(unsigned) = nullptr;
  int (*count_)(int*) = nullptr;
  int (*uuid_)(Uuid*, int) = nullptr;
  int (*retain_)(void**, int) = nullptr;
  int (*use_)(void*) = nullptr;
  int (*alloc_)(unsigned long long*, std::size_t) = nullptr;
  int (*free_)(unsigned long long) = nullptr;
  void* context_ = nullptr;
  std::vector<unsigned long long> blocks_;
};

ReclaimAnswer behave(const std::string& how, Cache& cache, const ReclaimRequest& request) {
  if (how == "lie") {
    return ReclaimAnswer::freed(request.bytes);
  }
  if (how == "refuse") {
    return ReclaimAnswer::refused("in the middle of something");
  }
  if (how == "throw") {
    throw std::runtime_error("the cache is broken");
  }
  if (how == "hang") {
    std::this_thread::sleep_for(std::chrono::hours{1});
  }
  if (how == "late") {
    std::this_thread::sleep_until(request.deadline + std::chrono::seconds{1});
  }
  if (how == "die") {
    ::_exit(3);
  }
  return ReclaimAnswer::freed(Bytes{cache.drop(request.bytes.count)}, "blocks of 16 MiB");
}

/// A child that holds all descriptors open, also those that fork() would have closed.
long child_with_the_connection() {
  const long child = ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  while (child == 0) {
    ::syscall(SYS_pause);
  }
  return child;
}

int run(std::map<std::string, std::string> options) {
  const std::string device = options.contains("--device") ? options["--device"] : "host";
  const std::string how = options["--behave"];
  const std::size_t bytes = std::stoull(options.contains("--bytes") ? options["--bytes"] : "0");
  std::unique_ptr<Cache> cache;
  if (device == "host") {
    cache = std::make_unique<HostCache>();
  } else {
    cache = std::make_unique<GpuCache>(device);
  }
  cache->fill(bytes);
  ReclaimClient client(
      {.name = options["--name"],
       .priority = options.contains("--priority") ? std::stoi(options["--priority"]) : 0});
  const auto strategy = parse_reclaim_strategy(
      options.contains("--strategy") ? options["--strategy"] : "clear_cache");
  const auto offered = client.on(
      strategy.value(), device,
      [&](const ReclaimRequest& request) { return behave(how, *cache, request); }, Bytes{bytes});
  const auto status = client.start();
  if (!offered || !status) {
    fmt::print(stderr, "{}\n", offered ? status.error().message : offered.error().message);
    return 1;
  }
  fmt::print("{}\n", status->is_registered ? status->client : status->trouble->message);
  std::cout.flush();
  if (how == "fork") {
    fmt::print("{}\n", child_with_the_connection());
  }
  std::cout.flush();
  std::string line;
  while (std::getline(std::cin, line) && line == "status") {
    const ReclaimStatus now = client.status();
    fmt::print("{}\n", now.is_registered ? now.client : "waiting");
    std::cout.flush();
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < argc; i += 2) {
    options[argv[i]] = argv[i + 1];
  }
  try {
    return run(options);
  } catch (const std::exception& exception) {
    fmt::print(stderr, "reclaim_client: {}\n", exception.what());
    return 1;
  }
}
