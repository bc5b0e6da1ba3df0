// simhog: holds GPU memory, through libcuda.so.1 like any program, and prints one line when it
// does.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "levee/bytes.hpp"
#include "simgpu/scenario/quantity.hpp"
#include "simgpu/tools/command.hpp"
#include "simgpu/tools/cuda_driver.hpp"

namespace {

using namespace levee;
using namespace levee::simgpu;

constexpr const char* kProgram = "simhog";
constexpr int kOutOfMemory = 3;

constexpr const char* kExamples = R"(Examples:
  simhog --mem 2GiB                        hold 2 GiB of GPU 0 until it is ended
  simhog --gpu 1 --mem 8GiB --step 512MiB --hold 5
  simhog --mem 40GiB --step 1GiB --every 2  a leak: 1 GiB more every two seconds
  simhog --mem 1GiB --vmm --hold 2 --die-by SEGV
  simhog --mem 1GiB --race 8               eight copies at once; some may get nothing
  simhog --mem 12GiB --step 1GiB --retry 2 what is refused is tried again for two seconds
  simhog --thief                           take every byte that is seen free, as fast as it can
  simhog --thief --mem 2GiB --every 0.1    look every 100 ms, and take no more than 2 GiB

Exit code 3: the GPU had too little memory.)";

struct Options {
  int gpu = 0;
  std::uint64_t bytes = 0;
  std::uint64_t step = 0;
  double every_seconds = 0;            ///< Between two steps.
  double after_seconds = 0;            ///< Before the first one.
  std::optional<double> hold_seconds;  ///< Absent: for ever.
  double retry_seconds = 0;            ///< How long a piece that is refused is tried again.
  bool is_thief = false;
  int race = 1;
  std::optional<double> free_after_seconds;
  bool is_vmm = false;
  bool has_context = true;
  int die_by = 0;
};

constexpr int kNoSignal = 0;

Result<int> parse_signal(std::string name) {
  const std::map<std::string, int> signals{{"KILL", SIGKILL}, {"TERM", SIGTERM}, {"INT", SIGINT},
                                           {"SEGV", SIGSEGV}, {"ABRT", SIGABRT}, {"BUS", SIGBUS},
                                           {"HUP", SIGHUP}};
  if (name.starts_with("SIG")) {
    name.erase(0, 3);
  }
  if (const auto found = signals.find(name); found != signals.end()) {
    return found->second;
  }
  const auto number = parse_whole(name, "a signal", 1, 64);
  if (!number) {
    return fail(ErrorCode::invalid_argument, number.error().message,
                "accepted: KILL, TERM, INT, SEGV, ABRT, BUS, HUP or a number");
  }
  return static_cast<int>(*number);
}

/// Memory held, of one kind or the other.
class Hoard {
 public:
  Hoard(const CudaDriver& driver, const Options& options) : driver_(driver), options_(options) {}

  cuda::Result open() {
    if (const auto result = driver_.init(0); result != cuda::Result::success) {
      return result;
    }
    if (!options_.has_context) {
      return cuda::Result::success;
    }
    cuda::Context context = nullptr;
    const auto result = driver_.retain(&context, options_.gpu);
    return result == cuda::Result::success ? driver_.set_current(context) : result;
  }

  /// One more step, or what is missing.
  cuda::Result grow() {
    const std::uint64_t bytes = std::min(options_.step, options_.bytes - held_);
    std::uint64_t item = 0;
    cuda::Result result{};
    if (options_.is_vmm) {
      constexpr std::uint64_t kGranularity = 2 * kMiB;
      const std::uint64_t rounded = (bytes + kGranularity - 1) / kGranularity * kGranularity;
      cuda::AllocationProp prop{};
      prop.type = cuda::AllocationType::pinned;
      prop.location = {cuda::LocationType::device, options_.gpu};
      result = driver_.create(&item, rounded, &prop, 0);
    } else {
      result = driver_.allocate(&item, bytes);
    }
    if (result == cuda::Result::success) {
      items_.push_back(item);
      held_ += bytes;
    }
    return result;
  }

  void free_all() {
    for (const std::uint64_t item : items_) {
      static_cast<void>(options_.is_vmm ? driver_.release(item) : driver_.free(item));
    }
    items_.clear();
    held_ = 0;
  }

