#include "gpus/gpu_source.hpp"

#include <fmt/core.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "gpus/helper_process.hpp"
#include "gpus/roster.hpp"
#include "gpus/wire.hpp"

namespace levee::gpus {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// Helpers that were killed and have not ended: more of them would only hang in the same driver.
constexpr std::size_t kMostLeftBehind = 4;

/// What is kept of a helper that never stops talking.
constexpr std::size_t kMostAtOnce = 2 * wire::kLongestLine;
constexpr std::size_t kChunk = std::size_t{64} * 1024;
constexpr std::size_t kMostXids = 256;
constexpr std::size_t kMostTroubles = 16;

/// A helper that has just closed its line is about to end; its status says why.
constexpr std::chrono::milliseconds kEndsSoon{100};
constexpr std::chrono::milliseconds kKilledSoon{500};

constexpr std::chrono::hours kLongestWait{1};

/// One trouble per source: the newest.
void put(std::vector<SourceTrouble>& troubles, SourceTrouble trouble) {
  const auto known = std::ranges::find(troubles, trouble.source, &SourceTrouble::source);
  if (known != troubles.end()) {
    *known = std::move(trouble);
  } else if (troubles.size() < kMostTroubles) {
    troubles.push_back(std::move(trouble));
  }
}

}  // namespace

struct GpuSource::Impl {
  explicit Impl(Options wanted) : options(std::move(wanted)) {}

  /// One helper's life.
  struct Life {
    HelperProcess process;
    MonoTime started_at;
    std::string text;                      ///< Received, and not yet a whole line.
    std::vector<SourceTrouble> heard;      ///< Since its last list.
    std::optional<MonoTime> silent_since;  ///< The oldest question that nobody has answered.
    bool has_listed = false;
    bool has_answered = false;
    bool has_explained = false;  ///< It said why it will end.
    bool no_driver = false;
  };

  void begin(MonoTime now);
  template <class Condition>
  [[nodiscard]] GpuScan finish_while(Condition waits, MonoTime now, MonoTime deadline);
  void stop();

  void start(MonoTime now);
  void ask(MonoTime now);
  [[nodiscard]] bool is_hung(MonoTime now) const;

  void receive(MonoTime now);
  [[nodiscard]] Result<void> take_lines(MonoTime now);
  [[nodiscard]] Result<void> take(wire::Message message, MonoTime now);
  void take_list(const wire::Devices& list, MonoTime now);
  void take_trouble(wire::Trouble trouble);

  void lose(MonoTime now, std::optional<Error> why);
  void back_off(bool was_of_use, MonoTime now);

  const Options options;
  Roster roster;
  std::optional<Life> life;
  std::uint64_t question = 0;
  MonoTime asked_at;
  std::optional<MonoTime> next_start;  ///< Absent: at once.
  unsigned failures = 0;
  std::vector<pid_t> left_behind;
  std::vector<SourceTrouble> troubles;  ///< In force.
  std::vector<GpuXid> xids;             ///< Not yet handed out.
  bool is_known = false;
};

// --- asking

void GpuSource::Impl::begin(MonoTime now) {
  std::erase_if(left_behind, [](pid_t pid) { return reap(pid).has_value(); });
  receive(now);
  if (life && is_hung(now)) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now - *life->silent_since);
    lose(now, Error{ErrorCode::timed_out,
                    fmt::format("no GPU has answered for {} s: the driver hangs, and its helper "
                                "is replaced",
                                seconds.count()),
                    "look for NVRM, amdgpu or xe in the kernel's log (dmesg)"});
  }
  if (!life && (!next_start || now >= *next_start)) {
    start(now);
  }
  if (life) {
    ask(now);
  }
}

bool GpuSource::Impl::is_hung(MonoTime now) const {
  if (!life->silent_since || (life->has_listed && roster.is_empty())) {
    return false;
  }
  return now - *life->silent_since > (life->has_listed ? options.hung_after : options.start_within);
}

void GpuSource::Impl::start(MonoTime now) {
  next_start = now + options.longest_back_off;
  if (left_behind.size() >= kMostLeftBehind) {
    put(troubles,
        {"gpus",
         {ErrorCode::unavailable,
          fmt::format("{} GPU helpers hang in the driver and cannot be ended", left_behind.size()),
          "the driver does not recover by itself: reset the GPU, or restart the machine"}});
    return;
  }
  auto process = HelperProcess::start(options.helper);
  if (!process) {
    put(troubles, {"gpus", std::move(process.error())});
    return;
  }
  life.emplace(std::move(*process), now);
}

void GpuSource::Impl::ask(MonoTime now) {
  asked_at = now;
  life->silent_since = life->silent_since.value_or(now);
  roster.asked(++question);
  life->process.send(wire::encode(wire::Ask{question}));
}

// --- listening

/// Takes what has arrived.
void GpuSource::Impl::receive(MonoTime now) {
  for (std::size_t total = 0; life && total < kMostAtOnce;) {
    const auto count = life->process.receive(life->text, kChunk);
    if (!count) {
      lose(now, std::nullopt);
      return;
    }
    if (*count == 0) {
      return;
    }
    total += *count;
    if (auto taken = take_lines(now); !taken) {
      lose(now, std::move(taken.error()));
    }
  }
}

