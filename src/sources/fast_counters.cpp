#include "sources/fast_counters.hpp"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sources/cgroup.hpp"
#include "sources/fields.hpp"
#include "sources/file.hpp"
#include "sources/proc_text.hpp"

namespace levee::sources {
namespace {

Fd open_below(const Root& root, const std::string& path) {
  return Fd(::open(root.at(path).c_str(), O_RDONLY | O_CLOEXEC));
}

/// Whole lines only: a number that was cut would be read as a smaller one.
std::string_view whole_lines(std::string_view text, std::size_t buffer_size) {
  return text.size() < buffer_size ? text : text.substr(0, text.rfind('\n') + 1);
}

/// MemTotal, MemFree and MemAvailable are the first three lines since Linux 3.14; making the rest
/// of the text would cost the kernel more than reading it costs us.
Result<MemInfo> read_memory(int fd) noexcept {
  std::array<char, 256> start;
  const RawRead head = read_start(fd, start);
  if (head && head->find("MemAvailable:") != std::string_view::npos) {
    if (auto memory = parse_meminfo(whole_lines(*head, start.size()))) {
      return memory;
    }
  }
  std::array<char, 8192> all;
  const RawRead whole = read_start(fd, all);
  // Messages short enough for a string without an allocation.
  return whole ? parse_meminfo(whole_lines(*whole, all.size()))
               : fail(ErrorCode::unavailable, "no meminfo");
}

std::optional<Bytes> read_count(int fd) noexcept {
  std::array<char, 64> buffer;
  RawRead text = read_start(fd, buffer);
  const auto count = text ? to_number<std::uint64_t>(take_word(*text)) : std::nullopt;
  return count ? std::optional(Bytes{*count}) : std::nullopt;
}

std::optional<Bytes> read_limit(int fd) noexcept {
  std::array<char, 64> buffer;
  const RawRead text = read_start(fd, buffer);
  return text ? parse_limit(*text).value_or(std::nullopt) : std::nullopt;
}

std::optional<Bytes> read_reclaimable(int fd, CgroupVersion version) noexcept {
  std::array<char, 16384> buffer;
  const RawRead text = read_start(fd, buffer);
  return text ? parse_reclaimable(whole_lines(*text, buffer.size()), version) : std::nullopt;
}

/// The open files of one cgroup above us.
struct Ceiling {
  CgroupVersion version;
  Fd limit;
  Fd usage;
  Fd stat;
};

/// Lowers `look` to what `ceiling` allows.
void apply(const Ceiling& ceiling, FastCounters::Look& look) noexcept {
  const auto limit = read_limit(ceiling.limit.get());
  const auto used = limit ? read_count(ceiling.usage.get()) : std::nullopt;
  if (!used) {
    return;  // no limit now, or the cgroup is gone
  }
  look.total = std::min(look.total, *limit);
  Bytes headroom = *limit - *used;
  if (headroom < look.available) {
    // Only now do the file pages matter; the kernel gathers them from all cores, which is dear.
    const auto reclaimable = read_reclaimable(ceiling.stat.get(), ceiling.version);
    headroom = *limit - (*used - reclaimable.value_or(Bytes{}));
    look.available = std::min(look.available, headroom);
  }
}

}  // namespace

struct FastCounters::Impl {
  Fd meminfo;
  std::vector<Ceiling> ceilings;
};

FastCounters::FastCounters(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FastCounters::FastCounters(FastCounters&&) noexcept = default;
FastCounters& FastCounters::operator=(FastCounters&&) noexcept = default;
FastCounters::~FastCounters() = default;

Result<FastCounters> FastCounters::open(const Root& root) {
  auto impl = std::make_unique<Impl>();
  impl->meminfo = open_below(root, "/proc/meminfo");
  if (!impl->meminfo) {
    return std::unexpected(file_error("cannot open " + root.at("/proc/meminfo"), errno));
  }
  if (const auto memory = read_memory(impl->meminfo.get()); !memory) {
    return std::unexpected(memory.error());
  }
  // A machine whose cgroups cannot be read is guarded by its own counters alone.
  const auto places = CgroupSource(root).places();
  for (const CgroupPlace& place : places.value_or(std::vector<CgroupPlace>{})) {
    const CgroupFiles files = cgroup_files(place.version);
    const auto file = [&](std::string_view name) {
      return open_below(root, fmt::format("{}/{}", place.directory, name));
    };
    Ceiling ceiling{.version = place.version,
                    .limit = file(files.limit),
                    .usage = file(files.usage),
                    .stat = file(files.stat)};
    if (ceiling.limit && ceiling.usage) {
      impl->ceilings.push_back(std::move(ceiling));
    }
  }
  return FastCounters(std::move(impl));
}

Result<FastCounters::Look> FastCounters::look() noexcept {
  const auto memory = read_memory(impl_->meminfo.get());
  if (!memory) {
    return std::unexpected(memory.error());
  }
  Look look{.available = memory->available, .total = memory->total};
  for (const Ceiling& ceiling : impl_->ceilings) {
    apply(ceiling, look);
  }
  look.available = std::min(look.available, look.total);
  return look;
}

}  // namespace levee::sources
