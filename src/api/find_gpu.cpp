#include "api/find_gpu.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

namespace levee::api {
namespace {

constexpr std::size_t kLeastUuidPart = 4;

Error no_such_gpu(const View& view, std::string_view name) {
  std::vector<int> indices;
  for (const GpuView& gpu : view.gpus) {
    if (!gpu.reading->identity->is_instance()) {
      indices.push_back(gpu.reading->identity->index);
    }
  }
  return Error{.code = ErrorCode::not_found,
               .message = fmt::format("there is no GPU {}", in_quotes(name)),
               .hint = indices.empty()
                           ? "this machine has no GPU that Levee can see; `levee doctor` says why"
                           : fmt::format("there is {}; or give a UUID", fmt::join(indices, ", "))};
}

bool is_number(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<const GpuView*> find_gpu(const View& view, std::string_view name) {
  const GpuView* found = nullptr;
  for (const GpuView& gpu : view.gpus) {
    const GpuIdentity& who = *gpu.reading->identity;
    if (is_number(name) && !who.is_instance() && fmt::format("{}", who.index) == name) {
      return &gpu;
    }
    if (who.uuid == name) {
      return &gpu;
    }
    if (name.size() >= kLeastUuidPart && !is_number(name) && who.uuid.starts_with(name)) {
      if (found != nullptr) {
        return fail(ErrorCode::invalid_argument,
                    fmt::format("{} begins the UUID of several GPUs", in_quotes(name)),
                    "give more of it");
      }
      found = &gpu;
    }
  }
  if (found == nullptr) {
    return std::unexpected(no_such_gpu(view, name));
  }
  return found;
}

Result<const GpuView*> find_gpu(const Call& call) {
  const std::string* name = call.query.find("gpu_id");
  return find_gpu(*call.view, name != nullptr ? *name : "0");
}

}  // namespace levee::api
