#include "cli/doctor_gpus.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "levee/bytes.hpp"

namespace levee::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWhat = "GPU";
constexpr double kStaleSeconds = 5;

/// Display controllers and processing accelerators (PCI classes 03 and 12).
bool is_gpu_class(std::string_view text) {
  return text.starts_with("0x03") || text.starts_with("0x12");
}

std::string_view vendor_of(std::string_view id) {
  return id.starts_with("0x10de")   ? "NVIDIA"
         : id.starts_with("0x1002") ? "AMD"
         : id.starts_with("0x8086") ? "Intel"
                                    : "";
}

bool has_card_of(const GpuFacts& facts, std::string_view vendor) {
  return std::ranges::any_of(facts.cards,
                             [&](const std::string& card) { return card.starts_with(vendor); });
}

/// Nobody sees a GPU: the possible causes, the likely one first.
Check none_seen(const GpuFacts& facts) {
  if (!facts.wanted) {
    return {Grade::info, kWhat, "not watched: gpu.enabled is false", "set it to true"};
  }
  if (facts.cards.empty() && facts.devices.empty()) {
    return {Grade::info, kWhat, "none: no graphics or compute card on the PCI bus",
            "if there should be one: is it powered, and passed through to this machine or "
            "container?"};
  }
  const std::string cards = facts.cards.empty() ? fmt::format("{}", fmt::join(facts.devices, ", "))
                                                : fmt::format("{}", fmt::join(facts.cards, ", "));
  if (has_card_of(facts, "NVIDIA") && !facts.nvidia_module) {
    return {Grade::warn, kWhat, fmt::format("{} is there, its driver is not loaded", cards),
            "install the NVIDIA driver for this kernel (nvidia-smi must work), then restart Levee"};
  }
  const auto trouble = std::ranges::find_if(
      facts.troubles, [](const SourceTrouble& each) { return !each.error.message.empty(); });
  if (trouble != facts.troubles.end()) {
    return {Grade::warn, kWhat, fmt::format("{} is there, but: {}", cards, trouble->error.message),
            trouble->error.hint};
  }
  return {Grade::info, kWhat, fmt::format("{} is there, and no driver that Levee reads", cards),
          "NVIDIA needs its driver's libnvidia-ml.so.1 (in a container: --gpus all); AMD the "
          "kernel's amdgpu driver; Intel xe or i915"};
}

std::string name_of(const Json& gpu) {
  const auto index = number_at(gpu, "gpu_id");
  return fmt::format("GPU {}{}", index ? fmt::format("{:.0f}", *index) : "-",
                     text_at(gpu, "mig_profile") ? " " + *text_at(gpu, "mig_profile") : "");
}

/// Who may hold it and what frees it, the likeliest first.
std::string freeing_hint(const std::vector<sources::HolderAdvice>& advice) {
  std::vector<std::string> parts;
  parts.reserve(advice.size());
  for (const sources::HolderAdvice& each : advice) {
    parts.push_back(each.command.empty() ? each.text
                                         : fmt::format("{}: {}", each.text, each.command));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

Check one_gpu(const Json& gpu, const GpuFacts& facts) {
  const std::string what = name_of(gpu);
  const std::string condition = text_at(gpu, "condition").value_or("ok");
  const std::string name = text_at(gpu, "name").value_or("-");
  if (condition == "lost") {
    return {Grade::fail, what, fmt::format("{}: lost, its last figures are kept", name),
            "look at the kernel's log (dmesg | grep -i xid); a reboot usually brings it back"};
  }
  if (condition == "reset_required") {
    return {Grade::fail, what, fmt::format("{}: the driver wants a reset", name),
            "end its processes, then nvidia-smi --gpu-reset"};
  }
  if (condition != "ok") {
    return {Grade::warn, what,
            fmt::format("{}: {}", name, text_at(gpu, "condition_detail").value_or(condition)),
            "run the vendor's own tool; Levee goes on trying"};
  }
  const double age = number_at(gpu, "sample_age_seconds").value_or(0);
  if (age > kStaleSeconds) {
    return {Grade::warn, what,
            fmt::format("{}: the driver has not answered for {:.0f} s", name, age),
            "other GPUs are not affected; see the kernel's log"};
  }
  if (truth_at(gpu, "health", "remap_failed") == true) {
    return {Grade::fail, what, fmt::format("{}: memory rows can no longer be remapped", name),
            "have it replaced"};
  }
  if (truth_at(gpu, "health", "remap_pending") == true) {
    return {Grade::warn, what, fmt::format("{}: a memory row waits to be remapped", name),
            "end its processes, then nvidia-smi --gpu-reset"};
  }
  const double unattributed = number_at(gpu, "memory_unattributed_bytes").value_or(0);
  if (unattributed >= kNotableUnattributed) {
    const auto advice = facts.advice.find(text_at(gpu, "uuid").value_or(""));
    return {Grade::warn, what,
            fmt::format("{}: {} of its memory belongs to no process the driver names", name,
                        format_bytes(Bytes{static_cast<std::uint64_t>(unattributed)})),
            advice == facts.advice.end() ? "" : freeing_hint(advice->second)};
  }
  const auto total = number_at(gpu, "memory_total_bytes");
  const std::string memory =
      total ? format_bytes(Bytes{static_cast<std::uint64_t>(*total)}) : "memory unknown";
  return {Grade::ok,
          what,
          fmt::format("{}, {}{}", name, memory,
                      truth_at(gpu, "unified_memory") == true ? " shared with the host" : ""),
          {}};
}

}  // namespace

GpuFacts probe_gpus(const sources::Root& root) {
  GpuFacts facts;
  std::error_code error;
  for (const char* candidate : {"/dev/nvidiactl", "/dev/kfd", "/dev/dri/renderD128"}) {
    if (fs::exists(root.at(candidate), error)) {
      facts.devices.emplace_back(candidate);
    }
  }
  facts.nvidia_module = fs::exists(root.at("/proc/driver/nvidia/version"), error);
  for (fs::directory_iterator it(root.at("/sys/bus/pci/devices"), error), end; !error && it != end;
       it.increment(error)) {
    const std::string device = "/sys/bus/pci/devices/" + it->path().filename().string();
    const auto type = root.read(device + "/class");
    const auto vendor = root.read(device + "/vendor");
    if (type && vendor && is_gpu_class(*type) && !vendor_of(*vendor).empty()) {
      facts.cards.push_back(
          fmt::format("{} at {}", vendor_of(*vendor), it->path().filename().string()));
    }
  }
  std::ranges::sort(facts.cards);
  return facts;
}

std::vector<Check> examine_gpus(const GpuFacts& facts) {
  if (facts.gpus.empty()) {
    return {none_seen(facts)};
  }
  std::vector<Check> checks;
  for (const Json& gpu : facts.gpus) {
    checks.push_back(one_gpu(gpu, facts));
  }
  for (const SourceTrouble& trouble : facts.troubles) {
    checks.push_back(
        {Grade::warn, kWhat, trouble.source + ": " + trouble.error.message, trouble.error.hint});
  }
  return checks;
}

}  // namespace levee::cli
