// Sink: where events go. The base queues and orders; children only write.
//
// offer() never blocks and never waits for a disk, a network or a program: a sink has a bounded
// queue and a thread of its own. When the queue is full the oldest entry is dropped and counted.
// Public functions are thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "core/alert.hpp"
#include "levee/result.hpp"

namespace levee::sinks {

/// An event with the renderings everybody shares; made once by the engine.
struct Notification {
  Event event;
  std::string json;  ///< One line, as the API shows it.
};

/// True for the events a webhook or hook is told about: alerts of at least `least` and their
/// resolution.
[[nodiscard]] bool is_for_people(const Event& event, Severity least) noexcept;

class Sink {
 public:
  /// `name` is unique among the sinks of a daemon: metrics use it as a label.
  Sink(std::string name, std::size_t capacity);
  virtual ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  /// Queues `notification` if the sink wants it. Never blocks.
  void offer(std::shared_ptr<const Notification> notification);

  /// Writes what is queued, for at most `grace`, then asks the write under way to give up and ends
  /// the thread; what is still queued counts as dropped. Idempotent.
  void stop(std::chrono::milliseconds grace);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::uint64_t dropped() const;
  [[nodiscard]] std::uint64_t written() const;
  [[nodiscard]] std::uint64_t failed() const;
  /// Why the last write failed, if one did.
  [[nodiscard]] std::optional<Error> last_error() const;

 protected:
  /// Starts the thread; the child's constructor calls it last, its destructor calls stop().
  void start();

  /// False for events that shall not even take a place in the queue.
  [[nodiscard]] virtual bool wants(const Event& event) const noexcept;

  /// Writes one notification; runs on the sink's thread. `stop` asks a long-running write (retries)
  /// to give up.
  [[nodiscard]] virtual Result<void> write(const Notification& notification,
                                           std::stop_token stop) = 0;

 private:
  void run(const std::stop_token& stop);
  Result<void> try_write(const Notification& notification, const std::stop_token& stop);

  const std::string name_;
  const std::size_t capacity_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;  // the members below are guarded by mutex_
  std::deque<std::shared_ptr<const Notification>> queue_;
  std::uint64_t dropped_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t failed_ = 0;
  std::optional<Error> last_error_;
  bool draining_ = false;  ///< Nothing more is accepted; the thread ends when the queue is empty.
  bool ended_ = false;

  std::mutex joining_;  // guards thread_
  std::jthread thread_;
};

}  // namespace levee::sinks
