import { type KubeObject, REGION_LABEL } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import type { NodeSelectorTerm } from '@fso/shared/residency';
import type { PodTemplate, Toleration } from '@fso/shared/risk';
import { z } from 'zod';
import { definedOnly } from '../../compare.ts';
import type { OwnerTemplates } from '../next-templates.ts';
import { namePattern } from './name-pattern.ts';

/** Tolerations that the admission plugin DefaultTolerationSeconds adds to every pod. */
const USUAL: ReadonlySet<string> = new Set(['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']);

const isUsual = ({ key = '', effect }: Toleration): boolean => USUAL.has(key) && effect === 'NoExecute';

/** Requirement that placement injection adds at the end of a term, if it has one. */
const injectedIn = (term: NodeSelectorTerm | null) => {
  const last = term?.matchExpressions?.at(-1);
  return last?.key === REGION_LABEL && last.operator === 'In' ? last : undefined;
};

/** Removes what injection may have added: the last requirement of each term. */
const withoutInjection = (terms: readonly (NodeSelectorTerm | null)[]): readonly (NodeSelectorTerm | null)[] => {
  const [first] = terms.map(injectedIn);
  const isInjected = first !== undefined && terms.every((term) => injectedIn(term)?.values?.join() === first.values?.join());
  if (!isInjected) return terms;
  return terms
    .map((term) => ({ ...term, matchExpressions: term?.matchExpressions?.slice(0, -1) ?? [] }))
    .filter(({ matchExpressions, matchFields }: NodeSelectorTerm) => (matchExpressions?.length ?? 0) + (matchFields?.length ?? 0) > 0);
};

/**
 * Placement that the creator of a pod asked for: without its node and what admission adds to every
 * pod. In a namespace with placement injection, the injected requirement is removed too, as the
 * next pod gets the one in force then.
 */
export const askedPlacement = (pod: PodTemplate | undefined, isInjecting: boolean): PodTemplate | undefined => {
  if (pod === undefined) return undefined;
  const { nodeName: _bound, affinity, tolerations, ...rest } = pod;
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const nodeSelectorTerms = isInjecting ? withoutInjection(terms) : terms;
  const own = (tolerations ?? []).filter((toleration) => !isUsual(toleration));
  const required = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [...nodeSelectorTerms] } } };
  return definedOnly({
    ...rest,
    affinity: nodeSelectorTerms.length === 0 ? undefined : required,
    tolerations: own.length === 0 ? undefined : own,
  }) as unknown as PodTemplate;
};

/** Controllers whose templates are judged directly, and kubelets, whose pods nothing refuses. */
const OTHERS: ReadonlySet<string> = new Set(['ReplicaSet', 'StatefulSet', 'DaemonSet', 'ReplicationController', 'Node']);
const ENDED_PHASES: ReadonlySet<string> = new Set(['Succeeded', 'Failed']);

/** Pod as the API server shows it. */
export type SeenPod = KubeObject & {
  readonly spec?: object;
  readonly status?: { readonly phase?: string; readonly containerStatuses?: unknown };
};

const Terminated = z.object({ state: z.object({ terminated: z.object({ finishedAt: z.string() }) }) });

/** Time at which the last container of an ended pod finished; undefined if unknown. */
export const finishedAt = ({ metadata: { creationTimestamp = '' }, status }: SeenPod): string | undefined => {
  const containers: readonly unknown[] = Array.isArray(status?.containerStatuses) ? status.containerStatuses : [];
  const times = containers.flatMap((each) => Terminated.safeParse(each).data?.state.terminated.finishedAt ?? []);
  // A runtime that has lost a container reports 1970.
  return times
    .filter((time) => time >= creationTimestamp)
    .sort(byText)
    .at(-1);
};

/**
 * Kind of a pod's controller and pattern of its name.
 *
 * @returns undefined if the pod is not recorded as a shape
 */
export const controllerOf = ({
  metadata: { name, ownerReferences },
}: SeenPod): { readonly kind: string; readonly name: string } | undefined => {
  const owner = (Array.isArray(ownerReferences) ? ownerReferences : []).find(({ controller }) => controller === true);
  if (owner === undefined) return { kind: 'Pod', name: namePattern(name) };
  const kind = String(owner.kind).slice(0, 63);
  return OTHERS.has(kind) ? undefined : { kind, name: namePattern(String(owner.name)).slice(0, 253) };
};

/** Whether a pod has succeeded or failed. */
export const hasEnded = ({ status }: SeenPod): boolean => ENDED_PHASES.has(status?.phase ?? '');

/** Pods with one placement whose controllers have similar names. */
export interface Shape {
  readonly namespace: string;
  /** Kind of the controller; `Pod` for pods without one. */
  readonly kind: string;
  readonly name: string;
  /** undefined: too large to be judged, or unreadable. */
  readonly template: PodTemplate | undefined;
  /** Hour in which a pod of the shape was last seen, RFC 3339. */
  readonly lastSeen: string;
}

/** Shape with the number of its running pods. */
type LiveShape = Shape & { readonly live: number };

const DAY_MS = 86_400_000;

/** Name patterns of Jobs that are judged by their own templates. */
const patternsOf = (owners: readonly OwnerTemplates[]): ReadonlySet<string> =>
  new Set(
    owners.flatMap(({ kind, owner, sources }) => [
      ...(kind === 'CronJob' ? [namePattern(`${owner.metadata.name}-1`)] : []),
      ...sources.filter((source) => source.kind === 'Job').map(({ object }) => namePattern(object.metadata.name)),
    ]),
  );

/** Whether a placement is outdated: no pod of it runs, and others were seen over a day later. */
const isPast = ({ live, lastSeen }: LiveShape, newest: string): boolean => live === 0 && Date.parse(newest) - Date.parse(lastSeen) > DAY_MS;

/** Lists the shapes that belong to none of the owners, as owners, most recently seen first. */
export const apartFrom = (shapes: readonly LiveShape[], owners: readonly OwnerTemplates[]): readonly OwnerTemplates[] => {
  const standing = patternsOf(owners);
  const groups = Map.groupBy(shapes.toReversed(), ({ kind, name }) => `${kind}/${name}`);
  return [...groups.values()].flatMap((group) => {
    const [newest] = group;
    if (newest === undefined || (newest.kind === 'Job' && standing.has(newest.name))) return [];
    const { kind, name, namespace } = newest;
    const metadata = { name, namespace };
    const [latest = ''] = group.map(({ lastSeen }) => lastSeen).sort((a, b) => byText(b, a));
    const present = group.filter((shape) => !isPast(shape, latest));
    const sources = present.map(({ template }) => ({ kind: 'Shape', object: { metadata }, template }) as const);
    return [{ kind, owner: { metadata }, sources, ...(present.every(({ live }) => live === 0) && { lastSeen: latest }) }];
  });
};
