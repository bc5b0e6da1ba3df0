#include "recorder/flight_recorder.hpp"

#include <fmt/format.h>

#include <utility>

#include "recorder/frames.hpp"
#include "recorder/reader.hpp"
#include "recorder/verdict.hpp"

namespace levee::recorder {
namespace {

/// Items that may wait: a minute of a disk that does not answer. Of 1000 processes one is 150 KB.
constexpr std::size_t kMostItems = 64;
constexpr std::size_t kMostQuestions = 64;

std::unexpected<Error> too_busy() {
  return fail(ErrorCode::unavailable, "the flight recorder is too busy or stopping",
              "try again in a moment");
}

/// When `item` was; nothing where that matters to nobody.
std::optional<Now> time_of(const Item& item) {
  if (const auto* tick = std::get_if<TickItem>(&item)) {
    return tick->now;
  }
  if (const auto* settings = std::get_if<SettingsItem>(&item)) {
    return settings->now;
  }
  return std::nullopt;
}

}  // namespace

FlightRecorder::FlightRecorder(Options options)
    : options_(std::move(options)),
      limits_(options_.limits),
      settings_(options_.settings),
      // Unique among the runs of all daemons of a machine, which take turns.
      recording_(fmt::format("{}-{}", options_.boot.to_string(),
                             options_.began.mono.time_since_epoch().count())),
      last_now_(options_.began),
      ring_(options_.limits.ring) {
  redactor_.redact(settings_);
  if (options_.incidents) {
    incidents_.emplace(*options_.incidents);
  }
  thread_ = std::thread([this] { run(); });
}

FlightRecorder::~FlightRecorder() { stop(); }

void FlightRecorder::offer(Item item, Context context) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return;
    }
    if (waiting_items_ >= kMostItems) {
      ++lost_;
      ++lost_untold_;
      return;
    }
    ++waiting_items_;
    jobs_.emplace_back(Recorded{std::move(item), std::move(context)});
  }
  changed_.notify_one();
}

void FlightRecorder::trigger(Incident incident, Answer answer) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && jobs_.size() - waiting_items_ < kMostQuestions) {
      jobs_.emplace_back(Trigger{std::move(incident), std::exchange(answer, {})});
    }
  }
  changed_.notify_one();
  if (answer) {
    answer(too_busy());
  }
}

void FlightRecorder::configure(Limits limits) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.emplace_back(limits);
  }
  changed_.notify_one();
}

void FlightRecorder::ask(const Answer& answer, std::function<Result<std::string>()> question) {
  bool is_refused = false;
  {
    const std::lock_guard lock(mutex_);
    is_refused = stopping_ || jobs_.size() - waiting_items_ >= kMostQuestions;
    if (!is_refused) {
      jobs_.emplace_back(
          std::function<void()>([answer, question = std::move(question)] { answer(question()); }));
    }
  }
  if (is_refused) {
    answer(too_busy());
    return;
  }
  changed_.notify_one();
}

void FlightRecorder::list(Answer answer) {
  ask(answer, [this]() -> Result<std::string> {
    return to_json(incidents_ ? incidents_->list() : std::vector<IncidentDir::Entry>{},
                   gate_.unsaved());
  });
}

void FlightRecorder::show(std::string id, Answer answer) {
  ask(answer, [this, id = std::move(id)]() -> Result<std::string> {
    const auto file =
        incidents_ ? incidents_->find(id)
                   : fail(ErrorCode::not_found, "no incidents are kept here", options_.why_not);
    if (!file) {
      return std::unexpected(file.error());
    }
    return judge_file(*file);
  });
}

void FlightRecorder::remove(std::string id, Answer answer) {
  ask(answer, [this, id = std::move(id)]() -> Result<std::string> {
    const auto removed =
        incidents_ ? incidents_->remove(id)
                   : fail(ErrorCode::not_found, "no incidents are kept here", options_.why_not);
    return removed ? Result<std::string>(to_json(incidents_->list(), gate_.unsaved()))
                   : std::unexpected(removed.error());
  });
}

void FlightRecorder::wait_until_done() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return jobs_.empty() && !is_working_; });
}

std::uint64_t FlightRecorder::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

void FlightRecorder::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void FlightRecorder::run() {
  if (options_.file) {
    auto file = RecordingFile::make(*options_.file);
    if (file) {
      file_ = std::move(*file);
    } else {
      options_.tell(EventKind::recording_stopped,
                    fmt::format("Nothing is recorded: {}", file.error().message), "");
    }
  }
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) {
      break;
    }
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    waiting_items_ -= std::holds_alternative<Recorded>(job) ? 1U : 0U;
    is_working_ = true;
    lock.unlock();
    work(job);
    lock.lock();
    is_working_ = false;
    if (jobs_.empty()) {
      idle_.notify_all();
    }
  }
  lock.unlock();
  if (auto pending = gate_.take()) {
    save(std::move(*pending));
  }
}

