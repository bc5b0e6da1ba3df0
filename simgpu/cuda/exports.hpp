// What libcuda.so.1 exports and the simulator implements; exports/cuda-r535.txt adds names that
// only answer 801. As in nvml/exports.hpp the types of abi/cuda.hpp are compared with each
// definition. Unsuffixed names beside a `_v2` are the first generation, with 32-bit sizes.
#pragma once

#include "abi/cuda.hpp"

#pragma GCC visibility push(default)
extern "C" {

using namespace levee::cuda;  // NOLINT(google-global-names-in-headers): only for these declarations

fn::Init cuInit;
fn::DriverGetVersion cuDriverGetVersion;
fn::GetErrorText cuGetErrorName;
fn::GetErrorText cuGetErrorString;
fn::GetProcAddress cuGetProcAddress;
fn::GetProcAddressV2 cuGetProcAddress_v2;

fn::DeviceGet cuDeviceGet;
fn::DeviceGetCount cuDeviceGetCount;
fn::DeviceGetName cuDeviceGetName;
fn::DeviceGetUuid cuDeviceGetUuid;
fn::DeviceGetUuid cuDeviceGetUuid_v2;
fn::DeviceGetAttribute cuDeviceGetAttribute;
fn::DeviceTotalMem32 cuDeviceTotalMem;
fn::DeviceTotalMem cuDeviceTotalMem_v2;
fn::DeviceGetPciBusId cuDeviceGetPCIBusId;
fn::DeviceGetByPciBusId cuDeviceGetByPCIBusId;
fn::DeviceComputeCapability cuDeviceComputeCapability;

fn::DevicePrimaryCtxRetain cuDevicePrimaryCtxRetain;
fn::DevicePrimaryCtxRelease cuDevicePrimaryCtxRelease;
fn::DevicePrimaryCtxRelease cuDevicePrimaryCtxRelease_v2;
fn::DevicePrimaryCtxRelease cuDevicePrimaryCtxReset;
fn::DevicePrimaryCtxRelease cuDevicePrimaryCtxReset_v2;
fn::DevicePrimaryCtxGetState cuDevicePrimaryCtxGetState;
fn::CtxCreate cuCtxCreate;
fn::CtxCreate cuCtxCreate_v2;
fn::CtxDestroy cuCtxDestroy;
fn::CtxDestroy cuCtxDestroy_v2;
fn::CtxSetCurrent cuCtxSetCurrent;
fn::CtxGetCurrent cuCtxGetCurrent;
fn::CtxSetCurrent cuCtxPushCurrent;
fn::CtxSetCurrent cuCtxPushCurrent_v2;
fn::CtxGetCurrent cuCtxPopCurrent;
fn::CtxGetCurrent cuCtxPopCurrent_v2;
fn::CtxGetDevice cuCtxGetDevice;
fn::CtxSynchronize cuCtxSynchronize;

fn::MemGetInfo32 cuMemGetInfo;
fn::MemGetInfo cuMemGetInfo_v2;
fn::MemAlloc32 cuMemAlloc;
fn::MemAlloc cuMemAlloc_v2;
fn::MemFree32 cuMemFree;
fn::MemFree cuMemFree_v2;
fn::MemAllocAsync cuMemAllocAsync;
fn::MemAllocAsync cuMemAllocAsync_ptsz;
fn::MemFreeAsync cuMemFreeAsync;
fn::MemFreeAsync cuMemFreeAsync_ptsz;

fn::MemGetAllocationGranularity cuMemGetAllocationGranularity;
fn::MemCreate cuMemCreate;
fn::MemRelease cuMemRelease;
fn::MemAddressReserve cuMemAddressReserve;
fn::MemAddressFree cuMemAddressFree;
fn::MemMap cuMemMap;
fn::MemUnmap cuMemUnmap;
fn::MemSetAccess cuMemSetAccess;
fn::MemRetainAllocationHandle cuMemRetainAllocationHandle;

/// What the names that are only there to be found answer.
Result levee_sim_not_supported(const char* function);

}  // extern "C"
#pragma GCC visibility pop
