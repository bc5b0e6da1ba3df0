// The CUDA driver library as its callers meet it: memory, contexts, look-ups.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <string>

#include "abi/cuda.hpp"
#include "levee/bytes.hpp"
#include "support/simulated_machine.hpp"

namespace levee::test {
namespace {

using namespace std::chrono_literals;
using namespace levee::cuda;
using Answer = levee::cuda::Result;

constexpr std::uint64_t kBlock = 2 * kMiB;

/// A machine, and CUDA over it. GPU 0 has 10 GiB to give, contexts cost 512 MiB.
class Cuda {
 public:
  explicit Cuda(const std::string& scenario = "gpu 0 mem=11GiB reserved=1GiB ctx=512MiB",
                std::map<std::string, std::string> more = {})
      : machine(scenario),
        environment_([&] {
          more.merge(machine.environment());
          return more;
        }()),
        library(machine.libraries() / "libcuda.so.1") {}

  template <class Function, class... Arguments>
  Answer call(const char* name, Arguments... arguments) const {
    return library.get<Function>(name)(arguments...);
  }

  void init() const { ASSERT_EQ(call<fn::Init>("cuInit", 0U), Answer::success); }

  void enter(Device device = 0) const {
    init();
    Context context = nullptr;
    ASSERT_EQ(call<fn::DevicePrimaryCtxRetain>("cuDevicePrimaryCtxRetain", &context, device),
              Answer::success);
    ASSERT_EQ(call<fn::CtxSetCurrent>("cuCtxSetCurrent", context), Answer::success);
  }

  Answer allocate(DevicePtr& pointer, std::uint64_t bytes) const {
    return call<fn::MemAlloc>("cuMemAlloc_v2", &pointer, std::size_t{bytes});
  }

  Answer free(DevicePtr pointer) const { return call<fn::MemFree>("cuMemFree_v2", pointer); }

  Answer create(AllocationHandle& handle, std::uint64_t bytes, Device device = 0) const {
    AllocationProp prop{};
    prop.type = AllocationType::pinned;
    prop.location = {LocationType::device, device};
    const AllocationProp* pointer = &prop;
    return call<fn::MemCreate>("cuMemCreate", &handle, std::size_t{bytes}, pointer, 0ULL);
  }

  /// Without the context.
  [[nodiscard]] std::uint64_t used() { return machine.account(0).used - 512 * kMiB; }

  SimulatedMachine machine;

 private:
  ScopedEnvironment environment_;

