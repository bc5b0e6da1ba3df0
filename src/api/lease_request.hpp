// A request for a lease as JSON, read strictly. Internal to the room. Pure.
//
//   {"id": "train-7", "name": "train.py", "kind": "booking",
//    "gpus": 2 or ["0", "GPU-5b…"], "gpu_memory": "12GB" (on each) or "gpu_memory_bytes": N,
//    "host_memory": "8GB" or "host_memory_bytes": N,
//    "placement": "best_fit", "min_compute": "8.0", "priority": 0, "yieldable": false,
//    "within": "another-lease", "owner_pid": 4711, "ttl_seconds": 60, "wait_seconds": 600,
//    "estimate": an answer of POST /api/v1/estimate: kept beside how the job goes; its worst is the
//    gpu_memory where that is not given}
#pragma once

#include <sys/types.h>

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "api/view.hpp"
#include "ledger/admission.hpp"
#include "levee/amount.hpp"
#include "levee/result.hpp"

namespace levee::api {

struct LeaseBody {
  ledger::Request request;  ///< `id` may be empty; `owner` is not set.
  std::optional<pid_t> owner_pid;
};

/// Names of GPUs become UUIDs by what `view` shows.
[[nodiscard]] Result<LeaseBody> lease_body(const nlohmann::ordered_json& body, const View& view);

/// A balloon: {"size": "4GB", 2000, 0.5 or "50%" (of what is free), "gpus": ["0"], 2 or "all", and
/// "id", "name", "priority", "yieldable", "within", "owner_pid", "ttl_seconds", "wait_seconds" as a
/// lease has them}.
[[nodiscard]] Result<LeaseBody> balloon_body(const nlohmann::ordered_json& body, const View& view);

/// The amount called "size" in `body`, which has nothing else.
[[nodiscard]] Result<Amount> balloon_size(const nlohmann::ordered_json& body);

/// A documented booking (contract S1-49): {"allocation_id": "llm", "required_mb": 2048, "gpu_id":
/// 0}, and "owner_pid".
[[nodiscard]] Result<LeaseBody> booking_body(const nlohmann::ordered_json& body, const View& view);

/// {"allocation_id": "llm"}.
[[nodiscard]] Result<std::string> booking_id(const nlohmann::ordered_json& body);

}  // namespace levee::api
