#include "store/history_store.hpp"

#include <fmt/ranges.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <new>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "store/sqlite.hpp"

namespace levee::store {
namespace {

namespace fs = std::filesystem;

constexpr std::array kSteps{
    // Buckets of one series and resolution lie side by side, which is how they are read and pruned.
    "CREATE TABLE series(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE bucket(series INTEGER NOT NULL, width INTEGER NOT NULL, start INTEGER NOT NULL,"
    " min REAL NOT NULL, max REAL NOT NULL, sum REAL NOT NULL, n INTEGER NOT NULL,"
    " PRIMARY KEY(series, width, start)) WITHOUT ROWID;"
    "CREATE TABLE event(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL,"
    " severity TEXT, json TEXT NOT NULL);"
    "CREATE INDEX event_by_time ON event(at);"
    "CREATE INDEX event_by_kind ON event(kind, at);"};

constexpr Schema kSchema{.application_id = 0x4c657665, .steps = kSteps};  // "Leve"

/// Rows deleted by one prune(): a few milliseconds.
constexpr std::int64_t kRowsPerPrune = 5'000;
/// Free pages given back to the disk by one prune(), and how many may stay for the next rows.
constexpr int kPagesPerPrune = 512;
constexpr int kSparePages = 256;

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

WallTime wall_time(std::int64_t seconds) { return WallTime{std::chrono::seconds{seconds}}; }

std::vector<history::Point> finite_points(const std::vector<history::Point>& points) {
  std::vector<history::Point> finite;
  finite.reserve(points.size());
  std::ranges::copy_if(points, std::back_inserter(finite),
                       [](const history::Point& point) { return std::isfinite(point.value); });
  return finite;
}

}  // namespace

struct HistoryStore::Impl {
  Impl(fs::path path, std::unique_ptr<SQLite::Database> opened)
      : file(std::move(path)), database(std::move(opened)) {}

  /// Runs `work`; what it throws becomes an Error.
  template <class Work>
  auto guarded(std::string_view doing, Work work) -> Result<decltype(work())> {
    try {
      if constexpr (std::is_void_v<decltype(work())>) {
        work();
        return {};
      } else {
        return work();
      }
    } catch (const SQLite::Exception& failure) {
      series_ids.clear();  // A series of the transaction that was undone has no row.
      return std::unexpected(explain(failure, database.get(), doing, file));
    } catch (const std::bad_alloc&) {
      series_ids.clear();
      return fail(ErrorCode::resource_exhausted,
                  fmt::format("{} {}: no memory left", doing, file.string()));
    }
  }

  std::int64_t id_of(const std::string& name);
  void add(const history::Bucket& bucket, std::chrono::seconds width);
  void add(const StoredEvent& event);
  std::int64_t prune_buckets(std::int64_t series, std::chrono::seconds width, WallTime oldest,
                             std::int64_t most);
  std::int64_t prune_events(WallTime oldest, std::int64_t most);
  void read_series(std::int64_t id, const std::string& name, const Query& query,
                   std::vector<history::Bucket>& into);
  [[nodiscard]] std::vector<std::pair<std::int64_t, std::string>> all_series();

  const fs::path file;
  const std::unique_ptr<SQLite::Database> database;
  /// False on the few file systems that cannot do it; SQLite then goes on without.
  const bool has_log = database->execAndGet("PRAGMA journal_mode").getString() == "wal";
  std::unordered_map<std::string, std::int64_t> series_ids;

