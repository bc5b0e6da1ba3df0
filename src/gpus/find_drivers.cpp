// The one place that knows every driver. NVIDIA first: its devices keep nvidia-smi's numbers.
#include "gpus/helper.hpp"
#include "gpus/nvml_driver.hpp"

namespace levee::gpus {

std::vector<DriverEntry> find_drivers([[maybe_unused]] const sources::Root& root) {
  std::vector<DriverEntry> drivers;
  drivers.push_back({"nvml", find_nvml()});
  return drivers;
}

}  // namespace levee::gpus
