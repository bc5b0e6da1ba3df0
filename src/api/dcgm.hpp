// The metrics page in the names, labels and units of dcgm-exporter, so that dashboards made for it
// light up where DCGM is not installed. Pure; thread-safe.
#pragma once

#include <string>

#include "api/view.hpp"

namespace levee::api {

/// Prometheus text. What is unknown has no line: DCGM's blank values never appear.
[[nodiscard]] std::string dcgm_page(const View& view);

}  // namespace levee::api
