#include "gpus/kfd.hpp"

#include "gpus/sysfs.hpp"
#include "sources/fields.hpp"

namespace levee::gpus {

std::vector<std::string> find_kfd_gpus(const sources::Root& root, std::string_view slot) {
  // Partitions of a GPU have function numbers that its PCI device has not.
  const std::string_view card = slot.substr(0, slot.rfind('.'));
  std::vector<std::string> gpus;
  const SysDir nodes(root, "/sys/class/kfd/kfd/topology/nodes");
  for (const std::string& name : nodes.names("")) {
    const SysDir node = nodes.below(name);
    const auto place = parse_kfd_node(node.text("properties"));
    const std::string id = node.text("gpu_id");
    const bool is_ours = place && place->slot.substr(0, place->slot.rfind('.')) == card;
    if (is_ours && !id.empty() && id != "0") {
      gpus.push_back(id);
    }
  }
  return gpus;
}

std::map<pid_t, Bytes> read_kfd_memory(const sources::Root& root,
                                       const std::vector<std::string>& gpus) {
  std::map<pid_t, Bytes> memory;
  if (gpus.empty()) {
    return memory;
  }
  const SysDir processes(root, "/sys/class/kfd/kfd/proc");
  for (const std::string& name : processes.names("")) {
    const auto pid = sources::to_number<pid_t>(name);
    if (!pid || *pid <= 0) {
      continue;
    }
    Bytes sum;
    for (const std::string& gpu : gpus) {
      sum += Bytes{processes.below(name).number("vram_" + gpu).value_or(0)};
    }
    if (sum.count > 0) {
      memory.emplace(*pid, sum);
    }
  }
  return memory;
}

}  // namespace levee::gpus
