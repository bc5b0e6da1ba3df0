#include "simgpu/open_segment.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace levee::simgpu {

std::shared_ptr<Segment> open_named_segment() noexcept {
  const char* path = std::getenv(kSegmentVariable);
  if (path == nullptr || *path == '\0') {
    return nullptr;
  }
  Result<Segment> segment = Segment::open(path);
  if (!segment) {
    static const bool kIsTold = [&] {
      std::fprintf(stderr, "levee-sim: %s (%s)\n", segment.error().message.c_str(),
                   segment.error().hint.c_str());
      return true;
    }();
    static_cast<void>(kIsTold);
    return nullptr;
  }
  return std::make_shared<Segment>(std::move(*segment));
}

}  // namespace levee::simgpu
