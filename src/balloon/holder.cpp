#include "balloon/holder.hpp"

#include <fmt/core.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "sources/file.hpp"

namespace levee::balloon {
namespace {

constexpr std::size_t kChunk = 4096;

/// How long a killed process may take to be gone: its memory is given back meanwhile.
constexpr std::chrono::milliseconds kReapPatience{2'000};

/// How long nobody is asked whether to go on.
constexpr std::chrono::milliseconds kSlice{100};

/// The number of no question.
constexpr std::uint64_t kNobody = std::numeric_limits<std::uint64_t>::max();

/// How long from the end of the line to the end of the process.
constexpr std::chrono::milliseconds kEndPatience{200};

}  // namespace

Result<Holder> Holder::start(std::string gpu_uuid, Settings settings) {
  std::vector<std::string> argv = settings.argv;
  argv.push_back(gpu_uuid);
  auto process = gpus::HelperProcess::start(argv, settings.environment);
  if (!process) {
    return std::unexpected(std::move(process.error()));
  }
  const auto deadline = Clock::now() + settings.start_deadline;
  Holder holder(std::move(gpu_uuid), std::move(settings), std::move(*process));
  if (auto ready = holder.await(0, deadline, {}); !ready) {
    holder.stop();
    return std::unexpected(std::move(ready.error()));
  }
  return holder;
}

Holder::Holder(Holder&& other) noexcept
    : gpu_uuid_(std::move(other.gpu_uuid_)),
      settings_(std::move(other.settings_)),
      process_(std::move(other.process_)),
      reader_(std::move(other.reader_)),
      last_number_(other.last_number_),
      state_(other.state_),
      baton_(std::move(other.baton_)),
      promised_(other.promised_),
      end_(std::move(other.end_)) {
  other.process_.reset();
  other.state_ = {};
}

Result<HolderState> Holder::resize(Bytes bytes, std::chrono::milliseconds deadline,
                                   const Progress& progress) {
  if (!process_) {
    return std::unexpected(ended());
  }
  promised_ = bytes;
  const auto until = Clock::now() + deadline + settings_.grace;
  const std::uint64_t number = ++last_number_;
  process_->send(wire::encode(wire::Hold{number, bytes, settings_.chunk_size, deadline}));
  return await(number, until, progress);
}

Result<HolderState> Holder::status(std::chrono::milliseconds deadline) {
  return order(wire::Ask{}, deadline);
}

Result<HolderState> Holder::follow(const Following& how, std::chrono::milliseconds deadline) {
  promised_ = how.baton.promised;
  return order(wire::Follow{0, how}, deadline);
}

Result<Bytes> Holder::yield_to_owner(Bytes bytes, std::chrono::milliseconds deadline) {
  const auto state = order(wire::Yield{0, bytes}, deadline);
  if (!state) {
    return std::unexpected(state.error());
  }
  return std::min(bytes, promised_ - baton_.use.value_or(Bytes{}) - state->requested);
}

template <class Order>
Result<HolderState> Holder::order(Order order, std::chrono::milliseconds deadline) {
  if (!process_) {
    return std::unexpected(ended());
  }
  order.number = ++last_number_;
  process_->send(wire::encode(order));
  return await(order.number, Clock::now() + deadline, {});
}

Result<HolderState> Holder::await(std::uint64_t number, Clock::time_point until,
                                  const Progress& progress) {
  while (true) {
    auto message = reader_.next();
    for (; message && *message; message = reader_.next()) {
      if (auto answer = take(**message, number, progress)) {
        return std::move(*answer);
      }
    }
    if (!message) {
      return std::unexpected(kill_for(std::move(message.error())));
    }
    const auto left = until - Clock::now();
    if (left <= Clock::duration::zero() || settings_.is_cancelled()) {
      return std::unexpected(silence());
    }
    if (!process_->wait(std::min<Clock::duration>(left, kSlice))) {
      continue;
    }
    std::string arrived;
    if (!process_->receive(arrived, kChunk)) {
      return std::unexpected(ended());
    }
    reader_.add(arrived);
  }
}

std::optional<Result<HolderState>> Holder::take(const wire::Message& message, std::uint64_t number,
                                                const Progress& progress) {
  if (const auto* const growing = std::get_if<wire::Growing>(&message)) {
    if (growing->number == number && progress && !progress(growing->held, growing->wanted)) {
      process_->send(wire::encode(wire::Stop{number}));
    }
  } else if (const auto* const passing = std::get_if<wire::Passing>(&message)) {
    state_ = passing->state;
    baton_ = passing->baton;
  } else if (const auto* const done = std::get_if<wire::Done>(&message)) {
    state_ = done->state;
    if (done->number == number) {
      return state_;
    }
  } else if (const auto* const failed = std::get_if<wire::Failed>(&message)) {
    state_ = failed->state;
    if (failed->number == number) {
      return std::unexpected(failed->error);
    }
  }
  return std::nullopt;
}

bool Holder::is_running() {
  if (!process_) {
    return false;
  }
  std::string arrived;
  if (!process_->receive(arrived, kChunk)) {
    static_cast<void>(ended());
    return false;
  }
  reader_.add(arrived);
  auto message = reader_.next();
  for (; message && *message; message = reader_.next()) {
    static_cast<void>(take(**message, kNobody, {}));
  }
  if (!message) {
    static_cast<void>(kill_for(std::move(message.error())));
    return false;
  }
  return true;
}

bool Holder::stop() {
  state_ = {};
  if (!process_) {
    return true;
  }
  const pid_t pid = std::move(*process_).end();
  process_.reset();
  const auto status = gpus::reap(pid, kReapPatience);
  if (end_.empty()) {
    end_ = status ? gpus::describe_end(*status) : "was killed, and sleeps in the driver";
  }
  return status.has_value();
}

/// It has closed its end of the line, as it does by ending; a moment later it is gone, and then its
/// own end is told, and not ours of it.
Error Holder::ended() {
  if (process_) {
    const sources::Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process_->pid(), 0)));
    pollfd gone{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    ::poll(&gone, 1, static_cast<int>(kEndPatience.count()));
  }
  stop();
  return {
      ErrorCode::unavailable, fmt::format("the process that held memory of {} {}", gpu_uuid_, end_),
      "what it held is free; start another one, and look into the kernel's log for why it ended"};
}

Error Holder::silence() {
  return kill_for({ErrorCode::timed_out,
                   fmt::format("the process that holds memory of {} does not answer: the driver "
                               "hangs, or is very slow",
                               gpu_uuid_),
                   "run nvidia-smi; dmesg may hold an XID"});
}

Error Holder::kill_for(Error why) {
  end_ = "was killed because it did not answer";
  why.message += stop() ? "; it was killed, and what it held is free"
                        : "; it was killed but sleeps in the driver: what it held becomes free "
                          "when the driver lets it go";
  return why;
}

}  // namespace levee::balloon
