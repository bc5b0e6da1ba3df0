// HistoryStore: history.db. Events, alerts and rolled-up history in SQLite (WAL,
// synchronous=NORMAL: survives the death of any process). One owner thread; StoreWorker is it.
//
// Every call may find the file damaged, the disk full or the permission gone, and answers with the
// code that tells them apart:
//
//   corrupt             the file is damaged, or no database: move_aside() and open anew
//   resource_exhausted  the disk is full, or its device fails: keep the data, try later
//   permission_denied   the path cannot be written: keep the data, try later
//   unavailable         another process holds the file just now
//   invalid_argument    a newer Levee or another program wrote the file: it is left alone
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/alert.hpp"
#include "core/time.hpp"
#include "history/rollup.hpp"
#include "levee/result.hpp"

namespace levee::store {

/// How long each resolution, and the events, are kept.
struct Retention {
  std::chrono::seconds keep_1s = std::chrono::hours{1};
  std::chrono::seconds keep_10s = std::chrono::hours{24};
  std::chrono::seconds keep_1m = std::chrono::days{30};
  std::chrono::seconds keep_1h = std::chrono::days{730};
  std::chrono::seconds keep_events = std::chrono::days{90};
};

/// An event as it is kept: the columns that are searched, and its JSON.
struct StoredEvent {
  WallTime at;
  std::string kind;
  std::optional<std::string> severity;
  std::string json;

  bool operator==(const StoredEvent&) const = default;
};

/// What the engine hands over: a piece of the recent past.
struct Batch {
  std::vector<history::Point> points;
  std::vector<StoredEvent> events;
};

/// A question about the past: the buckets that overlap [from, to).
struct Query {
  std::vector<std::string> series;  ///< Empty: all.
  WallTime from;
  WallTime to;
  std::chrono::seconds width;  ///< One of history::kResolutions.
};

/// A question about what happened: the newest events first.
struct EventQuery {
  std::vector<std::string> kinds;    ///< Empty: all.
  WallTime since = WallTime::min();  ///< None older than this.
  std::size_t limit = 1000;
};

class HistoryStore {
 public:
  /// Most buckets one query may return (about 30 MB in memory).
  static constexpr std::size_t kMaxBuckets = 250'000;

  /// Opens or creates `file`, with its directory, and brings its schema up to date. A file that was
  /// not closed cleanly is checked for damage first if it is small; in a larger one damage is found
  /// by the call that meets it.
  [[nodiscard]] static Result<HistoryStore> open(const std::filesystem::path& file);

  /// Writes a batch in one transaction: all of it or nothing. Points go into all resolutions,
  /// merged into buckets that are there already; values that are not finite are left out.
  [[nodiscard]] Result<void> write(const Batch& batch);

  /// Deletes some of what is older than `retention` allows at `now`: a bounded number of rows, so
  /// that a huge table never blocks for long. True when more is left to delete.
  [[nodiscard]] Result<bool> prune(const Retention& retention, WallTime now);

  /// Buckets ordered by series, then start. `resource_exhausted` for more than kMaxBuckets.
  [[nodiscard]] Result<std::vector<history::Bucket>> query(const Query& query) const;

  /// The newest events, newest first.
  [[nodiscard]] Result<std::vector<StoredEvent>> events(const EventQuery& query) const;

  /// When the newest point that is stored was measured, to the hour; absent: there is none.
  [[nodiscard]] Result<std::optional<WallTime>> newest() const;

  /// False when the file was deleted, moved or replaced underneath: what is written now is lost.
  [[nodiscard]] bool is_in_place() const;

  HistoryStore(HistoryStore&&) noexcept;
  HistoryStore& operator=(HistoryStore&&) noexcept;
  ~HistoryStore();

 private:
  struct Impl;
  explicit HistoryStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace levee::store