  /// Whatever is free now, in one piece, up to what is wanted; how much was free.
  std::uint64_t steal() {
    constexpr std::uint64_t kBlock = 2 * kMiB;
    std::size_t free = 0;
    std::size_t total = 0;
    if (driver_.memory_info(&free, &total) != cuda::Result::success) {
      return 0;
    }
    const std::uint64_t bytes = std::min<std::uint64_t>(free, options_.bytes - held_);
    std::uint64_t item = 0;
    if (bytes >= kBlock &&
        driver_.allocate(&item, bytes / kBlock * kBlock) == cuda::Result::success) {
      items_.push_back(item);
      held_ += bytes / kBlock * kBlock;
    }
    return free;
  }

  [[nodiscard]] std::uint64_t held() const { return held_; }
  [[nodiscard]] bool is_full() const { return held_ >= options_.bytes; }

 private:
  const CudaDriver& driver_;
  const Options& options_;
  std::vector<std::uint64_t> items_;
  std::uint64_t held_ = 0;
};

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void wait_for(std::optional<double> seconds) {
  if (!seconds) {
    for (;;) {
      ::pause();
    }
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(*seconds));
}

/// A piece, or what is missing; tried again for as long as that is wanted.
cuda::Result grow_patiently(Hoard& hoard, const Options& options) {
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(options.retry_seconds);
  cuda::Result result = hoard.grow();
  while (result == cuda::Result::out_of_memory && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
    result = hoard.grow();
  }
  return result;
}

volatile std::sig_atomic_t is_told_to_end = 0;

/// Takes all there is, says so, and then takes whatever comes free until it is told to end.
int steal(Hoard& hoard, const Options& options) {
  ::signal(SIGTERM, [](int) { is_told_to_end = 1; });
  constexpr std::uint64_t kBlock = 2 * kMiB;
  while (!hoard.is_full() && hoard.steal() >= kBlock) {
  }
  const std::uint64_t at_first = hoard.held();
  say(fmt::format("holding pid={} gpu={} held_bytes={}", ::getpid(), options.gpu, at_first));
  std::uint64_t largest = 0;
  while (is_told_to_end == 0) {
    largest = std::max(largest, hoard.steal());
    if (options.every_seconds > 0) {
      std::this_thread::sleep_for(std::chrono::duration<double>(options.every_seconds));
    }
  }
  say(fmt::format("stole pid={} gpu={} stolen_bytes={} largest_free_bytes={}", ::getpid(),
                  options.gpu, hoard.held() - at_first, largest));
  return 0;
}

int hog(const Options& options) {
  const auto driver = CudaDriver::load();
  if (!driver) {
    return report(kProgram, driver.error());
  }
  Hoard hoard(*driver, options);
  cuda::Result result = hoard.open();
  wait_for(options.after_seconds);
  if (options.is_thief && result == cuda::Result::success) {
    return steal(hoard, options);
  }
  while (result == cuda::Result::success && !hoard.is_full()) {
    result = grow_patiently(hoard, options);
    wait_for(options.every_seconds);
  }
  if (result != cuda::Result::success) {
    say(fmt::format("failed pid={} gpu={} held_bytes={} error={}", ::getpid(), options.gpu,
                    hoard.held(), driver->name_of(result)));
    return result == cuda::Result::out_of_memory ? kOutOfMemory : kFailed;
  }
  say(fmt::format("holding pid={} gpu={} held_bytes={}", ::getpid(), options.gpu, hoard.held()));
  if (options.free_after_seconds) {
    wait_for(options.free_after_seconds);
    hoard.free_all();
    say(fmt::format("freed pid={} gpu={}", ::getpid(), options.gpu));
  }
  wait_for(options.hold_seconds);
  if (options.die_by != 0) {
    ::signal(options.die_by, SIG_DFL);
    ::raise(options.die_by);
  }
  return 0;
}

/// Copies of this program, forked before any of them meets the driver.
int race(const Options& options) {
  std::vector<pid_t> children;
  for (int i = 0; i < options.race; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      std::exit(hog(options));
    }
    children.push_back(child);
  }
  int worst = 0;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    worst = std::max(worst, WIFEXITED(status) ? WEXITSTATUS(status) : kFailed);
  }
  return worst;
}

