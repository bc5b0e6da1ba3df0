#include "engine/ledger_desk.hpp"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <utility>

namespace levee::engine {
namespace {

using api::LeaseReport;
using api::LeaseStanding;
using api::LedgerPort;
using api::LedgerView;
using ledger::Book;
using ledger::Happening;
using ledger::Lease;

constexpr std::size_t kMostTasks = 4096;
constexpr std::size_t kMostWatchers = 4096;

/// How far what everybody may see at any time lies behind the book.
constexpr std::chrono::milliseconds kViewAge{20};
constexpr std::chrono::hours kLongestRest{1};

std::unexpected<Error> too_busy() {
  return fail(ErrorCode::unavailable, "the ledger is too busy or stopping",
              "try again in a moment");
}

bool is_balloon(const Lease& lease) {
  return lease.is_granted() && lease.demand.kind == ledger::LeaseKind::balloon;
}

std::vector<BalloonOrder> balloons_of(const Book& book) {
  std::vector<BalloonOrder> balloons;
  for (const auto& [id, lease] : book.leases()) {
    if (is_balloon(lease)) {
      const Lease* const outer = book.find(lease.account());
      const Lease& account = outer != nullptr ? *outer : lease;
      balloons.push_back({lease, {account.id, account.owner, account.uid}});
    }
  }
  return balloons;
}

/// Nobody is promised memory on a machine that has not been looked at.
std::optional<Error> unseen(bool has_sample) {
  if (has_sample) {
    return std::nullopt;
  }
  return Error{ErrorCode::unavailable, "the machine has not been measured yet",
               "ask again in a second"};
}

}  // namespace

LedgerDesk::LedgerDesk(Options options)
    : options_(std::move(options)), records_(*options_.store), thread_([this] { run(); }) {}

LedgerDesk::~LedgerDesk() { stop(); }

void LedgerDesk::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

// --- what others ask

void LedgerDesk::ask(ledger::Request request, ledger::Requester requester,
                     const LedgerPort::Answer<ledger::Answer>& answer) {
  struct State {
    ledger::Request request;
    Result<ledger::Answer> result = too_busy();
  };
  const auto state = std::make_shared<State>(State{.request = std::move(request)});
  const bool posted =
      post({[this, state, requester](Book& book) {
              if (auto error = unseen(has_sample_)) {
                state->result = std::unexpected(std::move(*error));
              } else {
                state->result = ledger::ask(book, {sample_.supply, sample_.rules, options_.clock()},
                                            state->request, requester);
                if (state->result->outcome == ledger::Outcome::granted) {
                  turn_.happened.push_back({Happening::Kind::granted, state->result->lease});
                }
              }
            },
            [state, answer](const Result<void>& committed) {
              answer(committed ? std::move(state->result) : std::unexpected(committed.error()));
            }});
  if (!posted) {
    answer(too_busy());
  }
}

void LedgerDesk::release(std::string id, ledger::Requester requester,
                         const LedgerPort::Answer<LeaseReport>& answer) {
  const auto result = std::make_shared<Result<LeaseReport>>(too_busy());
  const bool posted =
      post({[this, result, id = std::move(id), requester](Book& book) {
              auto released = ledger::release(book, id, requester);
              if (!released) {
                *result = std::unexpected(released.error());
                return;
              }
              *result = report(released->front());
              turn_.freed_memory_in_use |= was_in_use(released->front().account());
              for (Lease& lease : *released) {
                turn_.happened.push_back({Happening::Kind::released, std::move(lease)});
                end(turn_.happened.back());
              }
            },
            [result, answer](const Result<void>& committed) {
              answer(committed ? std::move(*result) : std::unexpected(committed.error()));
            }});
  if (!posted) {
    answer(too_busy());
  }
}

void LedgerDesk::resize(std::string id, Bytes each, ledger::Requester requester,
                        const LedgerPort::Answer<ledger::Answer>& answer) {
  const auto result = std::make_shared<Result<ledger::Answer>>(too_busy());
  const bool posted =
      post({[this, result, id = std::move(id), each, requester](Book& book) {
              if (auto error = unseen(has_sample_)) {
                *result = std::unexpected(std::move(*error));
              } else {
                *result = ledger::resize(book, {sample_.supply, sample_.rules, options_.clock()},
                                         id, each, requester);
              }
            },
            [result, answer](const Result<void>& committed) {
              answer(committed ? std::move(*result) : std::unexpected(committed.error()));
            }});
  if (!posted) {
    answer(too_busy());
  }
}

void LedgerDesk::note_used_before(std::string id, ledger::DeviceShare used) {
  static_cast<void>(post({[id = std::move(id), used = std::move(used)](Book& book) {
                            const Lease* const known = book.find(id);
                            if (known != nullptr && is_balloon(*known)) {
                              Lease lease = *known;
                              std::erase_if(lease.used_before, [&](const auto& share) {
                                return share.uuid == used.uuid;
                              });
                              lease.used_before.push_back(used);
                              book.put(std::move(lease));
                            }
                          },
                          [](const Result<void>&) {}}));
}

void LedgerDesk::watch(std::string id, std::chrono::seconds patience,
                       LedgerPort::Answer<LeaseStanding> answer) {
  {
    const std::scoped_lock lock(mutex_);
    if (!stopping_ && newcomers_.size() < kMostTasks) {
      newcomers_.push_back(
          {std::move(id), options_.clock().mono + patience, std::exchange(answer, nullptr)});
    }
  }
  if (answer) {
    answer(too_busy());
  } else {
    wake_.notify_all();
  }
}

void LedgerDesk::show(const LedgerPort::Answer<std::shared_ptr<const LedgerView>>& answer) {
  const auto shown = std::make_shared<std::shared_ptr<const LedgerView>>();
  const bool posted = post({[this, shown](Book& book) { *shown = describe(book); },
                            [shown, answer](const Result<void>& committed) {
                              if (committed) {
                                answer(std::move(*shown));
                              } else {
                                answer(std::unexpected(committed.error()));
                              }
                            }});
  if (!posted) {
    answer(too_busy());
  }
}

void LedgerDesk::forget(const LedgerPort::Answer<void>& answer) {
  const bool posted = post({[](Book&) {},
                            [this, answer](const Result<void>& committed) {
                              view_is_old_ = true;
                              answer(committed ? records_.forget() : committed);
                            }});
  if (!posted) {
    answer(too_busy());
  }
}

void LedgerDesk::observe(LedgerSample sample) {
  {
    const std::scoped_lock lock(mutex_);
    new_sample_ = std::move(sample);
  }
  wake_.notify_all();
}

void LedgerDesk::poke() {
  {
    const std::scoped_lock lock(mutex_);
    poked_ = true;
  }
  wake_.notify_all();
}

LedgerDesk::Past LedgerDesk::collect() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(past_, {});
}

