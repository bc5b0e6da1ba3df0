#include "store/store_worker.hpp"

#include <fmt/core.h>
#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "store/prune_clock.hpp"
#include "store/sqlite.hpp"
#include "store/waiting_batches.hpp"

namespace levee::store {
namespace {

using Clock = std::chrono::steady_clock;

/// Looks into the store and answers, or answers with why there is none. Returns what went wrong.
using Question = std::function<std::optional<Error>(Result<const HistoryStore*>)>;

template <class Look, class T>
Question question(Look look, StoreWorker::Answer<T> answer) {
  return [look = std::move(look),
          answer = std::move(answer)](Result<const HistoryStore*> store) -> std::optional<Error> {
    Result<std::vector<T>> found =
        store ? look(**store) : std::unexpected(std::move(store.error()));
    std::optional<Error> failure;
    if (!found) {
      failure = found.error();
    }
    answer(std::move(found));
    return failure;
  };
}

/// One thing for the thread to do; with neither a batch nor a question it is upkeep.
struct Work {
  std::optional<Question> question;
  std::optional<Batch> batch;
  bool leave = false;
};

std::string for_people(const Error& error) {
  return error.hint.empty() ? error.message : error.message + "; " + error.hint;
}

}  // namespace

struct StoreWorker::Impl {
  explicit Impl(Options wanted)
      : options(std::move(wanted)),
        waiting(options.max_waiting_points, options.max_waiting_events),
        retention(options.retention) {}

  void run();
  [[nodiscard]] Work next();
  [[nodiscard]] bool has_upkeep(Clock::time_point now) const;
  [[nodiscard]] Clock::time_point next_upkeep() const;
  void keep_up();
  void open();
  void prune();
  void write(Batch batch);
  void ask(Question question);
  void answer(const Question& question);
  void refuse_remaining();
  void store_works();
  void store_fails(const Error& error);
  void recover_from(const Error& error);
  void set_health(bool durable, std::string reason);

  const Options options;

  mutable std::mutex mutex;
  std::condition_variable wake;  // the members below are guarded by mutex
  WaitingBatches waiting;
  std::deque<Question> questions;
  Retention retention;
  bool prune_now = false;
  StoreHealth health;
  std::optional<Clock::time_point> stop_by;  ///< Set by stop(): leave then at the latest.

  // Owned by the thread.
  std::optional<HistoryStore> store;
  Clock::time_point next_try{};
  Clock::time_point next_prune{};
  std::optional<PruneClock> prune_clock;  ///< Made at the first prune of this run.
  bool tried_at_stop = false;
  int moved_aside = 0;

  std::mutex joining;
  std::thread thread;
};

StoreWorker::StoreWorker(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

StoreWorker::~StoreWorker() { stop(std::chrono::milliseconds{0}); }

void StoreWorker::offer(Batch batch) {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->stop_by) {
    impl_->waiting.lose(batch);
    return;
  }
  impl_->waiting.add(std::move(batch));
  impl_->wake.notify_one();
}

void StoreWorker::query(Query query, Answer<history::Bucket> answer) {
  impl_->ask(question([query = std::move(query)](const HistoryStore& s) { return s.query(query); },
                      std::move(answer)));
}

void StoreWorker::events(EventQuery query, Answer<StoredEvent> answer) {
  impl_->ask(question([query = std::move(query)](const HistoryStore& s) { return s.events(query); },
                      std::move(answer)));
}

void StoreWorker::Impl::ask(Question question) {
  std::string refusal;
  {
    const std::lock_guard lock(mutex);
    if (stop_by) {
      refusal = "the store is being closed";
    } else if (questions.size() >= options.max_waiting_queries) {
      refusal = fmt::format("{} questions about history wait already", questions.size());
    } else {
      questions.push_back(std::move(question));
      wake.notify_one();
      return;
    }
  }
  question(fail(ErrorCode::unavailable, std::move(refusal), "ask again in a moment"));
}

void StoreWorker::set_retention(Retention retention) {
  const std::lock_guard lock(impl_->mutex);
  impl_->retention = retention;
  impl_->prune_now = true;
  impl_->wake.notify_one();
}

StoreHealth StoreWorker::health() const {
  const std::lock_guard lock(impl_->mutex);
  StoreHealth health = impl_->health;
  health.dropped_points = impl_->waiting.dropped_points();
  health.dropped_events = impl_->waiting.dropped_events();
  return health;
}

void StoreWorker::stop(std::chrono::milliseconds grace) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (!impl_->stop_by) {
      impl_->stop_by = Clock::now() + grace;
    }
    impl_->wake.notify_one();
  }
  const std::lock_guard lock(impl_->joining);
  if (impl_->thread.joinable()) {
    impl_->thread.join();
  }
}

// --- the thread

void StoreWorker::Impl::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // Signals are for the main thread.
  open();
  for (;;) {
    Work work = next();
    if (work.leave) {
      break;
    }
    if (work.question) {
      answer(*work.question);
    } else if (work.batch) {
      write(std::move(*work.batch));
    } else {
      keep_up();
    }
  }
  refuse_remaining();
  store.reset();
}

