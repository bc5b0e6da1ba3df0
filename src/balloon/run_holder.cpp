#include "balloon/run_holder.hpp"

#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "balloon/follower.hpp"
#include "balloon/held_memory.hpp"
#include "balloon/holder_wire.hpp"

namespace levee::balloon {
namespace {

using std::chrono::steady_clock;

constexpr int kDone = 0;
constexpr int kFailed = 1;

/// How often a growth is told.
constexpr std::chrono::milliseconds kTellEvery{20};

std::atomic<pid_t> parent{0};

/// The kernel sends this when the *thread* that started us ends. The end of the parent it is only
/// when somebody else is our parent now.
extern "C" void end_with_parent(int /*signal*/) {
  if (::getppid() != parent) {
    ::_exit(kDone);
  }
}

void watch_parent() {
  parent = ::getppid();
  struct sigaction action{};
  action.sa_handler = end_with_parent;
  ::sigaction(SIGUSR2, &action, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGUSR2);
}

void say(int line, const wire::Message& message) {
  const std::string frame = wire::encode(message);
  std::string_view rest = frame;
  while (!rest.empty()) {
    const ssize_t count = ::send(line, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) {
      ::_exit(kDone);  // Nobody is there to hold for.
    }
    rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
}

/// Reads the parent's messages, also while the other thread is in the driver, and ends the process
/// when there will be no more.
class Inbox {
 public:
  explicit Inbox(int line) : thread_([this, line] { read(line); }) { thread_.detach(); }
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;
  ~Inbox() = default;  ///< Never: the process ends first.

  /// The next message; nothing when none has come by `until`.
  [[nodiscard]] std::optional<wire::Message> take(std::optional<steady_clock::time_point> until) {
    std::unique_lock lock(mutex_);
    const auto is_there = [this] { return !messages_.empty(); };
    if (!until) {
      arrived_.wait(lock, is_there);
    } else if (!arrived_.wait_until(lock, *until, is_there)) {
      return std::nullopt;
    }
    wire::Message message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }

  [[nodiscard]] bool is_empty() {
    const std::scoped_lock lock(mutex_);
    return messages_.empty();
  }

  [[nodiscard]] bool is_stopped(std::uint64_t number) const { return stopped_ == number; }

 private:
  void read(int line) {
    wire::Reader reader;
    std::array<char, 4096> buffer{};
    while (true) {
      const ssize_t count = ::recv(line, buffer.data(), buffer.size(), 0);
      if (count < 0 && errno == EINTR) {
        continue;
      }
      if (count <= 0) {
        ::_exit(kDone);
      }
      reader.add({buffer.data(), static_cast<std::size_t>(count)});
      auto message = reader.next();
      for (; message && *message; message = reader.next()) {
        put(std::move(**message));
      }
      if (!message) {
        ::_exit(kFailed);
      }
    }
  }

  void put(wire::Message message) {
    if (const auto* const stop = std::get_if<wire::Stop>(&message)) {
      stopped_ = stop->number;
      return;
    }
    const std::scoped_lock lock(mutex_);
    messages_.push_back(std::move(message));
    arrived_.notify_one();
  }

  std::atomic<std::uint64_t> stopped_{0};
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<wire::Message> messages_;  // guarded by mutex_
  std::thread thread_;                  // last: it uses the others
};

bool has_mps() {
  const char* const folder = std::getenv("CUDA_MPS_PIPE_DIRECTORY");
  std::error_code ignored;
  return std::filesystem::exists(
      std::filesystem::path(folder != nullptr ? folder : "/tmp/nvidia-mps") / "control", ignored);
}

/// The GPU's memory, with CUDA bound to this GPU alone.
Result<std::unique_ptr<DeviceMemory>> open_gpu(const std::string& name,
                                               const Driver::Libraries& libraries) {
  auto driver = Driver::open(libraries);
  if (!driver) {
    return std::unexpected(std::move(driver.error()));
  }
  auto gpu = (*driver)->find(name);
  if (!gpu) {
    return std::unexpected(std::move(gpu.error()));
  }
  ::setenv("CUDA_VISIBLE_DEVICES", gpu->uuid.c_str(), 1);
  const int gpu_id = gpu->gpu_id;
  auto memory = DeviceMemory::open(std::move(*driver), std::move(*gpu));
  if (memory) {
    if (auto allowed = check_compute_mode(gpu_id, (*memory)->compute_mode(), has_mps()); !allowed) {
      return std::unexpected(std::move(allowed.error()));
    }
  }
  return memory;
}

HolderState state_of(const HeldMemory& held) {
  HolderState state{held.requested(), held.held(), held.chunks(), {}, {}};
  if (const auto figures = held.memory().figures()) {
    state.free = figures->free;
    state.total = figures->total;
  }
  return state;
}

class Holder {
 public:
  Holder(int line, std::unique_ptr<DeviceMemory> memory)
      : line_(line), inbox_(line), held_(std::move(memory), mib(100)) {}

  [[noreturn]] void serve() {
    say(line_, wire::Done{0, state_of(held_)});
    while (true) {
      const auto message = inbox_.take(follower_ ? follower_->next_look() : std::nullopt);
      if (message) {
        std::visit([this](const auto& order) { obey(order); }, *message);
      } else {
        look();
      }
    }
  }

 private:
  void obey(const wire::Hold& order) {
    if (follower_) {
      follower_->promise(order.bytes, steady_clock::now());
      look();
    }
    answer(order.number, follower_ ? Result<void>{} : do_hold(order));
  }
  void obey(const wire::Ask& order) { answer(order.number, {}); }
  void obey(const wire::Follow& order) {
    follower_.emplace(order.how, held_);
    look();
    answer(order.number, {});
  }
  void obey(const wire::Yield& order) {
    if (!follower_) {
      answer(order.number, fail(ErrorCode::invalid_argument, "the balloon follows nobody",
                                "have it follow its owner first"));
      return;
    }
    follower_->ask(order.bytes, steady_clock::now());
    look();
    answer(order.number, {});
  }
  void obey(const auto& /*not for us*/) {}

  /// One look at the owner. What would grow waits for those who ask for something.
  void look() {
    follower_->look(steady_clock::now(), [this](Bytes, Bytes) { return inbox_.is_empty(); });
    tell();
  }

  /// Says what has changed. A parent that does not listen hears of it later.
  void tell() {
    const BatonState baton = follower_ ? follower_->state() : BatonState{};
    if (told_ == baton) {
      return;
    }
    told_ = baton;
    say(line_, wire::Passing{0, state_of(held_), baton});
  }

  Result<void> do_hold(const wire::Hold& order) {
    const auto deadline = steady_clock::now() + order.deadline;
    auto told = steady_clock::time_point{};
    held_.set_chunk_size(std::max(order.chunk_size, Bytes{1}));
    return held_.resize(order.bytes, [&](Bytes held, Bytes wanted) {
      const auto now = steady_clock::now();
      if (now - told >= kTellEvery || held == wanted) {
        told = now;
        say(line_, wire::Growing{order.number, held, wanted});
      }
      // What is complete is not undone for being late.
      return held == wanted || (now < deadline && !inbox_.is_stopped(order.number));
    });
  }

  void answer(std::uint64_t number, const Result<void>& done) {
    const HolderState state = state_of(held_);
    if (done) {
      say(line_, wire::Done{number, state});
    } else {
      say(line_, wire::Failed{number, state, done.error()});
    }
  }

  const int line_;
  Inbox inbox_;
  HeldMemory held_;
  std::optional<Follower> follower_;
  BatonState told_;
};

}  // namespace

Result<void> check_compute_mode(int gpu_id, int mode, bool has_mps) {
  constexpr int kProhibited = 2;
  constexpr int kExclusiveProcess = 3;
  if (mode == kProhibited) {
    return fail(ErrorCode::unavailable,
                fmt::format("GPU {} is in compute mode \"prohibited\": nobody may use it", gpu_id),
                fmt::format("sudo nvidia-smi -i {} -c DEFAULT", gpu_id));
  }
  if (mode == kExclusiveProcess && !has_mps) {
    return fail(ErrorCode::unavailable,
                fmt::format("GPU {} is in exclusive-process mode: while Levee held memory there, "
                            "no job could use it (CUDA error 46)",
                            gpu_id),
                fmt::format("sudo nvidia-smi -i {} -c DEFAULT, or start MPS, below which several "
                            "processes share the GPU: nvidia-cuda-mps-control -d",
                            gpu_id));
  }
  return {};
}

int run_holder(int line, const std::string& gpu, const Driver::Libraries& libraries) {
  ::prctl(PR_SET_NAME, "levee-holder");
  watch_parent();
  auto memory = open_gpu(gpu, libraries);
  if (!memory) {
    say(line, wire::Failed{0, {}, memory.error()});
    return kFailed;
  }
  Holder(line, std::move(*memory)).serve();
}

}  // namespace levee::balloon
