// libcuda.so.1 as simhog uses it: reached by dlopen, like every other user of a driver.
#pragma once

#include <dlfcn.h>

#include <string>

#include "abi/cuda.hpp"
#include "levee/result.hpp"

namespace levee::simgpu {

class CudaDriver {
 public:
  [[nodiscard]] static Result<CudaDriver> load() {
    CudaDriver driver;
    void* library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      return fail(ErrorCode::not_found, std::string("cannot load libcuda.so.1: ") + ::dlerror(),
                  "put its directory into LD_LIBRARY_PATH; levee-simctl create prints the line");
    }
    bool is_complete = true;
    const auto find = [&]<class Function>(Function*& function, const char* name) {
      function = reinterpret_cast<Function*>(::dlsym(library, name));
      is_complete = is_complete && function != nullptr;
    };
    find(driver.init, "cuInit");
    find(driver.error_name, "cuGetErrorName");
    find(driver.retain, "cuDevicePrimaryCtxRetain");
    find(driver.set_current, "cuCtxSetCurrent");
    find(driver.memory_info, "cuMemGetInfo_v2");
    find(driver.allocate, "cuMemAlloc_v2");
    find(driver.free, "cuMemFree_v2");
    find(driver.create, "cuMemCreate");
    find(driver.release, "cuMemRelease");
    if (!is_complete) {
      return fail(ErrorCode::unavailable, "libcuda.so.1 lacks functions that simhog needs");
    }
    return driver;
  }

  [[nodiscard]] std::string name_of(cuda::Result result) const {
    const char* name = nullptr;
    return error_name(result, &name) == cuda::Result::success
               ? std::string(name)
               : std::to_string(static_cast<unsigned>(result));
  }

  cuda::fn::Init* init = nullptr;
  cuda::fn::GetErrorText* error_name = nullptr;
  cuda::fn::DevicePrimaryCtxRetain* retain = nullptr;
  cuda::fn::CtxSetCurrent* set_current = nullptr;
  cuda::fn::MemGetInfo* memory_info = nullptr;
  cuda::fn::MemAlloc* allocate = nullptr;
  cuda::fn::MemFree* free = nullptr;
  cuda::fn::MemCreate* create = nullptr;
  cuda::fn::MemRelease* release = nullptr;
};

}  // namespace levee::simgpu
