// find_gpu: the GPU a request is about. Internal to the room. Pure.
#pragma once

#include <string_view>

#include "api/route.hpp"
#include "levee/result.hpp"

namespace levee::api {

/// The device named by the parameter gpu_id: an index, a UUID or the unmistakable beginning of one;
/// without it, device 0. not_found, with what there is instead.
[[nodiscard]] Result<const GpuView*> find_gpu(const Call& call);

/// As above for a text of its own; MIG instances only by their UUID.
[[nodiscard]] Result<const GpuView*> find_gpu(const View& view, std::string_view name);

}  // namespace levee::api