void FlightRecorder::work(Job& job) {
  if (auto* recorded = std::get_if<Recorded>(&job)) {
    record(*recorded);
  } else if (auto* trigger = std::get_if<Trigger>(&job)) {
    consider(std::move(*trigger));
  } else if (const auto* limits = std::get_if<Limits>(&job)) {
    limits_ = *limits;
    ring_.set_bounds(limits_.ring);
  } else {
    std::get<std::function<void()>>(job)();
  }
}

void FlightRecorder::record(Recorded& recorded) {
  const Now now = time_of(recorded.item).value_or(last_now_);
  last_now_ = now;
  if (auto* settings = std::get_if<SettingsItem>(&recorded.item)) {
    redactor_.redact(settings->settings);
  }
  const std::uint64_t gap = [this] {
    const std::lock_guard lock(mutex_);
    return std::exchange(lost_untold_, 0);
  }();
  const bool is_full = file_ && file_->is_full(limits_.file);
  if (needs_piece_ || is_full || ring_.wants_piece(now.mono)) {
    begin_piece(recorded, now);
  }
  const auto add = [&](const Item& item) {
    const std::string frame = encoder_.encode(item);
    ring_.add(frame, now.mono);
    write_to_file(frame);
  };
  if (gap > 0) {
    add(GapItem{.lost = gap});
  }
  add(recorded.item);
  if (auto* settings = std::get_if<SettingsItem>(&recorded.item)) {
    settings_ = std::move(settings->settings);
  }
  if (auto incident = gate_.due(now)) {
    save(std::move(*incident));
  }
}

void FlightRecorder::begin_piece(const Recorded& recorded, Now now) {
  needs_piece_ = false;
  const Opening opening{
      .version = options_.version,
      .recording = recording_,
      .number = pieces_++,
      .hostname = options_.hostname,
      .boot = options_.boot,
      .at = now,
      .next_event_id = recorded.context.next_event_id,
      .settings = settings_,
      .active = recorded.context.active ? *recorded.context.active : std::vector<Alert>{}};
  std::string frame = encoder_.encode(opening);
  if (file_ && file_->is_full(limits_.file)) {
    if (const auto begun = file_->begin_part(); !begun) {
      options_.tell(EventKind::recording_stopped,
                    fmt::format("Recording has stopped: {}", begun.error().message), "");
      file_.reset();
    }
  }
  write_to_file(frame);
  ring_.begin(std::move(frame), now.mono);
}

void FlightRecorder::write_to_file(std::string_view frame) {
  if (!file_) {
    return;
  }
  if (const auto written = file_->write(frame); !written) {
    options_.tell(EventKind::recording_stopped,
                  fmt::format("Recording has stopped: {}", written.error().message), "");
    file_.reset();  // What was written can be read up to there.
  }
}

void FlightRecorder::consider(Trigger trigger) {
  const bool is_taken = gate_.offer(std::move(trigger.incident), limits_.aftermath);
  if (!trigger.answer) {
    return;
  }
  if (is_taken) {
    awaiting_.push_back(std::move(trigger.answer));
  } else {
    trigger.answer(fail(ErrorCode::unavailable,
                        "an incident of this kind was saved less than a minute ago",
                        "`levee incidents list` shows it; or try again in a minute"));
  }
}

void FlightRecorder::save(Incident incident) {
  const std::string reason = incident.reasons.empty() ? "" : incident.reasons.front();
  const auto id = try_to_save(std::move(incident));
  if (id) {
    options_.tell(EventKind::incident, fmt::format("{} (`levee incidents show {}`)", reason, *id),
                  *id);
  } else {
    options_.tell(EventKind::incident_lost,
                  fmt::format("An incident was not saved: {} ({})", id.error().message, reason),
                  "");
  }
  for (const Answer& answer : std::exchange(awaiting_, {})) {
    answer(id ? Result<std::string>(fmt::format(R"({{"id":"{}"}})", *id)) : id);
  }
}

Result<std::string> FlightRecorder::try_to_save(Incident incident) {
  if (!incidents_) {
    return fail(ErrorCode::unavailable, "nothing can be kept on disk", options_.why_not);
  }
  const auto file = incidents_->save(std::move(incident), ring_.bytes(), limits_.incidents);
  return file ? Result<std::string>(file->stem().string()) : std::unexpected(file.error());
}

}  // namespace levee::recorder
