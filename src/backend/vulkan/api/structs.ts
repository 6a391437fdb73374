/**
 * The structures of Vulkan that are used here, with the names of its
 * specification; a test compares their layouts with what a C compiler makes of
 * vulkan_core.h.
 *
 * Source: https://registry.khronos.org/vulkan/specs/latest/html/vkspec.html.
 *
 * @module
 */

import { chained, fieldsOf, plain } from "./struct.ts";

export const ApplicationInfo = chained(0, {
  pApplicationName: "u64",
  applicationVersion: "u32",
  pEngineName: "u64",
  engineVersion: "u32",
  apiVersion: "u32",
});

export const InstanceCreateInfo = chained(1, {
  flags: "u32",
  pApplicationInfo: "u64",
  enabledLayerCount: "u32",
  ppEnabledLayerNames: "u64",
  enabledExtensionCount: "u32",
  ppEnabledExtensionNames: "u64",
});

export const ExtensionProperties = plain({
  extensionName: ["u8", 256],
  specVersion: "u32",
});

export const PhysicalDeviceLimits = plain({
  images: ["u32", 7], // and texels
  maxStorageBufferRange: "u32",
  maxPushConstantsSize: "u32",
  maxMemoryAllocationCount: "u32",
  maxSamplerAllocationCount: "u32",
  sparse: ["u64", 2],
  maxBoundDescriptorSets: "u32",
  maxPerStageDescriptorSamplers: "u32",
  maxPerStageDescriptorUniformBuffers: "u32",
  maxPerStageDescriptorStorageBuffers: "u32",
  descriptors: ["u32", 12], // of images, and of all stages
  graphics: ["u32", 22], // vertices to fragments
  maxComputeSharedMemorySize: "u32",
  maxComputeWorkGroupCount: ["u32", 3],
  maxComputeWorkGroupInvocations: "u32",
  maxComputeWorkGroupSize: ["u32", 3],
  viewports: ["u32", 13], // precision of coordinates, draws, samplers
  minMemoryMapAlignment: "u64",
  minTexelBufferOffsetAlignment: "u64",
  minUniformBufferOffsetAlignment: "u64",
  minStorageBufferOffsetAlignment: "u64",
  framebuffers: ["u32", 21], // texels, interpolation, samples
  timestampComputeAndGraphics: "u32",
  timestampPeriod: "f32",
  lines: ["u32", 12], // clipping, points
  optimalBufferCopyOffsetAlignment: "u64",
  optimalBufferCopyRowPitchAlignment: "u64",
  nonCoherentAtomSize: "u64",
});

export const PhysicalDeviceProperties = plain({
  apiVersion: "u32",
  driverVersion: "u32",
  vendorID: "u32",
  deviceID: "u32",
  deviceType: "u32",
  deviceName: ["u8", 256],
  pipelineCacheUUID: ["u8", 16],
  limits: PhysicalDeviceLimits,
  sparseProperties: ["u32", 5],
});

export const PhysicalDeviceProperties2 = chained(1000059001, {
  properties: PhysicalDeviceProperties,
});

export const PhysicalDeviceVulkan11Properties = chained(50, {
  deviceUUID: ["u8", 16],
  driverUUID: ["u8", 16],
  deviceLUID: ["u8", 8],
  deviceNodeMask: "u32",
  deviceLUIDValid: "u32",
  subgroupSize: "u32",
  subgroupSupportedStages: "u32",
  subgroupSupportedOperations: "u32",
  subgroupQuadOperationsInAllStages: "u32",
  pointClippingBehavior: "u32",
  maxMultiviewViewCount: "u32",
  maxMultiviewInstanceIndex: "u32",
  protectedNoFault: "u32",
  maxPerSetDescriptors: "u32",
  maxMemoryAllocationSize: "u64",
});

export const PhysicalDeviceVulkan13Properties = chained(54, {
  minSubgroupSize: "u32",
  maxSubgroupSize: "u32",
  maxComputeWorkgroupSubgroups: "u32",
  requiredSubgroupSizeStages: "u32",
  inlineUniforms: ["u32", 6],
  integerDotProducts: ["u32", 30],
  storageTexelBufferOffsetAlignmentBytes: "u64",
  storageTexelBufferOffsetSingleTexelAlignment: "u32",
  uniformTexelBufferOffsetAlignmentBytes: "u64",
  uniformTexelBufferOffsetSingleTexelAlignment: "u32",
  maxBufferSize: "u64",
});

export const PhysicalDeviceDriverProperties = chained(1000196000, {
  driverID: "u32",
  driverName: ["u8", 256],
  driverInfo: ["u8", 256],
  conformanceVersion: ["u8", 4],
});

/** Of VK_EXT_pci_bus_info. */
export const PhysicalDevicePCIBusInfoProperties = chained(1000212000, {
  pciDomain: "u32",
  pciBus: "u32",
  pciDevice: "u32",
  pciFunction: "u32",
});

