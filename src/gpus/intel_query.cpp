#include "gpus/intel_query.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "sources/file.hpp"

namespace levee::gpus {
namespace {

constexpr std::size_t kMostReply = std::size_t{64} * 1024;

struct XeRegion {
  std::uint16_t kind;  // 0 system, 1 the card's own
  std::uint16_t instance;
  std::uint32_t min_page_size;
  std::uint64_t total_size;
  std::uint64_t used;  // 0 without CAP_PERFMON
  std::uint64_t cpu_visible_size;
  std::uint64_t cpu_visible_used;
  std::uint64_t reserved[6];
};
static_assert(sizeof(XeRegion) == 88);
constexpr std::size_t kXeHead = 8;  // u32 count, u32 padding

struct I915Region {
  std::uint16_t kind;  // 0 system, 1 the card's own
  std::uint16_t instance;
  std::uint32_t reserved;
  std::uint64_t probed_size;
  std::uint64_t unallocated_size;  // = probed_size without CAP_PERFMON
  std::uint64_t visible[8];
};
static_assert(sizeof(I915Region) == 88);
constexpr std::size_t kI915Head = 16;  // u32 count, u32[3] reserved

constexpr std::uint16_t kLocal = 1;

struct XeQuery {
  std::uint64_t extensions;
  std::uint32_t query;
  std::uint32_t size;
  std::uint64_t data;
  std::uint64_t reserved[2];
};
static_assert(sizeof(XeQuery) == 40);
constexpr std::uint32_t kXeMemoryRegions = 1;
constexpr unsigned long kXeDeviceQuery = _IOWR('d', 0x40, XeQuery);

struct I915Item {
  std::uint64_t query;
  std::int32_t length;
  std::uint32_t flags;
  std::uint64_t data;
};
struct I915Query {
  std::uint32_t count;
  std::uint32_t flags;
  std::uint64_t items;
};
static_assert(sizeof(I915Item) == 24 && sizeof(I915Query) == 16);
constexpr std::uint64_t kI915MemoryRegions = 4;
constexpr unsigned long kI915Ask = _IOWR('d', 0x40 + 0x39, I915Query);

/// The regions behind `head` bytes of reply, of which the first four count them.
template <class Region>
std::vector<Region> regions_of(std::span<const std::byte> reply, std::size_t head) {
  std::uint32_t count = 0;
  if (reply.size() < head) {
    return {};
  }
  std::memcpy(&count, reply.data(), sizeof(count));
  if (count > (reply.size() - head) / sizeof(Region)) {
    return {};
  }
  std::vector<Region> regions(count);
  if (count > 0) {
    std::memcpy(regions.data(), reply.data() + head, count * sizeof(Region));
  }
  return regions;
}

/// Asked again when a signal came in between, like drmIoctl.
bool ask(int fd, unsigned long request, void* question) {
  int result = -1;
  do {
    result = ::ioctl(fd, request, question);
  } while (result < 0 && (errno == EINTR || errno == EAGAIN));
  return result == 0;
}

std::uint64_t address_of(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory); }

std::vector<std::byte> ask_xe(int fd) {
  XeQuery query{};
  query.query = kXeMemoryRegions;
  if (!ask(fd, kXeDeviceQuery, &query) || query.size > kMostReply) {
    return {};
  }
  std::vector<std::byte> reply(query.size);
  query.data = address_of(reply.data());
  return ask(fd, kXeDeviceQuery, &query) ? reply : std::vector<std::byte>{};
}

std::vector<std::byte> ask_i915(int fd) {
  I915Item item{};
  item.query = kI915MemoryRegions;
  I915Query query{.count = 1, .flags = 0, .items = address_of(&item)};
  if (!ask(fd, kI915Ask, &query) || item.length <= 0 ||
      static_cast<std::size_t>(item.length) > kMostReply) {
    return {};
  }
  std::vector<std::byte> reply(static_cast<std::size_t>(item.length));
  item.data = address_of(reply.data());
  const bool answered = ask(fd, kI915Ask, &query) && item.length > 0;
  return answered ? reply : std::vector<std::byte>{};
}

}  // namespace

std::optional<LocalMemory> parse_xe_regions(std::span<const std::byte> reply) {
  LocalMemory memory;
  Bytes used;
  for (const XeRegion& region : regions_of<XeRegion>(reply, kXeHead)) {
    if (region.kind == kLocal && region.used <= region.total_size) {
      memory.total += Bytes{region.total_size};
      used += Bytes{region.used};
    }
  }
  // The driver itself always has something there: 0 means that we may not know.
  if (used.count > 0) {
    memory.used = used;
  }
  return memory.total.count > 0 ? std::optional(memory) : std::nullopt;
}

std::optional<LocalMemory> parse_i915_regions(std::span<const std::byte> reply) {
  LocalMemory memory;
  Bytes free;
  for (const I915Region& region : regions_of<I915Region>(reply, kI915Head)) {
    // All ones is "unknown", and greater than any size.
    if (region.kind == kLocal && region.unallocated_size <= region.probed_size &&
        region.probed_size != ~std::uint64_t{0}) {
      memory.total += Bytes{region.probed_size};
      free += Bytes{region.unallocated_size};
    }
  }
  if (free < memory.total) {
    memory.used = memory.total - free;
  }
  return memory.total.count > 0 ? std::optional(memory) : std::nullopt;
}

std::optional<LocalMemory> query_local_memory(const std::string& driver, const std::string& node) {
  const sources::Fd fd(::open(node.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) {
    return std::nullopt;
  }
  return driver == "xe" ? parse_xe_regions(ask_xe(fd.get()))
                        : parse_i915_regions(ask_i915(fd.get()));
}

}  // namespace levee::gpus
