// The metric catalogue and its text exposition. Each metric is declared once, with type, unit and
// help; promtool finds nothing to complain about. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "api/view.hpp"
#include "core/time.hpp"

namespace levee::api {

enum class Exposition { prometheus, openmetrics };

/// OpenMetrics when the Accept header asks for it, else the Prometheus text format 0.0.4.
[[nodiscard]] Exposition negotiate(std::string_view accept) noexcept;

/// The Content-Type of a page in that format.
[[nodiscard]] std::string_view content_type(Exposition format) noexcept;

/// `now` is what the age of the sample is measured to: a View that is no longer renewed ages.
[[nodiscard]] std::string metrics_page(const View& view, Exposition format, MonoTime now);

}  // namespace levee::api
