import { setImmediate } from 'node:timers/promises';
import type { PolicyReport } from '@fso/shared/api';
import { type DecodedAgentFrame, decodeAgentFrame } from '@fso/shared/protocol';
import { threadCpuMs } from '@fso/shared/runtime';

/**
 * A decoded frame on its way from one thread to another. Policies travel as text, as copying the
 * objects takes the receiving thread longer than parsing them, and it parses some at a time.
 */
export interface PackedFrame {
  /** Decoded frame without its policies. */
  readonly decoded: DecodedAgentFrame;
  readonly policies: readonly string[];
  /** CPU time that it took to decode, in milliseconds. */
  readonly cpuMs: number;
}

/** A decoded frame, and the CPU time that it took on all threads, in milliseconds. */
export interface MeteredFrame {
  readonly decoded: DecodedAgentFrame;
  readonly cpuMs: number;
  /** Whether it took a thread more memory or CPU time than a frame may. */
  readonly isTooExpensive?: boolean;
}

/** Decodes a frame, and measures its CPU time. */
export const decodeMetered = (data: Uint8Array): MeteredFrame => {
  const before = threadCpuMs();
  const decoded = decodeAgentFrame(data);
  return { decoded, cpuMs: threadCpuMs() - before };
};

/** Decodes a frame into a form that is cheap to pass to another thread. */
export const packFrame = (data: Uint8Array): PackedFrame => {
  const before = threadCpuMs();
  const decoded = decodeAgentFrame(data);
  if (!decoded.ok || decoded.frame.type !== 'report') return { decoded, policies: [], cpuMs: threadCpuMs() - before };
  const policies = decoded.frame.policies.map((report) => JSON.stringify(report));
  return { decoded: { ...decoded, frame: { ...decoded.frame, policies: [] } }, policies, cpuMs: threadCpuMs() - before };
};

/** UTF-16 code units that are parsed before the thread is yielded: a few milliseconds. */
const SLICE = 256 * 1024;

/** Reverses {@link packFrame}, in slices of time. */
export const unpackFrame = async ({ decoded, policies, cpuMs }: PackedFrame): Promise<MeteredFrame> => {
  if (!decoded.ok || decoded.frame.type !== 'report') return { decoded, cpuMs };
  const reports: PolicyReport[] = [];
  let [spentMs, before, parsed] = [cpuMs, threadCpuMs(), 0];
  for (const text of policies) {
    reports.push(JSON.parse(text) as PolicyReport);
    parsed += text.length;
    if (parsed < SLICE) continue;
    spentMs += threadCpuMs() - before;
    await setImmediate();
    [before, parsed] = [threadCpuMs(), 0];
  }
  return { decoded: { ...decoded, frame: { ...decoded.frame, policies: reports } }, cpuMs: spentMs + threadCpuMs() - before };
};
