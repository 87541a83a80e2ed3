import type { KubeObject, ObjectMeta } from '@fso/shared/api';
import type { ValuePath } from '@fso/shared/decode/portable';
import { type PodPlacement, podTemplateOf } from '@fso/shared/residency';
import { z } from 'zod';
import { truncateText } from '../../../lib/format.ts';
import { type PastedDocument, type PasteProblem, readPastedText } from './pasted-text.ts';

/**
 * Schemas of the fields that the decision reads, as in core/v1. Null counts as absent, as in the
 * API server. Other fields are ignored.
 */

const Requirement = z.looseObject({ key: z.string(), operator: z.string(), values: z.array(z.string()).nullish() });
const Requirements = z.array(Requirement).nullish();
const Term = z.looseObject({ matchExpressions: Requirements, matchFields: Requirements }).nullable();
const Required = z.looseObject({ nodeSelectorTerms: z.array(Term).nullish() }).nullish();
const NodeAffinity = z.looseObject({ requiredDuringSchedulingIgnoredDuringExecution: Required }).nullish();

const PodSpec = z.looseObject({
  nodeName: z.string().nullish(),
  nodeSelector: z.record(z.string(), z.string()).nullish(),
  affinity: z.looseObject({ nodeAffinity: NodeAffinity }).nullish(),
});

const Owner = z.looseObject({ apiVersion: z.string(), kind: z.string(), controller: z.boolean().nullish() });
const MetadataSchema = z.looseObject({
  name: z.string().nullish(),
  generateName: z.string().nullish(),
  namespace: z.string().nullish(),
  uid: z.string().nullish(),
  ownerReferences: z.array(Owner).nullish(),
});

const Template = z.looseObject({ spec: PodSpec });

/** Paths of the pod spec in different kinds. */
const POD: readonly string[] = ['spec'];
const TEMPLATE: readonly string[] = ['spec', 'template', 'spec'];
const JOB_TEMPLATE: readonly string[] = ['spec', 'jobTemplate', 'spec', 'template', 'spec'];

interface WorkloadKind {
  readonly schema: z.ZodType;
  readonly podSpec: readonly string[];
}

const object = (spec: z.ZodType): z.ZodType => z.looseObject({ metadata: MetadataSchema.default({}), spec });
const templated: WorkloadKind = { schema: object(z.looseObject({ template: Template })), podSpec: TEMPLATE };

/** Kinds that create pods, by name. */
const WORKLOAD_KINDS: ReadonlyMap<string, WorkloadKind> = new Map([
  ['Pod', { schema: object(PodSpec), podSpec: POD }],
  ['Deployment', templated],
  ['StatefulSet', templated],
  ['DaemonSet', templated],
  ['ReplicaSet', templated],
  ['ReplicationController', templated],
  ['Job', templated],
  [
    'CronJob',
    {
      schema: object(z.looseObject({ jobTemplate: z.looseObject({ spec: z.looseObject({ template: Template }) }) })),
      podSpec: JOB_TEMPLATE,
    },
  ],
]);

/** Most workloads that are judged. A List can hold more objects than the text has documents. */
const MAX_WORKLOADS = 200;

/** Object of the pasted text that creates pods. */
export interface Workload {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string | undefined;
  /** First line of the object. */
  readonly line: number;
  readonly document: PastedDocument;
  /** Path of the object in its document: empty, or the path of an item of a List. */
  readonly path: ValuePath;
  /** Path of the pod spec in the document. */
  readonly podSpec: ValuePath;
  readonly placement: PodPlacement;
  /**
   * Node of a pod that was already bound in a cluster. The scheduler chose it, so it is not judged.
   */
  readonly boundTo: string | undefined;
  readonly isDaemonSetPod: boolean;
}

/** Workloads of a pasted text, and the problems of the rest. */
export interface PastedWorkloads {
  readonly workloads: readonly Workload[];
  readonly problems: readonly PasteProblem[];
}

type Fields = Readonly<Record<string, unknown>>;
interface Part {
  readonly value: unknown;
  readonly document: PastedDocument;
  readonly path: ValuePath;
}

/** Splits a pasted text into workloads, and problems with their lines. Never throws. */
export const readWorkloads = (text: string): PastedWorkloads => {
  const { documents, problems } = readPastedText(text);
  const parts = documents.flatMap((document) => partsOf({ value: document.value, document, path: [] }));
  const read = parts.slice(0, MAX_WORKLOADS).map(readWorkload);
  const tooMany =
    parts.length > MAX_WORKLOADS ? [{ line: 1, reason: `there are ${parts.length} objects, the first ${MAX_WORKLOADS} are judged` }] : [];
  return {
    workloads: read.flatMap(({ workload }) => workload ?? []),
    problems: [...problems, ...tooMany, ...read.flatMap((each) => each.problems)],
  };
};

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Splits a List, in which `kubectl get -o yaml` wraps several objects. */
const partsOf = (part: Part): readonly Part[] => {
  const { value, document } = part;
  if (!isFields(value) || value['kind'] !== 'List' || !Array.isArray(value['items'])) return [part];
  return value['items'].map((item: unknown, index) => ({ value: item, document, path: ['items', index] }));
};

interface Read {
  readonly workload?: Workload;
  readonly problems: readonly PasteProblem[];
}

const readWorkload = ({ value, document, path }: Part): Read => {
  const at = (inside: ValuePath): number => document.linesOf([...path, ...inside]).from;
  const failed = (inside: ValuePath, reason: string): Read => ({ problems: [{ line: at(inside), reason }] });
  const kinds = [...WORKLOAD_KINDS.keys()].join(', ');
  if (!isFields(value)) return failed([], 'this is not a Kubernetes object: it must be a map with a kind');
  const { kind } = value;
  if (typeof kind !== 'string') return failed([], `the object has no kind; what can be judged: ${kinds}`);
  const known = WORKLOAD_KINDS.get(kind);
  if (known === undefined) return failed(['kind'], `a ${truncateText(kind, 60)} is not judged, only what makes pods: ${kinds}`);
  const parsed = known.schema.safeParse(value);
  if (!parsed.success) {
    return {
      problems: parsed.error.issues.map((issue) => ({ line: at(issue.path), reason: `${issue.path.join('.')}: ${issue.message}` })),
    };
  }
  const workload = toWorkload(parsed.data as KubeObject, { value, document, path });
  return workload === undefined ? failed([], `the ${kind} has no pod spec`) : { workload, problems: [] };
};

interface Metadata extends Partial<ObjectMeta> {
  readonly generateName?: string;
}

const toWorkload = (object: KubeObject, { document, path }: Part): Workload | undefined => {
  const template = podTemplateOf(object);
  if (template === undefined) return undefined;
  const kind = object.kind ?? '';
  const { name, generateName, namespace, uid }: Metadata = object.metadata;
  const boundTo = kind === 'Pod' && uid ? template.nodeName : undefined;
  const { nodeName: _answer, ...asked } = template;
  return {
    kind,
    name: name ?? generateName ?? '(no name)',
    namespace: namespace ?? undefined,
    line: document.linesOf(path).from,
    document,
    path,
    podSpec: [...path, ...(WORKLOAD_KINDS.get(kind)?.podSpec ?? [])],
    placement: boundTo ? asked : template,
    boundTo: boundTo || undefined,
    isDaemonSetPod: template.ownerReferences?.some((owner) => owner.kind === 'DaemonSet') ?? false,
  };
};
