// StoreWorker: the thread that owns history.db, so that a slow or full disk never delays a tick.
//
// If the file is damaged it is moved aside and begun anew; if it was deleted it is begun anew; if
// the disk is full or there is no permission, batches are kept in memory (bounded; the oldest
// points go first, events last) and writing is tried again every `retry`. Health says which.
// Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/history_store.hpp"

namespace levee::store {

struct StoreHealth {
  bool enabled = true;
  bool durable = false;              ///< False: history is kept in memory only, for now.
  std::string reason;                ///< Why not durable, with what to do; empty when it is.
  std::optional<WallTime> since;     ///< When the present condition began; absent while opening.
  std::uint64_t dropped_points = 0;  ///< Lost because memory for waiting batches is bounded.
  std::optional<std::filesystem::path> moved_aside;  ///< The last damaged file.
  std::uint64_t dropped_events = 0;                  ///< As dropped_points.
};

class StoreWorker {
 public:
  template <class T>
  using Answer = std::function<void(Result<std::vector<T>>)>;

  struct Options {
    std::filesystem::path file;
    Retention retention;
    std::chrono::milliseconds retry{30'000};
    std::chrono::milliseconds prune_every{600'000};
    std::size_t max_waiting_points = 200'000;
    std::size_t max_waiting_events = 10'000;
    std::size_t max_waiting_queries = 64;
    /// More damaged files than this say that the disk is failing: the rest of this run stays in
    /// memory rather than fill the disk with them.
    int max_moved_aside = 10;
    std::function<WallTime()> clock;  ///< For naming and retention.
  };

  explicit StoreWorker(Options options);
  ~StoreWorker();

  /// Queues a batch. Never blocks on the disk.
  void offer(Batch batch);

  /// Answers on the store's thread; `answer` is called exactly once, also at shutdown. A question
  /// that cannot be queued (too many wait, or stop() was called) is refused on the caller's own
  /// thread. `unavailable`, with the reason, while the history is not durable.
  void query(Query query, Answer<history::Bucket> answer);
  void events(EventQuery query, Answer<StoredEvent> answer);

  void set_retention(Retention retention);

  [[nodiscard]] StoreHealth health() const;

  /// Writes what is waiting, for at most `grace`, and ends the thread; a write or query under way
  /// is finished first. Idempotent.
  void stop(std::chrono::milliseconds grace);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace levee::store
