import type { KubeObject } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { z } from 'zod';
import { namePattern } from './name-pattern.ts';

/** Controllers whose templates are judged by themselves, and kubelets, which nothing refuses. */
const OTHERS: ReadonlySet<string> = new Set(['ReplicaSet', 'StatefulSet', 'DaemonSet', 'ReplicationController', 'Node']);
const ENDED_PHASES: ReadonlySet<string> = new Set(['Succeeded', 'Failed']);

/** A pod as the API server shows it. */
export type SeenPod = KubeObject & {
  readonly spec?: object;
  readonly status?: { readonly phase?: string; readonly containerStatuses?: unknown };
};

const Terminated = z.object({ state: z.object({ terminated: z.object({ finishedAt: z.string() }) }) });

/** Time at which the last container of a pod that has ended did; undefined: it is not known. */
export const finishedAt = ({ metadata: { creationTimestamp = '' }, status }: SeenPod): string | undefined => {
  const containers: readonly unknown[] = Array.isArray(status?.containerStatuses) ? status.containerStatuses : [];
  const times = containers.flatMap((each) => Terminated.safeParse(each).data?.state.terminated.finishedAt ?? []);
  // A runtime that has lost a container says 1970.
  return times
    .filter((time) => time >= creationTimestamp)
    .sort(byText)
    .at(-1);
};

/**
 * Kind of a pod's controller and pattern of its name. @returns undefined: the pod is not of a shape
 */
export const controllerOf = ({
  metadata: { name, ownerReferences },
}: SeenPod): { readonly kind: string; readonly name: string } | undefined => {
  const owner = (Array.isArray(ownerReferences) ? ownerReferences : []).find(({ controller }) => controller === true);
  if (owner === undefined) return { kind: 'Pod', name: namePattern(name) };
  const kind = String(owner.kind).slice(0, 63);
  return OTHERS.has(kind) ? undefined : { kind, name: namePattern(String(owner.name)).slice(0, 253) };
};

export const hasEnded = ({ status }: SeenPod): boolean => ENDED_PHASES.has(status?.phase ?? '');
