// The JSON of every noun, in one place: API, log lines, webhooks, hooks and the command line all
// show the same object. Bad UTF-8 becomes U+FFFD, unknown values null. Pure; thread-safe.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "api/view.hpp"
#include "core/alert.hpp"
#include "core/reading.hpp"
#include "levee/result.hpp"
#include "store/store_worker.hpp"

namespace levee::api {

/// `hostname` is where it happened; null in the object when empty.
[[nodiscard]] nlohmann::ordered_json to_json(const Alert& alert, std::string_view hostname = {});
[[nodiscard]] nlohmann::ordered_json to_json(const Event& event, std::string_view hostname = {});

/// `now` is what the age of the figures is measured to.
[[nodiscard]] nlohmann::ordered_json to_json(const ProcessReading& process, MonoTime now);

/// The body of GET /api/v1/monitoring/status: the documented fields (contract S2-36 … S2-49) first,
/// then ours.
[[nodiscard]] nlohmann::ordered_json status_json(const View& view);

/// GET /api/v1/monitoring/report (contract S2-50 … S2-59).
[[nodiscard]] nlohmann::ordered_json report_json(const View& view);

/// `levee status --json`: gpustat's keys (hostname, driver_version, query_time, gpus) and ours.
[[nodiscard]] nlohmann::ordered_json overview_json(const View& view);

/// A source, or a part of the daemon, that does not deliver, and why.
[[nodiscard]] nlohmann::ordered_json trouble_json(std::string_view source, const Error& error);

[[nodiscard]] nlohmann::ordered_json store_json(const store::StoreHealth& store);

/// One line; bad UTF-8 replaced.
[[nodiscard]] std::string dump(const nlohmann::ordered_json& json);

}  // namespace levee::api