Result<void> GpuSource::Impl::take_lines(MonoTime now) {
  std::string_view text = life->text;
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    auto message = wire::decode(text.substr(0, end));
    if (!message) {
      return std::unexpected(message.error().within("the GPU helper talks nonsense"));
    }
    if (auto taken = take(std::move(*message), now); !taken) {
      return taken;
    }
    text.remove_prefix(end + 1);
  }
  if (text.size() > wire::kLongestLine) {
    return fail(ErrorCode::corrupt, "the GPU helper talks nonsense: a line has no end");
  }
  life->text.erase(0, life->text.size() - text.size());
  return {};
}

Result<void> GpuSource::Impl::take(wire::Message message, MonoTime now) {
  if (auto* answer = std::get_if<wire::Answer>(&message)) {
    life->silent_since.reset();
    life->has_answered = true;
    roster.take(std::move(*answer));
  } else if (const auto* list = std::get_if<wire::Devices>(&message)) {
    take_list(*list, now);
  } else if (auto* xid = std::get_if<GpuXid>(&message)) {
    if (xids.size() < kMostXids) {
      xids.push_back(std::move(*xid));
    }
  } else if (auto* trouble = std::get_if<wire::Trouble>(&message)) {
    take_trouble(std::move(*trouble));
  } else {
    return fail(ErrorCode::corrupt, "the GPU helper asks instead of answering");
  }
  return {};
}

void GpuSource::Impl::take_list(const wire::Devices& list, MonoTime now) {
  roster.list(list.devices, now);
  troubles = std::exchange(life->heard, {});
  is_known = true;
  if (!std::exchange(life->has_listed, true) && life->silent_since) {
    life->silent_since = now;  // From here on it is the devices that are silent.
  }
}

void GpuSource::Impl::take_trouble(wire::Trouble trouble) {
  life->has_explained = true;
  life->no_driver = trouble.no_driver;
  is_known |= trouble.no_driver;
  if (!trouble.no_driver) {
    put(life->heard, trouble.trouble);
    put(troubles, std::move(trouble.trouble));
  }
}

// --- losing the helper

/// Nobody there any more, or of no use: `why` says so, unless the helper has ended by itself.
void GpuSource::Impl::lose(MonoTime now, std::optional<Error> why) {
  Life ended = std::move(*life);
  life.reset();
  const pid_t pid = std::move(ended.process).end();
  const auto status = reap(pid, why ? 0ms : kEndsSoon);
  if (!status) {
    left_behind.push_back(pid);
  }
  if (ended.no_driver) {
    roster.list({}, now);
    troubles.clear();
    failures = 0;
    next_start = now + options.look_again;
    return;
  }
  if (why) {
    put(troubles, {"gpus", std::move(*why)});
  } else if (!ended.has_explained || !status || WIFSIGNALED(*status)) {
    put(troubles, {"gpus",
                   {ErrorCode::unavailable,
                    fmt::format("the GPU helper {}", status ? describe_end(*status) : "has ended"),
                    "it is started again; a crash is most likely the driver's"}});
  }
  back_off(ended.has_answered && now - ended.started_at >= options.longest_back_off, now);
}

/// Twice as long for every helper in a row that came to nothing.
void GpuSource::Impl::back_off(bool was_of_use, MonoTime now) {
  failures = was_of_use ? 0 : failures;
  auto delay = options.first_back_off;
  for (unsigned i = 0; i < failures && delay < options.longest_back_off; ++i) {
    delay *= 2;
  }
  ++failures;
  next_start = now + std::min(delay, options.longest_back_off);
}

void GpuSource::Impl::stop() {
  next_start.reset();
  if (life) {
    left_behind.push_back(std::move(life->process).end());
    life.reset();
  }
  const auto deadline = steady_clock::now() + kKilledSoon;
  std::erase_if(left_behind, [&](pid_t pid) {
    return reap(pid, std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()))
        .has_value();
  });
}

// --- handing out

template <class Condition>
GpuScan GpuSource::Impl::finish_while(Condition waits, MonoTime now, MonoTime deadline) {
  receive(now);
  const auto patience = std::min<MonoTime::duration>(deadline - now, kLongestWait);
  const auto end = steady_clock::now() + patience;
  while (life && waits()) {
    const auto left = end - steady_clock::now();
    if (left <= left.zero()) {
      break;
    }
    static_cast<void>(life->process.wait(left));
    receive(now);
  }
  return {roster.rows(now, options.hung_after), std::exchange(xids, {}), troubles,
          is_known || options.helper.empty()};
}

GpuSource::GpuSource(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}

GpuSource::GpuSource(GpuSource&&) noexcept = default;

GpuSource& GpuSource::operator=(GpuSource&& other) noexcept {
  const GpuSource old(std::move(*this));
  impl_ = std::move(other.impl_);
  return *this;
}

GpuSource::~GpuSource() {
  if (impl_) {
    impl_->stop();
  }
}

void GpuSource::begin(MonoTime now) {
  if (!impl_->options.helper.empty()) {
    impl_->begin(now);
  }
}

GpuScan GpuSource::finish(MonoTime now, MonoTime deadline) {
  const auto worth = [&] { return impl_->roster.awaits_within(deadline - impl_->asked_at); };
  return impl_->finish_while(worth, now, deadline);
}

GpuScan GpuSource::finish_all(MonoTime now, MonoTime deadline) {
  const auto any = [&] { return !impl_->life->has_listed || impl_->roster.awaits_any(); };
  return impl_->finish_while(any, now, deadline);
}

void GpuSource::look_again() { impl_->next_start.reset(); }

void GpuSource::stop() { impl_->stop(); }

}  // namespace levee::gpus
