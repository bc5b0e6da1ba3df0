#include "fuzz/fuzz_check.hpp"
#include "sources/cgroup.hpp"

using namespace levee;
using namespace levee::sources;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  const CgroupPaths paths = parse_cgroup(text);
  for (const auto& path : {paths.v2, paths.v1_memory}) {
    if (path) {
      check(path->starts_with('/'), "a cgroup path is absolute");
      const std::string id = container_id(*path);
      check(id.empty() || (id.size() == 64 && path->find(id) != std::string::npos),
            "a container id is 64 digits of the path");
    }
  }
  const std::string pod = pod_uid(text);
  check(pod.empty() || ((pod.size() == 36 || pod.size() == 32) &&
                        pod.find_first_not_of("0123456789abcdef-") == std::string::npos),
        "a pod uid is hexadecimal");
  check(!slurm_job(text) || text.find("job_") != std::string_view::npos, "a job has its name");
  const std::string id = container_id(text);
  check(id.empty() || id.find_first_not_of("0123456789abcdef") == std::string::npos,
        "a container id is hexadecimal");
  return 0;
}
