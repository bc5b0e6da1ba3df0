#include "fuzz/fuzz_check.hpp"
#include "sources/cgroup.hpp"
#include "sources/host.hpp"

using namespace levee;
using namespace levee::sources;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  const auto limit = parse_limit(text);
  const auto v2 = parse_reclaimable(text, CgroupVersion::v2);
  const auto v1 = parse_reclaimable(text, CgroupVersion::v1);
  if (limit && *limit) {
    check((*limit)->count < (std::uint64_t{1} << 62U), "a huge limit is none");
    MemInfo memory;
    memory.total = gib(64);
    memory.available = gib(20);
    const MemoryCeiling ceiling{.path = "/",
                                .version = CgroupVersion::v2,
                                .limit = **limit,
                                .used = v1.value_or(gib(1)),
                                .reclaimable = v2.value_or(Bytes{})};
    const auto host = combine(memory, {ceiling});
    check(host.available <= host.total && host.total <= memory.total, "available <= total");
  }
  return 0;
}
