// What the tests of the store share: points, events, and ways to break a file.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "store/history_store.hpp"
#include "support/patience.hpp"
#include "support/small_disk.hpp"
#include "support/temp_dir.hpp"
#include "support/values.hpp"

namespace levee::store {

using namespace std::chrono_literals;
using test::contents;
using test::eventually;
using test::put;
using test::SmallDisk;
using test::TempDir;

/// 2026-01-31T08:05:00Z, the start of a bucket of a minute.
inline constexpr WallTime kStart{1'769'846'700'000ms};

inline history::Point point(const std::string& series, std::chrono::milliseconds after,
                            double value) {
  return {series, kStart + after, value};
}

inline StoredEvent event(const std::string& kind, std::chrono::milliseconds after = 0ms) {
  return {kStart + after, kind, "warning", "{\"kind\":\"" + kind + "\"}"};
}

/// `seconds` of one value per second for each of `series` series.
inline Batch batch_of(int seconds, int series = 1, std::chrono::seconds from = 0s) {
  Batch batch;
  for (int s = 0; s < series; ++s) {
    for (int i = 0; i < seconds; ++i) {
      batch.points.push_back(
          point("host/series_" + std::to_string(s), from + std::chrono::seconds{i}, i));
    }
  }
  return batch;
}

inline Query everything(std::chrono::seconds width) {
  return {.series = {}, .from = kStart - 24h, .to = kStart + 24h * 400, .width = width};
}

inline std::size_t buckets_in(const HistoryStore& store, std::chrono::seconds width) {
  const auto found = store.query(everything(width));
  return found ? found->size() : 0;
}

inline std::uint64_t points_in(const HistoryStore& store) {
  std::uint64_t count = 0;
  const auto found = store.query(everything(1s)).value();
  for (const auto& bucket : found) {
    count += bucket.count;
  }
  return count;
}

/// Overwrites `length` bytes at `offset` with noise.
inline void damage(const std::filesystem::path& file, std::streamoff offset, std::size_t length) {
  std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
  stream.seekp(offset);
  for (std::size_t i = 0; i < length; ++i) {
    stream.put(static_cast<char>(i * 151 + 7));
  }
}

/// The files beside `file` whose names begin with its name and ".damaged".
inline std::vector<std::filesystem::path> damaged_files(const std::filesystem::path& file) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(file.parent_path())) {
    if (entry.path().filename().string().starts_with(file.filename().string() + ".damaged")) {
      found.push_back(entry.path());
    }
  }
  return found;
}

}  // namespace levee::store
