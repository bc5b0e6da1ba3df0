// What libnvidia-ml.so.1 exports and the simulator implements; exports/nvml-*.txt says which
// profile has which, and which further names only answer "not supported".
//
// Declaring the functions by the types of abi/nvml.hpp makes the compiler compare each definition
// with what callers of the library are compiled against.
#pragma once

#include "abi/nvml.hpp"

#pragma GCC visibility push(default)
extern "C" {

using namespace levee::nvml;  // NOLINT(google-global-names-in-headers): only for these declarations

fn::Init nvmlInit;
fn::Init nvmlInit_v2;
fn::InitWithFlags nvmlInitWithFlags;
fn::Shutdown nvmlShutdown;
fn::ErrorString nvmlErrorString;
fn::SystemGetVersion nvmlSystemGetDriverVersion;
fn::SystemGetVersion nvmlSystemGetNVMLVersion;
fn::SystemGetCudaDriverVersion nvmlSystemGetCudaDriverVersion;
fn::SystemGetCudaDriverVersion nvmlSystemGetCudaDriverVersion_v2;
Return nvmlInternalGetExportTable(const void** table, const void* id);

fn::DeviceGetCount nvmlDeviceGetCount;
fn::DeviceGetCount nvmlDeviceGetCount_v2;
fn::DeviceGetHandleByIndex nvmlDeviceGetHandleByIndex;
fn::DeviceGetHandleByIndex nvmlDeviceGetHandleByIndex_v2;
fn::DeviceGetHandleByText nvmlDeviceGetHandleByUUID;
fn::DeviceGetHandleByText nvmlDeviceGetHandleByPciBusId;
fn::DeviceGetHandleByText nvmlDeviceGetHandleByPciBusId_v2;
fn::DeviceGetHandleByText nvmlDeviceGetHandleBySerial;
fn::DeviceGetText nvmlDeviceGetName;
fn::DeviceGetText nvmlDeviceGetUUID;
fn::DeviceGetText nvmlDeviceGetSerial;
fn::DeviceGetUnsigned nvmlDeviceGetIndex;
fn::DeviceGetUnsigned nvmlDeviceGetMinorNumber;
fn::DeviceGetPciInfo nvmlDeviceGetPciInfo;
fn::DeviceGetPciInfo nvmlDeviceGetPciInfo_v2;
fn::DeviceGetPciInfo nvmlDeviceGetPciInfo_v3;
fn::DeviceGetCudaComputeCapability nvmlDeviceGetCudaComputeCapability;
fn::DeviceGetComputeMode nvmlDeviceGetComputeMode;
fn::DeviceGetFeature nvmlDeviceGetPersistenceMode;
fn::DeviceGetFeature nvmlDeviceGetDisplayMode;
fn::DeviceGetFeature nvmlDeviceGetDisplayActive;

fn::DeviceGetMemoryInfo nvmlDeviceGetMemoryInfo;
fn::DeviceGetMemoryInfoV2 nvmlDeviceGetMemoryInfo_v2;
fn::DeviceGetBar1MemoryInfo nvmlDeviceGetBAR1MemoryInfo;
fn::DeviceGetConfComputeMemSizeInfo nvmlDeviceGetConfComputeMemSizeInfo;
fn::DeviceSetMemoryLimits nvmlDeviceSetMemoryLimits_v1;
fn::DeviceGetMemoryLimits nvmlDeviceGetMemoryLimits_v1;

fn::DeviceGetRunningProcesses nvmlDeviceGetComputeRunningProcesses;
fn::DeviceGetRunningProcesses nvmlDeviceGetGraphicsRunningProcesses;
fn::DeviceGetRunningProcesses nvmlDeviceGetMPSComputeRunningProcesses;
fn::DeviceGetRunningProcessesV2 nvmlDeviceGetComputeRunningProcesses_v2;
fn::DeviceGetRunningProcessesV2 nvmlDeviceGetGraphicsRunningProcesses_v2;
fn::DeviceGetRunningProcessesV2 nvmlDeviceGetMPSComputeRunningProcesses_v2;
fn::DeviceGetRunningProcessesV2 nvmlDeviceGetComputeRunningProcesses_v3;
fn::DeviceGetRunningProcessesV2 nvmlDeviceGetGraphicsRunningProcesses_v3;
fn::DeviceGetRunningProcessesV2 nvmlDeviceGetMPSComputeRunningProcesses_v3;
fn::DeviceGetProcessUtilization nvmlDeviceGetProcessUtilization;
fn::DeviceGetRunningProcessDetailList nvmlDeviceGetRunningProcessDetailList;

fn::DeviceGetUtilizationRates nvmlDeviceGetUtilizationRates;
fn::DeviceGetTemperature nvmlDeviceGetTemperature;
fn::DeviceGetTemperatureV nvmlDeviceGetTemperatureV;
fn::DeviceGetTemperatureThreshold nvmlDeviceGetTemperatureThreshold;
fn::DeviceGetUnsigned nvmlDeviceGetPowerUsage;
fn::DeviceGetUnsigned nvmlDeviceGetEnforcedPowerLimit;
fn::DeviceGetUnsigned nvmlDeviceGetPowerManagementLimit;
fn::DeviceGetUnsigned nvmlDeviceGetPowerManagementDefaultLimit;
fn::DeviceGetFeature nvmlDeviceGetPowerManagementMode;
fn::DeviceGetUnsigned nvmlDeviceGetPowerState;
fn::DeviceGetUnsigned nvmlDeviceGetPerformanceState;
fn::DeviceGetUnsigned nvmlDeviceGetFanSpeed;
fn::DeviceGetFanSpeedV2 nvmlDeviceGetFanSpeed_v2;
fn::DeviceGetUnsigned nvmlDeviceGetNumFans;
fn::DeviceGetClock nvmlDeviceGetClockInfo;
fn::DeviceGetClock nvmlDeviceGetMaxClockInfo;
fn::DeviceGetReasons nvmlDeviceGetCurrentClocksThrottleReasons;
fn::DeviceGetReasons nvmlDeviceGetCurrentClocksEventReasons;
fn::DeviceGetReasons nvmlDeviceGetSupportedClocksThrottleReasons;
fn::DeviceGetReasons nvmlDeviceGetSupportedClocksEventReasons;
fn::DeviceGetPcieThroughput nvmlDeviceGetPcieThroughput;
fn::DeviceGetCoderUtilization nvmlDeviceGetEncoderUtilization;
fn::DeviceGetCoderUtilization nvmlDeviceGetDecoderUtilization;
fn::DeviceGetUnsigned nvmlDeviceGetCurrPcieLinkGeneration;
fn::DeviceGetUnsigned nvmlDeviceGetCurrPcieLinkWidth;
fn::DeviceGetUnsigned nvmlDeviceGetMaxPcieLinkGeneration;
fn::DeviceGetUnsigned nvmlDeviceGetMaxPcieLinkWidth;

fn::DeviceGetFeaturePair nvmlDeviceGetEccMode;
fn::DeviceGetTotalEccErrors nvmlDeviceGetTotalEccErrors;
fn::DeviceGetRemappedRows nvmlDeviceGetRemappedRows;
fn::DeviceGetRetiredPages nvmlDeviceGetRetiredPages;
fn::DeviceGetFeature nvmlDeviceGetRetiredPagesPendingStatus;
fn::DeviceGetFieldValues nvmlDeviceGetFieldValues;
fn::DeviceGetNvLinkState nvmlDeviceGetNvLinkState;

fn::EventSetCreate nvmlEventSetCreate;
fn::EventSetFree nvmlEventSetFree;
fn::EventSetWait nvmlEventSetWait;
fn::EventSetWait nvmlEventSetWait_v2;
fn::DeviceRegisterEvents nvmlDeviceRegisterEvents;
fn::DeviceGetSupportedEventTypes nvmlDeviceGetSupportedEventTypes;

fn::DeviceGetMigMode nvmlDeviceGetMigMode;
fn::DeviceGetUnsigned nvmlDeviceGetMaxMigDeviceCount;
fn::DeviceGetMigDeviceHandleByIndex nvmlDeviceGetMigDeviceHandleByIndex;
fn::DeviceGetDeviceHandleFromMigDeviceHandle nvmlDeviceGetDeviceHandleFromMigDeviceHandle;
fn::DeviceGetUnsigned nvmlDeviceIsMigDeviceHandle;
fn::DeviceGetUnsigned nvmlDeviceGetGpuInstanceId;
fn::DeviceGetUnsigned nvmlDeviceGetComputeInstanceId;
fn::DeviceGetAttributes nvmlDeviceGetAttributes_v2;

/// What the names that are only there to be found answer.
Return levee_sim_not_supported(const char* function);

}  // extern "C"
#pragma GCC visibility pop