Result<std::optional<double>> parse_hold(const std::string& text) {
  if (text == "forever") {
    return std::optional<double>{};
  }
  // Seconds, with or without their unit.
  const bool has_unit = !text.empty() && text.back() >= 'a' && text.back() <= 'z';
  const auto time = parse_duration(has_unit ? text : text + "s");
  if (!time) {
    return fail(ErrorCode::invalid_argument, time.error().message,
                "accepted: seconds such as 5 or 0.5, a duration such as 200ms, or forever");
  }
  return std::optional(static_cast<double>(*time) / 1e9);
}

int run(int argc, char** argv) {
  CLI::App app{"Holds memory of a GPU.", kProgram};
  app.footer(kExamples);
  Options options;
  std::string memory;
  std::string step;
  std::string hold = "forever";
  std::string free_after;
  std::string every = "0";
  std::string after = "0";
  std::string retry = "0";
  std::string signal;
  bool is_plain = false;
  app.add_option("--gpu", options.gpu, "CUDA device (default 0)");
  app.add_option("--mem", memory, "How much, such as 2GiB; of a thief: at most");
  app.add_option("--step", step, "Allocate in pieces of this size");
  app.add_option("--after", after, "Seconds to wait before the first piece");
  app.add_option("--every", every, "Seconds between two pieces");
  app.add_option("--hold", hold, "Seconds to hold it, or forever (the default)");
  app.add_option("--retry", retry, "Seconds for which a piece that is refused is tried again");
  app.add_flag("--thief", options.is_thief, "Take whatever comes free, until SIGTERM");
  app.add_option("--race", options.race, "Run this many copies at once")->check(CLI::Range(1, 256));
  app.add_option("--free-after", free_after, "Free it after so many seconds, before --hold begins");
  auto* plain = app.add_flag("--plain", is_plain, "Allocate with cuMemAlloc (the default)");
  app.add_flag("--vmm", options.is_vmm, "Allocate with cuMemCreate")->excludes(plain);
  app.add_flag("!--no-context", options.has_context, "Make no context (with --vmm)");
  app.add_option("--die-by", signal, "At the end die by this signal, such as KILL");

  return run_command(app, argc, argv, [&] {
    if (memory.empty() && !options.is_thief) {
      return report(kProgram, {ErrorCode::invalid_argument, "nothing is asked for",
                               "say how much: --mem 2GiB; only a thief takes everything"});
    }
    const auto bytes = memory.empty() ? Result<std::uint64_t>(UINT64_MAX) : parse_memory(memory);
    const auto retried = parse_hold(retry);
    const auto piece = step.empty() ? bytes : parse_memory(step);
    const auto held = parse_hold(hold);
    const auto paused = parse_hold(every);
    const auto delayed = parse_hold(after);
    const auto freed = parse_hold(free_after.empty() ? "forever" : free_after);
    const auto died = signal.empty() ? Result<int>(kNoSignal) : parse_signal(signal);
    for (const Error* error :
         {bytes ? nullptr : &bytes.error(), piece ? nullptr : &piece.error(),
          held ? nullptr : &held.error(), freed ? nullptr : &freed.error(),
          paused ? nullptr : &paused.error(), delayed ? nullptr : &delayed.error(),
          died ? nullptr : &died.error(), retried ? nullptr : &retried.error()}) {
      if (error != nullptr) {
        return report(kProgram, *error);
      }
    }
    if (*bytes == 0 || *piece == 0) {
      return report(kProgram, {ErrorCode::invalid_argument, "\"0\" is nothing to hold",
                               "accepted: memory such as 2GiB"});
    }
    options.bytes = *bytes;
    options.step = *piece;
    options.every_seconds = paused->value_or(0);
    options.after_seconds = delayed->value_or(0);
    options.retry_seconds = retried->value_or(0);
    options.hold_seconds = *held;
    options.free_after_seconds = *freed;
    options.die_by = *died;
    return options.race > 1 ? race(options) : hog(options);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(kProgram, [&] { return run(argc, argv); });
}
