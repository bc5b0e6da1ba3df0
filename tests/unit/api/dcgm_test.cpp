#include "api/dcgm.hpp"

#include <gmock/gmock.h>

#include "unit/api/exposition.hpp"
#include "unit/api/gpu_fixture.hpp"

namespace levee::api {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kLabels =
    R"({gpu="0",UUID="GPU-00000000-aaaa",pci_bus_id="00000000:1B:00.0",device="nvidia0",)"
    R"(modelName="NVIDIA GeForce RTX 4060",Hostname="train-1",DCGM_FI_DRIVER_VERSION="550.54.15"})";

TEST(DcgmPage, HasTheNamesLabelsAndUnitsOfTheExporter) {
  auto view = view_with({example_gpu()});
  view->gpus[0].xids = {GpuXid{"GPU-00000000-aaaa", 31, example_now().wall}};
  const std::string page = dcgm_page(*view);
  const auto expect = [&](const std::string& name, const std::string& value) {
    EXPECT_THAT(page, HasSubstr("\n" + name + kLabels + " " + value + "\n"));
  };
  expect("DCGM_FI_DEV_FB_USED", "3072");
  expect("DCGM_FI_DEV_FB_FREE", "5120");
  expect("DCGM_FI_DEV_GPU_TEMP", "68");
  expect("DCGM_FI_DEV_MEMORY_TEMP", "74");
  expect("DCGM_FI_DEV_GPU_UTIL", "45.2");
  expect("DCGM_FI_DEV_MEM_COPY_UTIL", "12");
  expect("DCGM_FI_DEV_POWER_USAGE", "91.25");
  expect("DCGM_FI_DEV_SM_CLOCK", "1920");
  expect("DCGM_FI_DEV_XID_ERRORS", "31");
  expect("DCGM_FI_DEV_ROW_REMAP_FAILURE", "0");
  expect("DCGM_FI_PROF_PCIE_TX_BYTES", "1048576");
  EXPECT_THAT(page, HasSubstr("# TYPE DCGM_FI_DEV_GPU_TEMP gauge\n"));
}

TEST(DcgmPage, LeavesOutWhatIsUnknown) {
  const std::string page = dcgm_page(*view_with({bare_gpu()}));
  EXPECT_EQ(page.find("DCGM_FI_DEV_GPU_TEMP"), std::string::npos);
  EXPECT_EQ(page.find("DCGM_FI_DEV_FB_"), std::string::npos);
  EXPECT_THAT(page, HasSubstr("DCGM_FI_DEV_XID_ERRORS")) << "no error is known to be none";
}

TEST(DcgmPage, HasNothingOfLostDevicesAndOfOtherVendors) {
  GpuReading amd = example_gpu(1);
  auto who = *amd.identity;
  who.vendor = GpuVendor::amd;
  amd.identity = std::make_shared<const GpuIdentity>(std::move(who));
  EXPECT_EQ(dcgm_page(*view_with({lost(example_gpu()), amd})), "");
  EXPECT_EQ(dcgm_page(*view_with({})), "");
}

TEST(DcgmPage, AnInstanceIsItsParentWithAProfile) {
  const std::string page = dcgm_page(*view_with({example_gpu(), example_instance()}));
  EXPECT_THAT(page, HasSubstr(R"(UUID="GPU-00000000-aaaa",pci_bus_id="00000000:1B:00.0",)"
                              R"(device="nvidia0",modelName="NVIDIA GeForce RTX 4060",)"
                              R"(GPU_I_PROFILE="3g.40gb",GPU_I_ID="1",)"));
  EXPECT_THAT(page, Not(HasSubstr("MIG-1234")));
}

TEST(DcgmPage, IsServedWhenAskedFor) {
  House house;
  house.view = view_with({example_gpu()});
  const Response page = house.get("/metrics?format=dcgm");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.content_type, HasSubstr("text/plain"));
  EXPECT_EQ(*page.body, dcgm_page(*house.view));
  for (const char* format : {"DCGM", "", "json", "dcgm2", "dcgm%00"}) {
    EXPECT_EQ(house.get(std::string("/metrics?format=") + format).status, 400) << format;
  }
}

}  // namespace
}  // namespace levee::api
