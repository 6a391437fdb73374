/**
 * Numbers of Vulkan's header that are used here, under its names without VK_.
 *
 * @module
 */

/** Of versions: major, minor. */
export const API_VERSION_1_3 = (1 << 22) | (3 << 12);

export const PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU = 1;
export const PHYSICAL_DEVICE_TYPE_DISCRETE_GPU = 2;
export const PHYSICAL_DEVICE_TYPE_CPU = 4;

/** The maker's own, not Mesa's NVK. */
export const DRIVER_ID_NVIDIA_PROPRIETARY = 4;

export const QUEUE_COMPUTE_BIT = 2;
/** VK_SUBGROUP_FEATURE_: basic, vote, arithmetic, ballot, shuffle, relative. */
export const SUBGROUP_OPERATIONS = 0x3f;
export const SHADER_STAGE_COMPUTE_BIT = 0x20;

export const MEMORY_PROPERTY_DEVICE_LOCAL_BIT = 1;
export const MEMORY_PROPERTY_HOST_VISIBLE_BIT = 2;
export const MEMORY_PROPERTY_HOST_COHERENT_BIT = 4;
export const MEMORY_PROPERTY_HOST_CACHED_BIT = 8;

export const BUFFER_USAGE_TRANSFER_SRC_BIT = 1;
export const BUFFER_USAGE_TRANSFER_DST_BIT = 2;
export const BUFFER_USAGE_STORAGE_BUFFER_BIT = 0x20;

export const DESCRIPTOR_TYPE_STORAGE_BUFFER = 7;
export const PIPELINE_BIND_POINT_COMPUTE = 1;
export const PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT = 2;

export const COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT = 2;
export const COMMAND_BUFFER_LEVEL_PRIMARY = 0;
export const COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT = 1;

export const PIPELINE_STAGE_COMPUTE_SHADER_BIT = 0x800;
export const PIPELINE_STAGE_TRANSFER_BIT = 0x1000;
export const PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT = 0x2000;
export const PIPELINE_STAGE_HOST_BIT = 0x4000;

export const ACCESS_SHADER_READ_BIT = 0x20;
export const ACCESS_SHADER_WRITE_BIT = 0x40;
export const ACCESS_TRANSFER_READ_BIT = 0x800;
export const ACCESS_TRANSFER_WRITE_BIT = 0x1000;
export const ACCESS_HOST_READ_BIT = 0x2000;

export const SEMAPHORE_TYPE_TIMELINE = 1;
export const QUERY_TYPE_TIMESTAMP = 2;
export const QUERY_RESULT_64_BIT = 1;
export const QUERY_RESULT_WAIT_BIT = 2;

export const SCOPE_SUBGROUP = 3;
