// An owner that grows to what it was promised while a neighbour takes all it sees free. It holds
// the promise in a balloon, says "held", waits for a line on its standard input, grows in pieces in
// one of several ways, and says what it got. See bench/thief.py.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "balloon/cuda_library.hpp"
#include "balloon/driver.hpp"
#include "balloon/holder.hpp"
#include "levee/balloon.hpp"
#include "levee/memory_spec.hpp"
#include "sources/process_files.hpp"
#include "sources/process_walk.hpp"
#include "sources/processes.hpp"

namespace {

using namespace levee;
using namespace std::chrono_literals;

struct Options {
  std::string way;
  std::string levee;
  Bytes promised;
  Bytes target;
  Bytes piece;
  Bytes step;
  Bytes spare;
  std::chrono::milliseconds look{5};
  std::chrono::milliseconds pause{0};  ///< Between two pieces.
  std::chrono::milliseconds retry{0};  ///< For a piece that is refused.
};

/// Memory that the owner allocates as any program does.
class Plain {
 public:
  Plain(std::shared_ptr<const balloon::CudaLibrary> cuda, cuda::Device device)
      : cuda_(std::move(cuda)) {
    static_cast<void>(cuda_->retain_context(&context_, device));
  }

  [[nodiscard]] bool grow(Bytes bytes) const {
    const balloon::EnteredContext entered(*cuda_, context_);
    cuda::DevicePtr address = 0;
    return cuda_->allocate(&address, bytes.count) == cuda::Result::success;
  }

 private:
  std::shared_ptr<const balloon::CudaLibrary> cuda_;
  cuda::Context context_ = nullptr;
};

void say_and_wait(std::string_view what) {
  fmt::print("{}\n", what);
  std::fflush(stdout);
  std::string line;
  std::getline(std::cin, line);
}

/// Grows piece by piece until `target` or a failure, and says how much that is.
void grow_by(const Options& options, const std::function<bool(Bytes)>& take) {
  Bytes got;
  bool is_refused = false;
  while (got < options.target && !is_refused) {
    const Bytes piece = std::min(options.piece, options.target - got);
    const auto until = std::chrono::steady_clock::now() + options.retry;
    bool is_taken = take(piece);
    while (!is_taken && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
      is_taken = take(piece);
    }
    is_refused = !is_taken;
    got += is_taken ? piece : Bytes{};
    std::this_thread::sleep_for(options.pause);
  }
  say_and_wait(fmt::format("got {}", got.count));  // What it has stays its own meanwhile.
}

template <class T>
T must(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "thief_owner: {}\n", result.error().message);
    std::exit(1);
  }
  return std::move(*result);
}

/// With a balloon in this process.
void grow_inside(const Options& options, const Plain& plain) {
  auto balloon = must(reserve_gpu_memory(0, {.mb = MemorySpec(options.promised)}));
  std::vector<TakenMemory> taken;
  say_and_wait("held");
  if (options.way == "release") {
    balloon.deflate();
  }
  grow_by(options, [&](Bytes piece) {
    if (options.way == "take") {
      auto memory = balloon.take(piece);
      if (memory) {
        taken.push_back(std::move(*memory));
      }
      return memory.has_value();
    }
    if (options.way == "yield") {
      static_cast<void>(balloon.yield_to_owner(piece));
    }
    return plain.grow(piece);
  });
}

/// With a holder that follows, or is asked.
void grow_beside(const Options& options, const balloon::Gpu& gpu, const Plain& plain) {
  balloon::Holder::Settings how;
  how.argv = {options.levee, "gpu-holder"};
  auto holder = must(balloon::Holder::start(gpu.uuid, how));
  must(holder.resize(options.promised, 60s));
  const sources::Root root;
  const auto proc = sources::open_proc(root);
  balloon::Following following;
  following.account.account = "owner";
  following.account.owner = {sources::read_boot_id(root), ::getpid(),
                             sources::read_pid_stat(proc.get(), ::getpid())->start_ticks};
  following.account.uid = ::getuid();
  following.baton = {.promised = options.promised, .step = options.step, .spare = options.spare};
  following.look = options.look;
  const bool asks = options.way == "ask";
  say_and_wait("held");
  // Its context is there already, and no part of what was promised.
  must(holder.follow(following, 10s));
  grow_by(options, [&](Bytes piece) {
    if (asks) {
      static_cast<void>(holder.yield_to_owner(piece, 10s));
    }
    return plain.grow(piece);
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"An owner that grows beside a thief."};
  Options options;
  std::string promised = "12GB";
  std::string target = "12GB";
  std::string piece = "1GB";
  std::string step = "1GB";
  std::string spare = "0B";
  int look = 5;
  int pause = 0;
  int retry = 0;
  app.add_option("way", options.way, "take, yield, release, follow or ask")->required();
  app.add_option("--levee", options.levee);
  app.add_option("--promised", promised);
  app.add_option("--target", target);
  app.add_option("--piece", piece);
  app.add_option("--step", step);
  app.add_option("--spare", spare);
  app.add_option("--look", look, "ms");
  app.add_option("--pause", pause, "ms");
  app.add_option("--retry", retry, "ms");
  CLI11_PARSE(app, argc, argv);
  const auto bytes = [](const std::string& text) {
    return must(MemorySpec(text).amount()).resolve({});
  };
  options.promised = bytes(promised);
  options.target = bytes(target);
  options.piece = bytes(piece);
  options.step = bytes(step);
  options.spare = spare == "0B" ? Bytes{} : bytes(spare);
  options.look = std::chrono::milliseconds(look);
  options.pause = std::chrono::milliseconds(pause);
  options.retry = std::chrono::milliseconds(retry);

  const auto driver = must(balloon::Driver::open());
  const auto gpu = must(driver->find("0"));
  const auto cuda = must(driver->cuda());
  const Plain plain(cuda, must(cuda->find(gpu.uuid)));
  const bool is_inside =
      options.way == "take" || options.way == "yield" || options.way == "release";
  if (is_inside) {
    grow_inside(options, plain);
  } else {
    grow_beside(options, gpu, plain);
  }
  return 0;
}