bool LedgerDesk::post(Task task) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_ || tasks_.size() >= kMostTasks) {
      return false;
    }
    tasks_.push_back(std::move(task));
  }
  wake_.notify_all();
  return true;
}

// --- the thread

void LedgerDesk::run() {
  // Signals are for the main thread.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  while (true) {
    std::vector<Task> tasks;
    std::vector<Watcher> newcomers;
    bool is_sample = false;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_until(lock, next_turn(), [this] {
        return stopping_ || poked_ || new_sample_ || !tasks_.empty() || !newcomers_.empty();
      });
      if (stopping_ && tasks_.empty() && newcomers_.empty()) {
        break;
      }
      tasks.swap(tasks_);
      newcomers.swap(newcomers_);
      poked_ = false;
      if (new_sample_) {
        sample_ = std::move(*new_sample_);
        new_sample_.reset();
        has_sample_ = true;
        is_sample = true;
      }
    }
    take_turn(tasks, std::move(newcomers), is_sample);
  }
  for (const Watcher& watcher : std::exchange(watchers_, {})) {
    watcher.answer(too_busy());
  }
}

MonoTime LedgerDesk::next_turn() const {
  auto next = options_.clock().mono + kLongestRest;
  for (const Watcher& watcher : watchers_) {
    next = std::min(next, watcher.until);
  }
  return view_is_old_ ? std::min(next, view_made_ + kViewAge) : next;
}

void LedgerDesk::take_turn(const std::vector<Task>& tasks, std::vector<Watcher> newcomers,
                           bool is_sample) {
  const std::size_t new_watchers = newcomers.size();
  std::ranges::move(newcomers, std::back_inserter(watchers_));
  auto committed = commit(tasks, is_sample);
  if (!committed && committed.error().code == ErrorCode::corrupt) {
    committed = options_.store->begin_anew(options_.clock().wall);
    if (committed) {
      committed = commit(tasks, is_sample);
    }
  }
  if (committed) {
    // Before anybody hears of it: who asks then finds it.
    view_is_old_ |= records_.commit();
    if (turn_.balloons) {
      balloons_ = std::move(turn_.balloons);
      options_.balloons(*balloons_);
    }
  } else {
    records_.roll_back();
  }
  for (const Task& task : tasks) {
    task.tell(committed);
  }
  if (!committed) {
    fail_watchers(committed.error(), new_watchers);
    tell_trouble(committed.error());
    return;
  }
  answer_watchers();
  if (turn_.view) {
    view_.set(turn_.view);
    view_made_ = options_.clock().mono;
    view_is_old_ = false;
  }
  if (turn_.freed_memory_in_use && options_.look_again) {
    options_.look_again();
  }
  const std::scoped_lock lock(mutex_);
  for (Happening& each : turn_.happened) {
    peaks_.erase(each.lease.id);  // Whoever has the id next begins anew.
    if (past_.happened.size() < kMostHappenings) {
      past_.happened.push_back(std::move(each));
    } else {
      ++past_.unheard;
    }
  }
}

/// Nothing has changed. Who came just now, or has waited long enough, is told why; the others go on
/// waiting.
void LedgerDesk::fail_watchers(const Error& error, std::size_t newcomers) {
  const MonoTime now = options_.clock().mono;
  turn_.over.assign(watchers_.size(), std::nullopt);
  for (std::size_t i = 0; i < watchers_.size(); ++i) {
    if (i + newcomers >= watchers_.size() || now >= watchers_[i].until) {
      turn_.over[i] = std::unexpected(error);
    }
  }
  answer_watchers();
}

