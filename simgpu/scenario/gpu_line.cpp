#include "simgpu/scenario/gpu_line.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string>

#include "simgpu/scenario/quantity.hpp"

namespace levee::simgpu {
namespace {

constexpr std::uint32_t kMaxSlices = 7;
constexpr std::uint32_t kFirstBus = 0x1B;

// clang-format off
constexpr std::array kProperties{
    PropertyInfo{"name", "name=\"Sim H200\"", "the product name; must contain \"Sim\""},
    PropertyInfo{"uuid", "uuid=GPU-…", "the UUID; else made from the seed and the index"},
    PropertyInfo{"mem", "mem=143771MiB", "total memory"},
    PropertyInfo{"reserved", "reserved=600MiB", "what the driver keeps for itself"},
    PropertyInfo{"ctx", "ctx=512MiB", "what each CUDA context costs"},
    PropertyInfo{"cc", "cc=9.0", "compute capability; before 8.0 pages are retired, later rows remapped"},
    PropertyInfo{"pci-bus", "pci-bus=1B", "PCI bus in hexadecimal; domain 0, device 0"},
    PropertyInfo{"mig", "mig=3g.40gb,2g.20gb", "MIG is on, with these instances: slices of 7 and memory in GiB"},
    PropertyInfo{"profile", "profile=r550", "driver generation of the machine: r535, r550 or latest"},
};
// clang-format on

using Done = Result<void>;

Done refuse(std::string_view name, std::string_view text, std::string_view why = "") {
  for (const PropertyInfo& property : kProperties) {
    if (property.word == name) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("\"{}={}\" is no {}{}", name, text, name, why),
                  fmt::format("accepted: {} ({})", property.form, property.help));
    }
  }
  std::string words;
  for (const PropertyInfo& property : kProperties) {
    words += std::string(property.word) + "= ";
  }
  return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no property of a GPU", name),
              fmt::format("accepted: {}and every key (temp=41)", words));
}

/// "3g.40gb"
std::optional<InstanceSpec> parse_instance(std::string_view text) {
  InstanceSpec spec;
  spec.profile = text;
  const auto end = text.data() + text.size();
  const auto slices = std::from_chars(text.data(), text.data() + text.size(), spec.slices);
  const std::string_view rest(slices.ptr, static_cast<std::size_t>(end - slices.ptr));
  if (slices.ec != std::errc{} || !rest.starts_with("g.") || !rest.ends_with("gb")) {
    return std::nullopt;
  }
  std::uint32_t gigabytes = 0;
  const auto memory = std::from_chars(rest.data() + 2, end, gigabytes);
  if (memory.ec != std::errc{} || memory.ptr + 2 != end || spec.slices == 0 ||
      spec.slices > kMaxSlices || gigabytes == 0 || gigabytes > 4096) {
    return std::nullopt;
  }
  spec.bytes = gigabytes * kGiB;
  return spec;
}

Done parse_instances(GpuSpec& gpu, std::string_view text) {
  std::uint32_t slices = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(','));
    const auto instance = parse_instance(word);
    if (!instance) {
      return refuse("mig", text, fmt::format(": \"{}\" is no instance", word));
    }
    slices += instance->slices;
    gpu.instances.push_back(*instance);
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  }
  if (gpu.instances.empty() || slices > kMaxSlices) {
    return refuse("mig", text, fmt::format(": {} of {} slices", slices, kMaxSlices));
  }
  return {};
}

Done parse_capability(GpuSpec& gpu, std::string_view text) {
  const auto end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), text.data() + text.size(), gpu.cc_major);
  if (major.ec == std::errc{} && major.ptr != end && *major.ptr == '.') {
    const auto minor = std::from_chars(major.ptr + 1, end, gpu.cc_minor);
    if (minor.ec == std::errc{} && minor.ptr == end && gpu.cc_major > 0 && gpu.cc_major < 100 &&
        gpu.cc_minor >= 0 && gpu.cc_minor < 10) {
      return {};
    }
  }
  return refuse("cc", text);
}

