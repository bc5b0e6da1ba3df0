// Leases and records of jobs as the text that ledger.db keeps, and back. Internal to the room.
// Pure.
//
// The text is JSON, so that sqlite3 and people can read it. Amounts are bytes; monotonic times are
// nanoseconds of CLOCK_MONOTONIC, which mean something only within the boot that the owner names.
#pragma once

#include <string>
#include <string_view>

#include "ledger/lease.hpp"
#include "levee/result.hpp"

namespace levee::store {

[[nodiscard]] std::string to_text(const ledger::Lease& lease);

/// `corrupt` for anything that to_text() did not write.
[[nodiscard]] Result<ledger::Lease> parse_lease(std::string_view text);

[[nodiscard]] std::string to_text(const JobRecord& record);
[[nodiscard]] Result<JobRecord> parse_job_record(std::string_view text);

}  // namespace levee::store