 public:
  DriverLibrary library;
};

TEST(CudaMemory, IsTheSameForNvmlsAccountAndForCuda) {
  Cuda cuda;
  cuda.enter();
  std::size_t free = 0;
  std::size_t total = 0;
  ASSERT_EQ(cuda.call<fn::MemGetInfo>("cuMemGetInfo_v2", &free, &total), Answer::success);
  const simgpu::Account account = cuda.machine.account(0);
  EXPECT_EQ(free, account.free);
  EXPECT_EQ(total, account.total - account.reserved);
  std::size_t device_total = 0;
  ASSERT_EQ(cuda.call<fn::DeviceTotalMem>("cuDeviceTotalMem_v2", &device_total, 0),
            Answer::success);
  EXPECT_EQ(device_total, total);
}

TEST(CudaMemory, IsChargedInBlocksThatSmallAllocationsShare) {
  Cuda cuda;
  cuda.enter();
  std::array<DevicePtr, 3> pointers{};
  EXPECT_EQ(cuda.allocate(pointers[0], 100), Answer::success);
  EXPECT_EQ(cuda.used(), kBlock);
  EXPECT_EQ(cuda.allocate(pointers[1], kMiB / 2), Answer::success);
  EXPECT_EQ(cuda.used(), kBlock);
  EXPECT_EQ(cuda.allocate(pointers[2], 3 * kMiB), Answer::success);
  EXPECT_EQ(cuda.used(), 3 * kBlock);
  for (const DevicePtr pointer : pointers) {
    EXPECT_EQ(cuda.free(pointer), Answer::success);
  }
  EXPECT_EQ(cuda.used(), 0U);
}

TEST(CudaMemory, RefusesWhatDoesNotFitAndTakesNothing) {
  Cuda cuda;
  cuda.enter();
  DevicePtr pointer = 0;
  EXPECT_EQ(cuda.allocate(pointer, 10 * kGiB), Answer::out_of_memory)
      << "the context is in the way";
  EXPECT_EQ(cuda.used(), 0U);
  EXPECT_EQ(cuda.allocate(pointer, 10 * kGiB - 512 * kMiB), Answer::success);
  DevicePtr another = 0;
  EXPECT_EQ(cuda.allocate(another, 1), Answer::out_of_memory);
  EXPECT_EQ(cuda.allocate(another, 0), Answer::invalid_value);
  EXPECT_EQ(cuda.allocate(another, ~std::uint64_t{0}), Answer::out_of_memory);
  EXPECT_EQ(cuda.free(pointer), Answer::success);
  EXPECT_EQ(cuda.free(pointer), Answer::invalid_value) << "twice";
  EXPECT_EQ(cuda.free(12345), Answer::invalid_value);
  EXPECT_EQ(cuda.free(0), Answer::success);
}

TEST(CudaMemory, NeedsAContext) {
  const Cuda cuda;
  cuda.init();
  DevicePtr pointer = 0;
  EXPECT_EQ(cuda.allocate(pointer, 1), Answer::invalid_context);
  std::size_t bytes = 0;
  EXPECT_EQ(cuda.call<fn::MemGetInfo>("cuMemGetInfo_v2", &bytes, &bytes), Answer::invalid_context);
}

TEST(CudaMemoryDeathTest, CannotBeTouched) {
  const Cuda cuda;
  cuda.enter();
  DevicePtr pointer = 0;
  ASSERT_EQ(cuda.allocate(pointer, kMiB), Answer::success);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): what a program that mixes up pointers does.
  EXPECT_DEATH(*reinterpret_cast<volatile char*>(pointer) = 1, "");
}

TEST(CudaMemory, InStreamOrderIsChargedToo) {
  Cuda cuda;
  cuda.enter();
  DevicePtr pointer = 0;
  EXPECT_EQ(cuda.call<fn::MemAllocAsync>("cuMemAllocAsync", &pointer, std::size_t{4 * kMiB},
                                         Stream{nullptr}),
            Answer::success);
  EXPECT_EQ(cuda.used(), 4 * kMiB);
  EXPECT_EQ(cuda.call<fn::MemFreeAsync>("cuMemFreeAsync", pointer, Stream{nullptr}),
            Answer::success);
  EXPECT_EQ(cuda.used(), 0U);
}

TEST(CudaMemory, TheFirstGenerationHas32BitSizes) {
  const Cuda cuda;
  cuda.enter();
  unsigned free = 0;
  unsigned total = 0;
  EXPECT_EQ(cuda.call<fn::MemGetInfo32>("cuMemGetInfo", &free, &total), Answer::success);
  EXPECT_EQ(total, 0xFFFFFFFFU) << "10 GiB do not fit";
  std::uint32_t pointer = 0;
  EXPECT_EQ(cuda.call<fn::MemAlloc32>("cuMemAlloc", &pointer, 4096U), Answer::success);
  EXPECT_NE(pointer, 0U);
  EXPECT_EQ(cuda.call<fn::MemFree32>("cuMemFree", pointer), Answer::success);
}

TEST(CudaMemory, FragmentationLimitsOneAllocationButNotTheirSum) {
  Cuda cuda;
  cuda.enter();
  cuda.machine.fault("gpu 0 max-allocation 1GiB");
  std::array<DevicePtr, 2> pointers{};
  EXPECT_EQ(cuda.allocate(pointers[0], 2 * kGiB), Answer::out_of_memory);
  EXPECT_EQ(cuda.allocate(pointers[0], 1 * kGiB), Answer::success);
  EXPECT_EQ(cuda.allocate(pointers[1], 1 * kGiB), Answer::success);
}

TEST(CudaMemory, MayBeReleasedLate) {
  Cuda cuda;
  cuda.enter();
  cuda.machine.fault("gpu 0 release-delay 800ms");
  DevicePtr pointer = 0;
  ASSERT_EQ(cuda.allocate(pointer, 4 * kMiB), Answer::success);
  ASSERT_EQ(cuda.free(pointer), Answer::success);
  EXPECT_EQ(cuda.used(), 4 * kMiB);
  cuda.machine.advance(799ms);
  EXPECT_EQ(cuda.used(), 4 * kMiB);
  cuda.machine.advance(1ms);
  EXPECT_EQ(cuda.used(), 0U);
}

TEST(CudaVmm, ChargesAtCreationAndFreesWithTheLastHandleAndMapping) {
  Cuda cuda;
  cuda.enter();
  AllocationHandle handle = 0;
  ASSERT_EQ(cuda.create(handle, 2 * kBlock), Answer::success);
  EXPECT_EQ(cuda.used(), 2 * kBlock);
  DevicePtr address = 0;
  ASSERT_EQ(
      cuda.call<fn::MemAddressReserve>("cuMemAddressReserve", &address, std::size_t{2 * kBlock},
                                       std::size_t{0}, DevicePtr{0}, 0ULL),
      Answer::success);
  ASSERT_EQ(cuda.call<fn::MemMap>("cuMemMap", address, std::size_t{2 * kBlock}, std::size_t{0},
                                  handle, 0ULL),
            Answer::success);
  const AccessDescription access{{LocationType::device, 0}, 3};
  EXPECT_EQ(cuda.call<fn::MemSetAccess>("cuMemSetAccess", address, std::size_t{2 * kBlock}, &access,
                                        std::size_t{1}),
            Answer::success);
  EXPECT_EQ(cuda.call<fn::MemRelease>("cuMemRelease", handle), Answer::success);
  EXPECT_EQ(cuda.used(), 2 * kBlock) << "still mapped";
  EXPECT_EQ(cuda.call<fn::MemAddressFree>("cuMemAddressFree", address, std::size_t{2 * kBlock}),
            Answer::invalid_value)
      << "still mapped";
  EXPECT_EQ(cuda.call<fn::MemUnmap>("cuMemUnmap", address, std::size_t{2 * kBlock}),
            Answer::success);
  EXPECT_EQ(cuda.used(), 0U);
  EXPECT_EQ(cuda.call<fn::MemAddressFree>("cuMemAddressFree", address, std::size_t{2 * kBlock}),
            Answer::success);
  EXPECT_EQ(cuda.call<fn::MemRelease>("cuMemRelease", handle), Answer::invalid_value);
}

TEST(CudaVmm, NeedsNoContextUnlessTheScenarioSaysSo) {
  Cuda cuda;
  cuda.init();
  AllocationHandle handle = 0;
  EXPECT_EQ(cuda.create(handle, kBlock), Answer::success);
  EXPECT_EQ(cuda.machine.account(0).used, kBlock) << "no context, no cost of one";
  cuda.machine.set("gpu 0 vmm-needs-context");
  EXPECT_EQ(cuda.create(handle, kBlock), Answer::invalid_context);
  cuda.machine.set("gpu 0 vmm off");
  EXPECT_EQ(cuda.create(handle, kBlock), Answer::not_supported);
  int has_vmm = 1;
  EXPECT_EQ(cuda.call<fn::DeviceGetAttribute>("cuDeviceGetAttribute", &has_vmm,
                                              Attribute::has_virtual_memory_management, 0),
            Answer::success);
  EXPECT_EQ(has_vmm, 0);
}

TEST(CudaVmm, RefusesOddSizesAndStrangePlaces) {
  const Cuda cuda;
  cuda.init();
  AllocationHandle handle = 0;
  EXPECT_EQ(cuda.create(handle, 0), Answer::invalid_value);
  EXPECT_EQ(cuda.create(handle, kBlock + 1), Answer::invalid_value);
  EXPECT_EQ(cuda.create(handle, kBlock, 1), Answer::invalid_device);
  EXPECT_EQ(cuda.create(handle, kBlock, -1), Answer::invalid_device);
  AllocationProp host{};
  host.type = AllocationType::pinned;
  host.location = {LocationType::host, 0};
  const AllocationProp* prop = &host;
  EXPECT_EQ(cuda.call<fn::MemCreate>("cuMemCreate", &handle, std::size_t{kBlock}, prop, 0ULL),
            Answer::not_supported);
  EXPECT_EQ(cuda.call<fn::MemMap>("cuMemMap", DevicePtr{kBlock}, std::size_t{kBlock},
                                  std::size_t{0}, AllocationHandle{77}, 0ULL),
            Answer::invalid_value);
}

TEST(CudaContext, CostsMemoryOnceForTheProcessAndGivesItAllBack) {
  Cuda cuda;
  cuda.enter();
  Context again = nullptr;
  ASSERT_EQ(cuda.call<fn::DevicePrimaryCtxRetain>("cuDevicePrimaryCtxRetain", &again, 0),
            Answer::success);
  EXPECT_EQ(cuda.used(), 0U);
  DevicePtr pointer = 0;
  ASSERT_EQ(cuda.allocate(pointer, kGiB), Answer::success);
  EXPECT_EQ(cuda.call<fn::DevicePrimaryCtxRelease>("cuDevicePrimaryCtxRelease_v2", 0),
            Answer::success);
  EXPECT_EQ(cuda.used(), kGiB);
  EXPECT_EQ(cuda.call<fn::DevicePrimaryCtxRelease>("cuDevicePrimaryCtxRelease_v2", 0),
            Answer::success);
  EXPECT_EQ(cuda.machine.account(0).used, 0U) << "its allocations go with it";
  EXPECT_EQ(cuda.allocate(pointer, kMiB), Answer::context_is_destroyed);
  EXPECT_EQ(cuda.call<fn::DevicePrimaryCtxRelease>("cuDevicePrimaryCtxRelease_v2", 0),
            Answer::invalid_context);
}

TEST(CudaContext, IsRefusedAsTheScenarioSays) {
  Cuda cuda("gpu 0 mem=1GiB reserved=0 ctx=512MiB");
  cuda.init();
  Context context = nullptr;
  const auto make = [&] {
    const Answer answer = cuda.call<fn::CtxCreate>("cuCtxCreate_v2", &context, 0U, 0);
    if (answer == Answer::success) {
      EXPECT_EQ(cuda.call<fn::CtxDestroy>("cuCtxDestroy_v2", context), Answer::success);
    }
    return answer;
  };
  EXPECT_EQ(make(), Answer::success);
  cuda.machine.fault("gpu 0 context-failure 999");
  EXPECT_EQ(make(), Answer::unknown);
  cuda.machine.fault("gpu 0 context-failure 0 compute-mode prohibited");
  EXPECT_EQ(make(), Answer::device_unavailable);
  cuda.machine.fault("gpu 0 compute-mode exclusive");
  EXPECT_EQ(make(), Answer::success) << "nobody else has one";
  cuda.machine.set("gpu 0 foreign pid=5 mem=2MiB");
  EXPECT_EQ(make(), Answer::device_unavailable);
  cuda.machine.set("gpu 0 compute-mode shared foreign pid=5 mem=800MiB");
  EXPECT_EQ(make(), Answer::out_of_memory);
}

TEST(CudaContext, IsUselessOnALostGpu) {
  Cuda cuda;
  cuda.enter();
  cuda.machine.fault("gpu 0 lost");
  DevicePtr pointer = 0;
  EXPECT_EQ(cuda.allocate(pointer, kMiB), Answer::unknown);
}

TEST(CudaInit, SaysWhatIsMissing) {
  const Cuda cuda("gpu 0");
  int count = 0;
  EXPECT_EQ(cuda.call<fn::DeviceGetCount>("cuDeviceGetCount", &count), Answer::not_initialized);
  EXPECT_EQ(cuda.call<fn::Init>("cuInit", 1U), Answer::invalid_value);
  cuda.init();
  EXPECT_EQ(cuda.call<fn::DeviceGetCount>("cuDeviceGetCount", &count), Answer::success);
  EXPECT_EQ(count, 1);
  Device device = 0;
  EXPECT_EQ(cuda.call<fn::DeviceGet>("cuDeviceGet", &device, 1), Answer::invalid_device);
}

TEST(CudaInit, AForkedChildIsNotInitialised) {
  const Cuda cuda("gpu 0");
  cuda.init();
  const pid_t child = ::fork();
  if (child == 0) {
    int count = 0;
    const bool is_refused =
        cuda.call<fn::DeviceGetCount>("cuDeviceGetCount", &count) == Answer::not_initialized &&
        cuda.call<fn::Init>("cuInit", 0U) == Answer::not_initialized;
    ::_exit(is_refused ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(CudaInit, FollowsWhatNvmlSays) {
  for (const auto& [init, expected] :
       {std::pair{"18", Answer::system_driver_mismatch}, std::pair{"9", Answer::no_device},
        std::pair{"999", Answer::unknown}, std::pair{"0", Answer::success}}) {
    const Cuda cuda("gpu 0\ndriver init " + std::string(init));
    EXPECT_EQ(cuda.call<fn::Init>("cuInit", 0U), expected) << init;
  }
}

TEST(CudaInit, ShowsTheDevicesThatTheEnvironmentNames) {
  struct Case {
    const char* wish;
    int count;
  };
  const std::string scenario =
      "gpu 0 uuid=GPU-00000000-1\ngpu 1 uuid=GPU-11111111-1\ngpu 2 mem=80GiB mig=3g.40gb,2g.20gb";
  for (const auto& [wish, count] :
       {Case{"0,1,2", 3}, Case{"1", 1}, Case{"GPU-1111,GPU-0000", 2}, Case{"1,x,0", 1},
        Case{"7", 0}, Case{"", 0}, Case{"-1", 0}, Case{"MIG-nothing", 0}}) {
    const Cuda cuda(scenario, {{"CUDA_VISIBLE_DEVICES", wish}});
    int seen = 0;
    EXPECT_EQ(cuda.call<fn::Init>("cuInit", 0U), count > 0 ? Answer::success : Answer::no_device);
    if (count > 0) {
      EXPECT_EQ(cuda.call<fn::DeviceGetCount>("cuDeviceGetCount", &seen), Answer::success);
    }
    EXPECT_EQ(seen, count) << wish;
  }
}

TEST(CudaMig, AllocatesFromItsInstanceOnly) {
  Cuda cuda("gpu 0 mem=80GiB mig=3g.40gb,2g.20gb ctx=0");
  cuda.enter();
  DevicePtr pointer = 0;
  EXPECT_EQ(cuda.allocate(pointer, 41 * kGiB), Answer::out_of_memory);
  EXPECT_EQ(cuda.allocate(pointer, 40 * kGiB), Answer::success);
  const auto instances = cuda.machine.dump()["gpus"][0]["mig"];
  EXPECT_EQ(instances[0]["memory"]["free_bytes"], 0);
  EXPECT_EQ(instances[1]["memory"]["used_bytes"], 0);
}

class CudaLookUp : public testing::Test {
 protected:
  void* find(const char* name, int version, std::uint64_t flags = 0) {
    void* function = this;
    EXPECT_EQ(cuda_.call<fn::GetProcAddressV2>("cuGetProcAddress_v2", name, &function, version,
                                               flags, &status_),
              Answer::success);
    return function;
  }

  void* exported(const char* name) {
    return reinterpret_cast<void*>(cuda_.library.find<void()>(name));
  }

  Cuda cuda_;
  LookUp status_{};
};

TEST_F(CudaLookUp, AnswersTheExportedSymbolOfTheVersionAskedFor) {
  EXPECT_EQ(find("cuMemAlloc", 12000), exported("cuMemAlloc_v2"));
  EXPECT_EQ(status_, LookUp::success);
  EXPECT_EQ(find("cuMemAlloc", 3000), exported("cuMemAlloc"));
  EXPECT_EQ(find("cuGetProcAddress", 11030), exported("cuGetProcAddress"));
  EXPECT_EQ(find("cuGetProcAddress", 12000), exported("cuGetProcAddress_v2"));
  EXPECT_EQ(find("cuMemAllocAsync", 12000), exported("cuMemAllocAsync"));
  EXPECT_EQ(find("cuMemAllocAsync", 12000, 2), exported("cuMemAllocAsync_ptsz"));
  EXPECT_EQ(find("cuMemcpyHtoD", 12000), exported("cuMemcpyHtoD_v2"));
}

TEST_F(CudaLookUp, SucceedsWithoutAFunctionForWhatItDoesNotKnow) {
  EXPECT_EQ(find("cuMakeCoffee", 12000), nullptr);
  EXPECT_EQ(status_, LookUp::not_found);
  EXPECT_EQ(find("cuMemAlloc_v2", 12000), nullptr) << "suffixed names are unknown";
  EXPECT_EQ(status_, LookUp::not_found);
  EXPECT_EQ(find("cuMemCreate", 9000), nullptr);
  EXPECT_EQ(status_, LookUp::version_not_sufficient);
  void* function = this;
  EXPECT_EQ(
      cuda_.call<fn::GetProcAddressV2>("cuGetProcAddress_v2", "cuMakeCoffee", &function, 12000,
                                       std::uint64_t{0}, static_cast<LookUp*>(nullptr)),
      Answer::success)
      << "even when nobody asks for the status";
  EXPECT_EQ(function, nullptr);
}

TEST_F(CudaLookUp, TheFirstGenerationAnswersNotFound) {
  void* function = nullptr;
  const auto ask = [&](const char* name, int version) {
    return cuda_.call<fn::GetProcAddress>("cuGetProcAddress", name, &function, version,
                                          std::uint64_t{0});
  };
  EXPECT_EQ(ask("cuMakeCoffee", 12000), Answer::not_found);
  EXPECT_EQ(ask("cuMemCreate", 9000), Answer::not_found);
  EXPECT_EQ(ask("cuMemCreate", 11000), Answer::success);
  EXPECT_EQ(ask(nullptr, 11000), Answer::invalid_value);
}

TEST(CudaRefusals, KernelsAndCopiesAreNotSupported) {
  const Cuda cuda;
  cuda.enter();
  for (const char* name : {"cuLaunchKernel", "cuMemcpyHtoD_v2", "cuModuleLoadData",
                           "cuStreamCreate", "cuMemAllocManaged", "cuGetExportTable"}) {
    EXPECT_EQ(cuda.call<Answer()>(name), Answer::not_supported) << name;
  }
}

}  // namespace
}  // namespace levee::test