Done parse_memory_of(std::uint64_t& into, std::string_view name, std::string_view text) {
  const auto bytes = parse_memory(text);
  if (!bytes || (*bytes == 0 && name == "mem")) {
    return refuse(name, text);
  }
  into = *bytes;
  return {};
}

Done parse_property(GpuLine& line, std::string_view name, std::string_view text) {
  GpuSpec& gpu = line.gpu;
  if (name == "name") {
    gpu.name = text;
    return gpu.name.find("Sim") == std::string::npos || gpu.name.size() > 48 ? refuse(name, text)
                                                                             : Done{};
  }
  if (name == "uuid") {
    gpu.uuid = text;
    return !gpu.uuid.starts_with("GPU-") || gpu.uuid.size() > 44 ? refuse(name, text) : Done{};
  }
  if (name == "mem") {
    return parse_memory_of(gpu.total_bytes, name, text);
  }
  if (name == "reserved") {
    return parse_memory_of(gpu.reserved_bytes, name, text);
  }
  if (name == "ctx") {
    return parse_memory_of(gpu.context_bytes, name, text);
  }
  if (name == "cc") {
    return parse_capability(gpu, text);
  }
  if (name == "mig") {
    return parse_instances(gpu, text);
  }
  if (name == "pci-bus") {
    const auto end = text.data() + text.size();
    const auto bus = std::from_chars(text.data(), text.data() + text.size(), gpu.pci_bus, 16);
    return bus.ec != std::errc{} || bus.ptr != end || gpu.pci_bus > 0xFF ? refuse(name, text)
                                                                         : Done{};
  }
  if (name == "profile") {
    for (std::size_t i = 0; i < kProfiles.size(); ++i) {
      if (kProfiles.at(i).name == text) {
        line.profile = static_cast<Profile>(i);
        return {};
      }
    }
    return refuse(name, text);
  }
  const KeyInfo* key = find_key(name);
  if (key == nullptr) {
    return refuse(name, text);
  }
  const auto value = parse_value(*key, text);
  if (!value) {
    return std::unexpected(value.error());
  }
  gpu.values.emplace_back(key->key, *value);
  return {};
}

Done check(const GpuSpec& gpu) {
  if (gpu.reserved_bytes >= gpu.total_bytes) {
    return fail(ErrorCode::invalid_argument,
                "reserved= leaves nothing of mem=", "accepted: reserved below mem");
  }
  std::uint64_t instances = 0;
  for (const InstanceSpec& instance : gpu.instances) {
    instances += instance.bytes;
  }
  if (instances > gpu.total_bytes - gpu.reserved_bytes) {
    return fail(ErrorCode::invalid_argument, "the instances of mig= are larger than the GPU",
                "accepted: instances that fit into mem less reserved");
  }
  return {};
}

}  // namespace

std::span<const PropertyInfo> properties() noexcept { return kProperties; }

Result<GpuLine> parse_gpu_line(Tokens& tokens, std::int32_t index) {
  GpuLine line;
  line.gpu.index = index;
  line.gpu.pci_bus = kFirstBus + static_cast<std::uint32_t>(index);
  while (!tokens.at_end()) {
    const std::string word = *tokens.take("a property");
    const auto equals = word.find('=');
    if (equals == std::string::npos) {
      return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no property of a GPU", word),
                  "accepted: NAME=VALUE; what happens to a GPU goes on a line of its own");
    }
    const std::string_view text = word;
    if (const Done done = parse_property(line, text.substr(0, equals), text.substr(equals + 1));
        !done) {
      return std::unexpected(done.error());
    }
  }
  if (const Done done = check(line.gpu); !done) {
    return std::unexpected(done.error());
  }
  return line;
}

}  // namespace levee::simgpu
