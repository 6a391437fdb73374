/**
 * The WGSL kernel of every op.
 *
 * @module
 */

import type { OpName } from "../../graph/ops.ts";
import type { Kernels } from "./kernel.ts";
import { attentionKernels } from "./kernels/attention.ts";
import { attentionBackwardKernels } from "./kernels/attention_backward.ts";
import { attentionCachedKernels } from "./kernels/attention_cached.ts";
import { dropoutKernels } from "./kernels/dropout.ts";
import { elementwiseKernels } from "./kernels/elementwise.ts";
import { embeddingKernels } from "./kernels/embedding.ts";
import { lossKernels } from "./kernels/losses.ts";
import { matmulKernels } from "./kernels/matmul.ts";
import { normKernels } from "./kernels/norms.ts";
import { optimizerKernels } from "./kernels/optimizer.ts";
import { ropeKernels } from "./kernels/rope.ts";
import { sampleKernels } from "./kernels/sample.ts";

/** One kernel per op. */
export const webgpuKernels: Kernels<OpName> = {
  ...attentionKernels,
  ...attentionBackwardKernels,
  ...attentionCachedKernels,
  ...dropoutKernels,
  ...elementwiseKernels,
  ...embeddingKernels,
  ...lossKernels,
  ...matmulKernels,
  ...normKernels,
  ...optimizerKernels,
  ...ropeKernels,
  ...sampleKernels,
};