export const PhysicalDeviceFeatures2 = chained(1000059000, {
  robustBufferAccess: "u32",
  graphics: ["u32", 39],
  shaderInt64: "u32",
  shaderInt16: "u32",
  sparse: ["u32", 13], // and what is like it
});

export const PhysicalDeviceVulkan11Features = chained(49, {
  storageBuffer16BitAccess: "u32",
  others: ["u32", 11],
});

export const PhysicalDeviceVulkan12Features = chained(
  51,
  fieldsOf(
    "u32",
    ...[
      "samplerMirrorClampToEdge",
      "drawIndirectCount",
      "storageBuffer8BitAccess",
      "uniformAndStorageBuffer8BitAccess",
      "storagePushConstant8",
      "shaderBufferInt64Atomics",
      "shaderSharedInt64Atomics",
      "shaderFloat16",
      "shaderInt8",
      "descriptorIndexing",
      "shaderInputAttachmentArrayDynamicIndexing",
      "shaderUniformTexelBufferArrayDynamicIndexing",
      "shaderStorageTexelBufferArrayDynamicIndexing",
      "shaderUniformBufferArrayNonUniformIndexing",
      "shaderSampledImageArrayNonUniformIndexing",
      "shaderStorageBufferArrayNonUniformIndexing",
      "shaderStorageImageArrayNonUniformIndexing",
      "shaderInputAttachmentArrayNonUniformIndexing",
      "shaderUniformTexelBufferArrayNonUniformIndexing",
      "shaderStorageTexelBufferArrayNonUniformIndexing",
      "descriptorBindingUniformBufferUpdateAfterBind",
      "descriptorBindingSampledImageUpdateAfterBind",
      "descriptorBindingStorageImageUpdateAfterBind",
      "descriptorBindingStorageBufferUpdateAfterBind",
      "descriptorBindingUniformTexelBufferUpdateAfterBind",
      "descriptorBindingStorageTexelBufferUpdateAfterBind",
      "descriptorBindingUpdateUnusedWhilePending",
      "descriptorBindingPartiallyBound",
      "descriptorBindingVariableDescriptorCount",
      "runtimeDescriptorArray",
      "samplerFilterMinmax",
      "scalarBlockLayout",
      "imagelessFramebuffer",
      "uniformBufferStandardLayout",
      "shaderSubgroupExtendedTypes",
      "separateDepthStencilLayouts",
      "hostQueryReset",
      "timelineSemaphore",
      "bufferDeviceAddress",
      "bufferDeviceAddressCaptureReplay",
      "bufferDeviceAddressMultiDevice",
      "vulkanMemoryModel",
      "vulkanMemoryModelDeviceScope",
      "vulkanMemoryModelAvailabilityVisibilityChains",
      "shaderOutputViewportIndex",
      "shaderOutputLayer",
      "subgroupBroadcastDynamicId",
    ] as const,
  ),
);

export const PhysicalDeviceVulkan13Features = chained(
  53,
  fieldsOf(
    "u32",
    ...[
      "robustImageAccess",
      "inlineUniformBlock",
      "descriptorBindingInlineUniformBlockUpdateAfterBind",
      "pipelineCreationCacheControl",
      "privateData",
      "shaderDemoteToHelperInvocation",
      "shaderTerminateInvocation",
      "subgroupSizeControl",
      "computeFullSubgroups",
      "synchronization2",
      "textureCompressionASTC_HDR",
      "shaderZeroInitializeWorkgroupMemory",
      "dynamicRendering",
      "shaderIntegerDotProduct",
      "maintenance4",
    ] as const,
  ),
);

export const PhysicalDeviceCooperativeMatrixFeatures = chained(
  1000506000,
  fieldsOf("u32", "cooperativeMatrix", "cooperativeMatrixRobustBufferAccess"),
);

export const PhysicalDeviceShaderBfloat16Features = chained(
  1000141000,
  fieldsOf(
    "u32",
    "shaderBFloat16Type",
    "shaderBFloat16DotProduct",
    "shaderBFloat16CooperativeMatrix",
  ),
);

export const CooperativeMatrixProperties = chained(
  1000506001,
  fieldsOf(
    "u32",
    ...[
      "MSize",
      "NSize",
      "KSize",
      "AType",
      "BType",
      "CType",
      "ResultType",
      "saturatingAccumulation",
      "scope",
    ] as const,
  ),
);

export const QueueFamilyProperties = plain({
  queueFlags: "u32",
  queueCount: "u32",
  timestampValidBits: "u32",
  minImageTransferGranularity: ["u32", 3],
});

const MemoryType = plain({ propertyFlags: "u32", heapIndex: "u32" });
const MemoryHeap = plain({ size: "u64", flags: "u32" });

export const PhysicalDeviceMemoryProperties2 = chained(1000059006, {
  memoryTypeCount: "u32",
  memoryTypes: [MemoryType, 32],
  memoryHeapCount: "u32",
  memoryHeaps: [MemoryHeap, 16],
});

export const PhysicalDeviceMemoryBudgetProperties = chained(1000237000, {
  heapBudget: ["u64", 16],
  heapUsage: ["u64", 16],
});