  SQLite::Statement find_series{*database, "SELECT id FROM series WHERE name=?"};
  SQLite::Statement list_series{*database, "SELECT id, name FROM series ORDER BY name"};
  SQLite::Statement add_series{*database, "INSERT INTO series(name) VALUES(?)"};
  SQLite::Statement drop_empty_series{
      *database,
      "DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM bucket WHERE series=series.id)"};
  SQLite::Statement add_bucket{
      *database,
      "INSERT INTO bucket(series, width, start, min, max, sum, n) VALUES(?,?,?,?,?,?,?)"
      " ON CONFLICT(series, width, start) DO UPDATE SET min=min(min, excluded.min),"
      " max=max(max, excluded.max), sum=sum+excluded.sum, n=n+excluded.n"};
  SQLite::Statement read_buckets{
      *database,
      "SELECT start, min, max, sum, n FROM bucket"
      " WHERE series=? AND width=? AND start>? AND start<? ORDER BY start LIMIT ?"};
  SQLite::Statement last_bucket{*database,
                                "SELECT max(start) FROM bucket WHERE series=? AND width=?"};
  SQLite::Statement drop_buckets{
      *database,
      "DELETE FROM bucket WHERE series=?1 AND width=?2 AND start IN (SELECT start FROM bucket"
      " WHERE series=?1 AND width=?2 AND start<?3 ORDER BY start LIMIT ?4)"};
  SQLite::Statement add_event{*database,
                              "INSERT INTO event(at, kind, severity, json) VALUES(?,?,?,?)"};
  SQLite::Statement drop_events{
      *database,
      "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE at<? ORDER BY at LIMIT ?)"};
};

// --- opening

Result<HistoryStore> HistoryStore::open(const fs::path& file) {
  auto database = open_database(file, kSchema);
  if (!database) {
    return std::unexpected(database.error());
  }
  SQLite::Database& opened = **database;
  try {
    return HistoryStore(std::make_unique<Impl>(file, std::move(*database)));
  } catch (const SQLite::Exception& failure) {
    Error error = explain(failure, &opened, "opening", file);
    if (failure.getErrorCode() == SQLITE_ERROR) {  // Ours by its header, yet without its tables.
      error.code = ErrorCode::corrupt;
    }
    return std::unexpected(std::move(error));
  }
}

HistoryStore::HistoryStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HistoryStore::HistoryStore(HistoryStore&&) noexcept = default;
HistoryStore& HistoryStore::operator=(HistoryStore&&) noexcept = default;
HistoryStore::~HistoryStore() = default;

bool HistoryStore::is_in_place() const {
  return store::is_in_place(*impl_->database, impl_->file, impl_->has_log);
}

// --- writing

Result<void> HistoryStore::write(const Batch& batch) {
  return impl_->guarded("writing", [&] {
    const std::vector<history::Point> points = finite_points(batch.points);
    SQLite::Transaction transaction(*impl_->database, SQLite::TransactionBehavior::IMMEDIATE);
    for (const std::chrono::seconds width : history::kResolutions) {
      for (const history::Bucket& bucket : history::roll_up(points, width)) {
        impl_->add(bucket, width);
      }
    }
    for (const StoredEvent& event : batch.events) {
      impl_->add(event);
    }
    transaction.commit();
  });
}

std::int64_t HistoryStore::Impl::id_of(const std::string& name) {
  if (const auto known = series_ids.find(name); known != series_ids.end()) {
    return known->second;
  }
  Rows rows(find_series);
  find_series.bind(1, name);
  std::int64_t id = 0;
  if (rows.next()) {
    id = rows[0].getInt64();
  } else {
    add_series.bind(1, name);
    run(add_series);
    id = database->getLastInsertRowid();
  }
  series_ids.emplace(name, id);
  return id;
}

void HistoryStore::Impl::add(const history::Bucket& bucket, std::chrono::seconds width) {
  add_bucket.bind(1, id_of(bucket.series));
  add_bucket.bind(2, std::int64_t{width.count()});
  add_bucket.bind(3, seconds_of(bucket.start));
  add_bucket.bind(4, bucket.min);
  add_bucket.bind(5, bucket.max);
  add_bucket.bind(6, bucket.sum);
  add_bucket.bind(7, static_cast<std::int64_t>(bucket.count));
  run(add_bucket);
}

void HistoryStore::Impl::add(const StoredEvent& event) {
  add_event.bind(1, std::int64_t{event.at.time_since_epoch().count()});
  add_event.bind(2, event.kind);
  if (event.severity) {
    add_event.bind(3, *event.severity);
  } else {
    add_event.bind(3);
  }
  add_event.bind(4, event.json);
  run(add_event);
}

// --- pruning

Result<bool> HistoryStore::prune(const Retention& retention, WallTime now) {
  return impl_->guarded("pruning", [&] {
    const std::array keep{retention.keep_1s, retention.keep_10s, retention.keep_1m,
                          retention.keep_1h};
    SQLite::Database& database = *impl_->database;
    SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
    std::int64_t left = kRowsPerPrune;
    for (const auto& [id, name] : impl_->all_series()) {
      for (std::size_t i = 0; i < keep.size() && left > 0; ++i) {
        left -= impl_->prune_buckets(id, history::kResolutions.at(i), now - keep.at(i), left);
      }
    }
    left -= impl_->prune_events(now - retention.keep_events, left);
    if (left > 0) {
      run(impl_->drop_empty_series);
      impl_->series_ids.clear();
    }
    transaction.commit();
    const int spare = database.execAndGet("PRAGMA freelist_count").getInt() - kSparePages;
    if (spare > 0) {
      database.exec(fmt::format("PRAGMA incremental_vacuum({})", std::min(spare, kPagesPerPrune)));
    }
    return left == 0 || spare > kPagesPerPrune;
  });
}

std::int64_t HistoryStore::Impl::prune_buckets(std::int64_t series, std::chrono::seconds width,
                                               WallTime oldest, std::int64_t most) {
  drop_buckets.bind(1, series);
  drop_buckets.bind(2, std::int64_t{width.count()});
  // A bucket goes when its end is too old: until then it still holds something that is kept.
  drop_buckets.bind(3, seconds_of(oldest - width) + 1);
  drop_buckets.bind(4, most);
  run(drop_buckets);
  return database->getChanges();
}

std::int64_t HistoryStore::Impl::prune_events(WallTime oldest, std::int64_t most) {
  drop_events.bind(1, std::int64_t{oldest.time_since_epoch().count()});
  drop_events.bind(2, most);
  run(drop_events);
  return database->getChanges();
}

// --- reading

Result<std::vector<history::Bucket>> HistoryStore::query(const Query& query) const {
  if (std::ranges::find(history::kResolutions, query.width) == history::kResolutions.end()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("no history is kept with one value per {} s", query.width.count()),
                "use 1, 10, 60 or 3600 seconds");
  }
  if (query.from > query.to) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the time range begins ({}) after it ends ({})", to_iso8601(query.from),
                            to_iso8601(query.to)),
                "swap the two");
  }
  auto buckets = impl_->guarded("reading", [&] {
    std::vector<history::Bucket> found;
    for (const auto& [id, name] : impl_->all_series()) {
      if (query.series.empty() || std::ranges::find(query.series, name) != query.series.end()) {
        impl_->read_series(id, name, query, found);
      }
    }
    return found;
  });
  if (buckets && buckets->size() > kMaxBuckets) {
    return fail(ErrorCode::resource_exhausted,
                fmt::format("the answer has more than {} values", kMaxBuckets),
                "ask for a shorter time, fewer series, or a coarser resolution");
  }
  return buckets;
}

