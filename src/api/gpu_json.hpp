// The JSON of GPUs. One internal record, and one function per documented form of it (contract
// F-43): ours, gpustat's, the resource manager's and the GPU manager's. Unknown values are null.
// Pure; thread-safe.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "api/view.hpp"
#include "forecast/trend.hpp"

namespace levee::api {

/// Ours: everything, in base units.
[[nodiscard]] nlohmann::ordered_json gpu_json(const View& view, const GpuView& gpu);

/// gpustat's keys (MiB, "temperature.gpu", …), then ours.
[[nodiscard]] nlohmann::ordered_json gpustat_json(const View& view, const GpuView& gpu);

/// The keys of the resource manager (contract S2-42 … S2-47).
[[nodiscard]] nlohmann::ordered_json resource_gpu_json(const GpuView* gpu);

/// The `data` of GET /api/gpu/status (contract S1-47); for null: no such device.
[[nodiscard]] nlohmann::ordered_json manager_gpu_json(const View& view, const GpuView* gpu);

/// Temperature over the last `span`.
[[nodiscard]] forecast::Trend temperature_trend(const GpuView& gpu, MonoTime now,
                                                std::chrono::seconds span);

/// Colour of a state (contract S1-76).
[[nodiscard]] std::string_view color_of(Level level) noexcept;

}  // namespace levee::api
