// FlightRecorder: keeps the last minutes, saves them when something went wrong, and writes the
// continuous recording if one is wanted. It has a thread of its own: encoding and disks cost the
// engine a queue entry. When the thread cannot follow, items are left out, and the gap is recorded.
// Public functions are thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "recorder/encoder.hpp"
#include "recorder/incident_dir.hpp"
#include "recorder/incident_gate.hpp"
#include "recorder/items.hpp"
#include "recorder/recording_file.hpp"
#include "recorder/ring.hpp"

namespace levee::recorder {

struct Limits {
  RingBounds ring;
  std::chrono::seconds aftermath{5};
  Bytes incidents = mib(256);
  Bytes file = gib(1);
};

/// What the engine knows besides the item, in case a piece begins with it.
struct Context {
  std::uint64_t next_event_id = 1;  ///< Before the item.
  std::shared_ptr<const std::vector<Alert>> active;
};

class FlightRecorder {
 public:
  struct Options {
    std::string version;
    std::string hostname;
    BootId boot;
    Now began;
    Layers settings;
    Limits limits;
    std::optional<std::filesystem::path> incidents;  ///< Absent: nothing can be saved,
    std::string why_not;                             ///< for this reason.
    std::optional<std::filesystem::path> file;       ///< Of the continuous recording.
    /// Something to tell: a bundle was saved, or could not be. Called on the recorder's thread.
    std::function<void(EventKind, std::string message, std::string incident)> tell;
  };

  explicit FlightRecorder(Options options);
  ~FlightRecorder();
  FlightRecorder(const FlightRecorder&) = delete;
  FlightRecorder& operator=(const FlightRecorder&) = delete;

  void offer(Item item, Context context);

  /// All answers come exactly once, on the recorder's thread or at once, with JSON.
  using Answer = std::function<void(Result<std::string>)>;

  /// A trigger; its `id` is found when it is saved. `answer`, if there is one, comes then: with the
  /// id, or why nothing was saved.
  void trigger(Incident incident, Answer answer = {});
  void configure(Limits limits);

  void list(Answer answer);
  void show(std::string id, Answer answer);
  void remove(std::string id, Answer answer);

  /// What was offered until now is recorded. For tests and benchmarks.
  void wait_until_done();

  [[nodiscard]] std::uint64_t lost() const;

  /// Saves what is pending, and ends the thread. Idempotent.
  void stop();

 private:
  struct Recorded {
    Item item;
    Context context;
  };
  struct Trigger {
    Incident incident;
    Answer answer;
  };
  using Job = std::variant<Recorded, Trigger, Limits, std::function<void()>>;

  void run();
  void work(Job& job);
  void record(Recorded& recorded);
  void begin_piece(const Recorded& recorded, Now now);
  void write_to_file(std::string_view frame);
  void consider(Trigger trigger);
  void save(Incident incident);
  [[nodiscard]] Result<std::string> try_to_save(Incident incident);
  void ask(const Answer& answer, std::function<Result<std::string>()> question);

  const Options options_;

  mutable std::mutex mutex_;  // guards the members below
  std::condition_variable changed_;
  std::condition_variable idle_;
  std::deque<Job> jobs_;
  std::size_t waiting_items_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t lost_untold_ = 0;
  bool stopping_ = false;
  bool is_working_ = false;

  // The recorder's thread only.
  Limits limits_;
  Layers settings_;
  std::string recording_;
  std::uint64_t pieces_ = 0;
  bool needs_piece_ = true;
  Now last_now_;
  Redactor redactor_;
  Encoder encoder_;
  Ring ring_;
  IncidentGate gate_;
  std::vector<Answer> awaiting_;  ///< The bundle that is pending.
  std::optional<IncidentDir> incidents_;
  std::optional<RecordingFile> file_;

  std::thread thread_;
};

}  // namespace levee::recorder