std::vector<std::pair<std::int64_t, std::string>> HistoryStore::Impl::all_series() {
  std::vector<std::pair<std::int64_t, std::string>> all;
  for (Rows rows(list_series); rows.next();) {
    all.emplace_back(rows[0].getInt64(), rows[1].getString());
  }
  return all;
}

void HistoryStore::Impl::read_series(std::int64_t id, const std::string& name, const Query& query,
                                     std::vector<history::Bucket>& into) {
  // One more than allowed, so that the caller sees that there are too many.
  const std::size_t most = kMaxBuckets + 1 - std::min(into.size(), kMaxBuckets + 1);
  Rows rows(read_buckets);
  read_buckets.bind(1, id);
  read_buckets.bind(2, std::int64_t{query.width.count()});
  read_buckets.bind(3, seconds_of(query.from) - query.width.count());
  read_buckets.bind(4,
                    std::chrono::ceil<std::chrono::seconds>(query.to).time_since_epoch().count());
  read_buckets.bind(5, static_cast<std::int64_t>(most));
  while (rows.next()) {
    into.push_back({name, wall_time(rows[0].getInt64()), rows[1].getDouble(), rows[2].getDouble(),
                    rows[3].getDouble(), static_cast<std::uint64_t>(rows[4].getInt64())});
  }
}

Result<std::vector<StoredEvent>> HistoryStore::events(const EventQuery& query) const {
  constexpr std::size_t kLargest = std::numeric_limits<std::int64_t>::max();
  return impl_->guarded("reading", [&] {
    const std::vector<std::string_view> places(query.kinds.size(), "?");
    SQLite::Statement statement(
        *impl_->database,
        fmt::format("SELECT at, kind, severity, json FROM event WHERE at>=? {}"
                    " ORDER BY at DESC, id DESC LIMIT ?",
                    places.empty() ? "" : fmt::format("AND kind IN ({})", fmt::join(places, ","))));
    int place = 0;
    statement.bind(++place, std::int64_t{query.since.time_since_epoch().count()});
    for (const std::string& kind : query.kinds) {
      statement.bind(++place, kind);
    }
    statement.bind(++place, static_cast<std::int64_t>(std::min(query.limit, kLargest)));
    Rows rows(statement);
    std::vector<StoredEvent> found;
    while (rows.next()) {
      found.push_back({WallTime{std::chrono::milliseconds{rows[0].getInt64()}}, rows[1].getString(),
                       rows[2].isNull() ? std::nullopt : std::optional{rows[2].getString()},
                       rows[3].getString()});
    }
    return found;
  });
}

Result<std::optional<WallTime>> HistoryStore::newest() const {
  return impl_->guarded("reading", [&]() -> std::optional<WallTime> {
    constexpr std::chrono::seconds kWidest = history::kResolutions.back();
    std::optional<WallTime> newest;
    for (const auto& [id, name] : impl_->all_series()) {
      Rows rows(impl_->last_bucket);
      impl_->last_bucket.bind(1, id);
      impl_->last_bucket.bind(2, std::int64_t{kWidest.count()});
      if (rows.next() && !rows[0].isNull()) {
        newest = std::max(newest, std::optional(wall_time(rows[0].getInt64()) + kWidest));
      }
    }
    return newest;
  });
}

// --- putting a damaged file away

}  // namespace levee::store