/// The last view goes on, and says what is wrong. The next sample makes a new one: were it tried
/// again at once, a disk that stays full would be asked without a pause.
void LedgerDesk::tell_trouble(const Error& error) {
  view_is_old_ = false;
  if (const auto last = view_.get()) {
    auto view = std::make_shared<LedgerView>(*last);
    view->trouble = error.message;
    view_.set(std::move(view));
  }
}

Result<void> LedgerDesk::commit(const std::vector<Task>& tasks, bool is_sample) {
  turn_ = {};
  records_.roll_back();
  static_cast<void>(records_.all());  // To be shown within.
  return options_.store->transact([&](Book& book) { decide(book, tasks, is_sample); });
}

/// One transaction: everything that was asked, and the line is served.
void LedgerDesk::decide(Book& book, const std::vector<Task>& tasks, bool is_sample) {
  const Now now = options_.clock();
  const auto happen = [this](std::vector<Happening> more) {
    std::ranges::move(more, std::back_inserter(turn_.happened));
  };
  if (is_sample) {
    happen(ledger::expire(book, now, options_.is_alive));
    std::ranges::for_each(turn_.happened, [this](const Happening& each) { end(each); });
    peaks_.note(book, sample_.supply);
  }
  for (const Task& task : tasks) {
    task.decide(book);
  }
  if (has_sample_) {
    happen(ledger::serve(book, {sample_.supply, sample_.rules, now}));
  }
  // Who shares the store may have changed them as well.
  if (auto balloons = balloons_of(book); balloons != balloons_) {
    turn_.balloons = std::move(balloons);
  }
  look_at_watched(book, now.mono);
  view_is_old_ |= is_sample || !book.changes().empty();
  if (is_sample || (view_is_old_ && now.mono - view_made_ >= kViewAge)) {
    turn_.view = describe(book);
  }
}

/// Notes that a job is over.
void LedgerDesk::end(const Happening& happening) {
  records_.note(happening, peaks_, options_.clock().wall);
}

/// Who watches something that is granted, over or not to be had in time will be told.
void LedgerDesk::look_at_watched(const Book& book, MonoTime now) {
  turn_.over.resize(watchers_.size());
  for (std::size_t i = 0; i < watchers_.size(); ++i) {
    const Watcher& watcher = watchers_[i];
    const Lease* const lease = book.find(watcher.id);
    if (lease != nullptr && !lease->is_granted() && now < watcher.until && i < kMostWatchers) {
      continue;
    }
    LeaseStanding standing;
    if (lease != nullptr) {
      standing.report = report(*lease);
      standing.report->place = ledger::place_in_line(book, lease->id);
    } else {
      for (const Happening& happening : turn_.happened) {
        if (happening.lease.id == watcher.id) {
          standing.why_over = to_string(happening.kind);
        }
      }
    }
    turn_.over[i] = std::move(standing);
  }
}

void LedgerDesk::answer_watchers() {
  std::vector<Watcher> still_waiting;
  for (std::size_t i = 0; i < watchers_.size(); ++i) {
    if (auto& standing = turn_.over[i]) {
      watchers_[i].answer(std::move(*standing));
    } else {
      still_waiting.push_back(std::move(watchers_[i]));
    }
  }
  watchers_ = std::move(still_waiting);
}

// --- what it shows

LeaseReport LedgerDesk::report(const Lease& lease) const {
  LeaseReport report{
      .lease = lease, .place = 0, .user = options_.user_name(lease.uid), .used = {}, .peak = {}};
  if (lease.demand.within.empty()) {
    if (const auto use = sample_.supply.uses.find(lease.id); use != sample_.supply.uses.end()) {
      report.used = use->second;
    }
    report.peak = peaks_.of(lease.id);
  }
  return report;
}

bool LedgerDesk::was_in_use(const std::string& account) const {
  const auto use = sample_.supply.uses.find(account);
  return use != sample_.supply.uses.end() &&
         (use->second.host.count > 0 ||
          std::ranges::any_of(use->second.devices, [](const ledger::DeviceShare& share) {
            return share.bytes.count > 0;
          }));
}

std::shared_ptr<const LedgerView> LedgerDesk::describe(const Book& book) const {
  auto view = std::make_shared<LedgerView>();
  view->durable = options_.store->is_durable();
  view->trouble = options_.store->trouble();
  view->record = records_.known();
  for (const auto& [id, lease] : book.leases()) {
    if (lease.is_granted()) {
      view->leases.push_back(report(lease));
    }
  }
  std::size_t place = 0;
  for (const Lease* waiting : book.queue()) {
    view->leases.push_back(report(*waiting));
    view->leases.back().place = ++place;
  }
  const ledger::Balance balance = ledger::balance(book, sample_.supply, sample_.rules);
  view->devices = api::device_lines(balance);
  view->host_capacity = balance.host_capacity;
  view->host_available = balance.host_available;
  view->host_outstanding = balance.host_outstanding;
  return view;
}

}  // namespace levee::engine
