// What SQLite says, in Levee's words: opening a database file of ours, and naming its failures.
// One thread per database.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "levee/result.hpp"

namespace levee::store {

/// What makes a file ours, and how its tables came to be.
struct Schema {
  std::int32_t application_id;         ///< Marks the file; SQLite keeps it in the header.
  std::span<const char* const> steps;  ///< steps[v] brings version v to v + 1.
};

/// Opens or creates `file` (its directory too) in WAL mode and applies the steps it lacks.
[[nodiscard]] Result<std::unique_ptr<SQLite::Database>> open_database(
    const std::filesystem::path& file, const Schema& schema);

/// `failure`, which happened while `doing` something with `file`. The errno of the operating system
/// tells a full disk from a missing permission where SQLite does not.
[[nodiscard]] Error explain(const SQLite::Exception& failure, SQLite::Database* database,
                            std::string_view doing, const std::filesystem::path& file);

}  // namespace levee::store
