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
  simhog --mem 1GiB --vmm --hold 2 --die-by SEGV
  simhog --mem 1GiB --race 8               eight copies at once; some may get nothing

Exit code 3: the GPU had too little memory.)";

struct Options {
  int gpu = 0;
  std::uint64_t bytes = 0;
  std::uint64_t step = 0;
  std::optional<double> hold_seconds;  ///< Absent: for ever.
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

int hog(const Options& options) {
  const auto driver = CudaDriver::load();
  if (!driver) {
    return report(kProgram, driver.error());
  }
  Hoard hoard(*driver, options);
  cuda::Result result = hoard.open();
  while (result == cuda::Result::success && !hoard.is_full()) {
    result = hoard.grow();
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
  std::string signal;
  bool is_plain = false;
  app.add_option("--gpu", options.gpu, "CUDA device (default 0)");
  app.add_option("--mem", memory, "How much, such as 2GiB")->required();
  app.add_option("--step", step, "Allocate in pieces of this size");
  app.add_option("--hold", hold, "Seconds to hold it, or forever (the default)");
  app.add_option("--race", options.race, "Run this many copies at once")->check(CLI::Range(1, 256));
  app.add_option("--free-after", free_after, "Free it after so many seconds, before --hold begins");
  auto* plain = app.add_flag("--plain", is_plain, "Allocate with cuMemAlloc (the default)");
  app.add_flag("--vmm", options.is_vmm, "Allocate with cuMemCreate")->excludes(plain);
  app.add_flag("!--no-context", options.has_context, "Make no context (with --vmm)");
  app.add_option("--die-by", signal, "At the end die by this signal, such as KILL");

  return run_command(app, argc, argv, [&] {
    const auto bytes = parse_memory(memory);
    const auto piece = step.empty() ? bytes : parse_memory(step);
    const auto held = parse_hold(hold);
    const auto freed = parse_hold(free_after.empty() ? "forever" : free_after);
    const auto died = signal.empty() ? Result<int>(kNoSignal) : parse_signal(signal);
    for (const Error* error : {bytes ? nullptr : &bytes.error(), piece ? nullptr : &piece.error(),
                               held ? nullptr : &held.error(), freed ? nullptr : &freed.error(),
                               died ? nullptr : &died.error()}) {
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
