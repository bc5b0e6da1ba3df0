// The one place that knows every driver. NVIDIA first: its devices keep nvidia-smi's numbers.
#include "gpus/drm_driver.hpp"
#include "gpus/helper.hpp"
#include "gpus/nvml_driver.hpp"

namespace levee::gpus {

std::vector<DriverEntry> find_drivers(const sources::Root& root) {
  std::vector<DriverEntry> drivers;
  drivers.push_back({"nvml", find_nvml()});
  drivers.push_back({"amdgpu", find_amdgpu(root)});
  drivers.push_back({"intel", find_intel(root)});
  return drivers;
}

}  // namespace levee::gpus
