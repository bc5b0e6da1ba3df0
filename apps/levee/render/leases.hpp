// Leases and the queue as text. Pure.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// The answer of GET /api/v1/leases.
[[nodiscard]] std::string render_leases(const Json& ledger, const Style& style);

/// The answer of GET /api/v1/queue.
[[nodiscard]] std::string render_queue(const Json& queue, const Style& style);

/// "12.0 GiB on GPU 0, 8.00 GiB of host memory": what a lease has, or asks for.
[[nodiscard]] std::string amounts_of(const Json& lease);

/// How request and peak compare, once a lease is over: "asked for 12.0 GiB on GPU 0, used 9.80 GiB
/// at most (82 %)". Empty when nothing was measured.
[[nodiscard]] std::string peak_of(const Json& lease);

}  // namespace levee::cli