/// Waits for something to do. Questions come first: somebody waits for the answer.
Work StoreWorker::Impl::next() {
  std::unique_lock lock(mutex);
  for (;;) {
    const Clock::time_point now = Clock::now();
    Work work;
    if (!questions.empty()) {
      work.question = std::move(questions.front());
      questions.pop_front();
      return work;
    }
    if (stop_by && (waiting.empty() || now >= *stop_by || (!store && tried_at_stop))) {
      work.leave = true;
      return work;
    }
    if (store && !waiting.empty()) {
      work.batch = waiting.take();
      return work;
    }
    if (has_upkeep(now)) {
      return work;
    }
    wake.wait_until(lock, next_upkeep());
  }
}

bool StoreWorker::Impl::has_upkeep(Clock::time_point now) const {
  return stop_by || now >= next_upkeep() || (store && prune_now);
}

Clock::time_point StoreWorker::Impl::next_upkeep() const { return store ? next_prune : next_try; }

void StoreWorker::Impl::keep_up() {
  if (store) {
    prune();
    return;
  }
  {
    const std::lock_guard lock(mutex);
    tried_at_stop = stop_by.has_value();
  }
  open();
}

void StoreWorker::Impl::open() {
  store.reset();  // Closed first: two connections of one process would share POSIX locks.
  auto opened = HistoryStore::open(options.file);
  if (!opened && opened.error().code == ErrorCode::corrupt) {
    recover_from(opened.error());
    return;
  }
  if (!opened) {
    store_fails(opened.error());
    return;
  }
  store = std::move(*opened);
  next_prune = Clock::now();
  // A full disk lets a file be opened. What waits will tell whether it can be written.
  bool is_proven = false;
  {
    const std::lock_guard lock(mutex);
    is_proven = waiting.empty();
  }
  if (is_proven) {
    store_works();
  }
}

void StoreWorker::Impl::write(Batch batch) {
  if (!store->is_in_place()) {
    open();
  }
  Result<void> written =
      store ? store->write(batch) : fail(ErrorCode::unavailable, "the file could not be opened");
  if (written) {
    store_works();
    return;
  }
  {
    const std::lock_guard lock(mutex);
    if (written.error().code == ErrorCode::internal) {
      waiting.lose(batch);  // It is the batch that is wrong: it would fail for ever.
      return;
    }
    waiting.put_back(std::move(batch));
  }
  if (store) {
    recover_from(written.error());
  }
}

void StoreWorker::Impl::prune() {
  Retention keep;
  {
    const std::lock_guard lock(mutex);
    keep = retention;
    prune_now = false;
  }
  if (!store->is_in_place()) {
    open();
    return;
  }
  const Now now{options.clock(), Clock::now()};
  if (!prune_clock) {
    const auto newest = store->newest();
    if (!newest) {
      recover_from(newest.error());
      return;
    }
    prune_clock.emplace(*newest, now);
  }
  const Result<bool> more = store->prune(keep, prune_clock->at(now));
  next_prune = Clock::now() + (more.value_or(false) ? Clock::duration{} : options.prune_every);
  if (!more) {
    recover_from(more.error());
  }
}

void StoreWorker::Impl::answer(const Question& question) {
  Result<const HistoryStore*> readable = store ? &*store : nullptr;
  if (!store) {
    const std::lock_guard lock(mutex);
    readable = fail(ErrorCode::unavailable, "no history can be read: " + health.reason,
                    "see the health of the store");
  }
  const std::optional<Error> failure = question(std::move(readable));
  if (failure && failure->code == ErrorCode::corrupt) {
    recover_from(*failure);
  }
}

void StoreWorker::Impl::refuse_remaining() {
  std::deque<Question> remaining;
  {
    const std::lock_guard lock(mutex);
    remaining.swap(questions);
    while (!waiting.empty()) {
      waiting.lose(waiting.take());
    }
  }
  for (const Question& question : remaining) {
    question(fail(ErrorCode::unavailable, "the store is being closed"));
  }
}

// --- when something is wrong

/// A damaged file is moved aside and begun anew at once; anything else is tried again later.
void StoreWorker::Impl::recover_from(const Error& error) {
  store.reset();
  if (error.code != ErrorCode::corrupt) {
    store_fails(error);
    return;
  }
  if (moved_aside >= options.max_moved_aside) {
    store_fails({ErrorCode::corrupt,
                 fmt::format("{} was damaged {} times since the daemon started",
                             options.file.string(), moved_aside + 1),
                 "the disk may be failing: check it, then restart the daemon"});
    return;
  }
  const auto target = move_aside(options.file, options.clock());
  if (!target) {
    store_fails(target.error());
    return;
  }
  ++moved_aside;
  {
    const std::lock_guard lock(mutex);
    health.moved_aside = *target;
  }
  open();
}

void StoreWorker::Impl::store_fails(const Error& error) {
  next_try = Clock::now() + options.retry;
  set_health(false, for_people(error));
}

void StoreWorker::Impl::store_works() { set_health(true, {}); }

void StoreWorker::Impl::set_health(bool durable, std::string reason) {
  const WallTime now = options.clock();
  const std::lock_guard lock(mutex);
  if (!health.since || health.durable != durable) {
    health.since = now;
  }
  health.durable = durable;
  health.reason = std::move(reason);
}

}  // namespace levee::store