export const DeviceQueueCreateInfo = chained(2, {
  flags: "u32",
  queueFamilyIndex: "u32",
  queueCount: "u32",
  pQueuePriorities: "u64",
});

export const DeviceCreateInfo = chained(3, {
  flags: "u32",
  queueCreateInfoCount: "u32",
  pQueueCreateInfos: "u64",
  enabledLayerCount: "u32",
  ppEnabledLayerNames: "u64",
  enabledExtensionCount: "u32",
  ppEnabledExtensionNames: "u64",
  pEnabledFeatures: "u64",
});

export const BufferCreateInfo = chained(12, {
  flags: "u32",
  size: "u64",
  usage: "u32",
  sharingMode: "u32",
  queueFamilyIndexCount: "u32",
  pQueueFamilyIndices: "u64",
});

export const MemoryRequirements = plain({
  size: "u64",
  alignment: "u64",
  memoryTypeBits: "u32",
});

export const MemoryAllocateInfo = chained(5, {
  allocationSize: "u64",
  memoryTypeIndex: "u32",
});

export const ShaderModuleCreateInfo = chained(16, {
  flags: "u32",
  codeSize: "u64",
  pCode: "u64",
});

export const DescriptorSetLayoutBinding = plain({
  binding: "u32",
  descriptorType: "u32",
  descriptorCount: "u32",
  stageFlags: "u32",
  pImmutableSamplers: "u64",
});

export const DescriptorSetLayoutCreateInfo = chained(32, {
  flags: "u32",
  bindingCount: "u32",
  pBindings: "u64",
});

export const PipelineLayoutCreateInfo = chained(30, {
  flags: "u32",
  setLayoutCount: "u32",
  pSetLayouts: "u64",
  pushConstantRangeCount: "u32",
  pPushConstantRanges: "u64",
});

export const PipelineShaderStageRequiredSubgroupSizeCreateInfo = chained(
  1000225001,
  { requiredSubgroupSize: "u32" },
);

export const PipelineShaderStageCreateInfo = chained(18, {
  flags: "u32",
  stage: "u32",
  module: "u64",
  pName: "u64",
  pSpecializationInfo: "u64",
});

export const ComputePipelineCreateInfo = chained(29, {
  flags: "u32",
  stage: PipelineShaderStageCreateInfo,
  layout: "u64",
  basePipelineHandle: "u64",
  basePipelineIndex: "i32",
});

export const DescriptorPoolSize = plain({
  type: "u32",
  descriptorCount: "u32",
});

export const DescriptorPoolCreateInfo = chained(33, {
  flags: "u32",
  maxSets: "u32",
  poolSizeCount: "u32",
  pPoolSizes: "u64",
});

export const DescriptorSetAllocateInfo = chained(34, {
  descriptorPool: "u64",
  descriptorSetCount: "u32",
  pSetLayouts: "u64",
});

export const DescriptorBufferInfo = plain({
  buffer: "u64",
  offset: "u64",
  range: "u64",
});

export const WriteDescriptorSet = chained(35, {
  dstSet: "u64",
  dstBinding: "u32",
  dstArrayElement: "u32",
  descriptorCount: "u32",
  descriptorType: "u32",
  pImageInfo: "u64",
  pBufferInfo: "u64",
  pTexelBufferView: "u64",
});

export const CommandPoolCreateInfo = chained(39, {
  flags: "u32",
  queueFamilyIndex: "u32",
});

export const CommandBufferAllocateInfo = chained(40, {
  commandPool: "u64",
  level: "u32",
  commandBufferCount: "u32",
});

export const CommandBufferBeginInfo = chained(42, {
  flags: "u32",
  pInheritanceInfo: "u64",
});

export const MemoryBarrier = chained(46, {
  srcAccessMask: "u32",
  dstAccessMask: "u32",
});

export const BufferCopy = plain({
  srcOffset: "u64",
  dstOffset: "u64",
  size: "u64",
});

export const SubmitInfo = chained(4, {
  waitSemaphoreCount: "u32",
  pWaitSemaphores: "u64",
  pWaitDstStageMask: "u64",
  commandBufferCount: "u32",
  pCommandBuffers: "u64",
  signalSemaphoreCount: "u32",
  pSignalSemaphores: "u64",
});

export const TimelineSemaphoreSubmitInfo = chained(1000207003, {
  waitSemaphoreValueCount: "u32",
  pWaitSemaphoreValues: "u64",
  signalSemaphoreValueCount: "u32",
  pSignalSemaphoreValues: "u64",
});

export const SemaphoreTypeCreateInfo = chained(1000207002, {
  semaphoreType: "u32",
  initialValue: "u64",
});

export const SemaphoreCreateInfo = chained(9, { flags: "u32" });

export const SemaphoreWaitInfo = chained(1000207004, {
  flags: "u32",
  semaphoreCount: "u32",
  pSemaphores: "u64",
  pValues: "u64",
});

export const QueryPoolCreateInfo = chained(11, {
  flags: "u32",
  queryType: "u32",
  queryCount: "u32",
  pipelineStatistics: "u32",
});
