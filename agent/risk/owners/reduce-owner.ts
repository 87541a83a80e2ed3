import type { KubeObject, ObjectMeta } from '@fso/shared/api';
import { type PlacementSpec, reducePlacement } from '@fso/shared/residency';
import type { PodTemplate, Toleration } from '@fso/shared/risk';
import { memoByText } from '@fso/shared/runtime';
import { z } from 'zod';
import { PodSpec } from '../../cache/index.ts';
import { definedOnly, isPlain } from '../../compare.ts';
import type { Owner, OwnerKind } from './owner-kinds.ts';

/**
 * Largest placement of a template that is kept, in bytes of JSON. Of a larger one only the regions
 * are kept, within the same bound. A tenant may create thousands of them.
 */
const MAX_PLACEMENT_BYTES = 2_048;

const Text = z.string();
const Count = z.number();
const TemplateSpec = PodSpec.extend({
  tolerations: z
    .array(z.looseObject({ key: Text.nullish(), operator: Text.nullish(), value: Text.nullish(), effect: Text.nullish() }))
    .nullish(),
});
const Template = z.looseObject({ spec: TemplateSpec });

/** Fields that are read from any kind of owner. */
const Fields = z.looseObject({
  spec: z
    .looseObject({
      template: z.unknown().optional(),
      jobTemplate: z.looseObject({ spec: z.looseObject({ template: z.unknown().optional() }).nullish() }).nullish(),
      paused: z.boolean().nullish(),
      replicas: Count.nullish(),
      updateStrategy: z
        .looseObject({ type: Text.nullish(), rollingUpdate: z.looseObject({ partition: Count.nullish() }).nullish() })
        .nullish(),
    })
    .nullish(),
  status: z
    .looseObject({ currentRevision: Text.nullish(), conditions: z.array(z.looseObject({ type: Text, status: Text })).nullish() })
    .nullish(),
  /** Patch in a ControllerRevision, with the template of that revision. */
  data: z.looseObject({ spec: z.looseObject({ template: z.unknown().optional() }).nullish() }).nullish(),
});

const REVISION = 'deployment.kubernetes.io/revision';

/** Shares one object between equal placements while it is in use. */
const intern = memoByText(
  (_template: PodTemplate, text: string) => text,
  (template) => template,
);

const requiredOf = ({ affinity }: z.infer<typeof TemplateSpec>) => {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required == null ? undefined : { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } };
};

/**
 * Reads the placement of a pod template, or of a pod. Equal placements give the same object.
 *
 * @returns undefined if it is unreadable or too large
 */
export const readTemplate = (value: unknown): PodTemplate | undefined => {
  const parsed = Template.safeParse(value);
  if (!parsed.success) return undefined;
  const { nodeName, nodeSelector, tolerations } = parsed.data.spec;
  const whole = definedOnly({
    nodeName: nodeName || undefined,
    nodeSelector: nodeSelector ?? undefined,
    affinity: requiredOf(parsed.data.spec) as PlacementSpec['affinity'],
    tolerations: (tolerations ?? undefined) as readonly Toleration[] | undefined,
  }) as PodTemplate;
  const text = JSON.stringify(whole);
  if (Buffer.byteLength(text) <= MAX_PLACEMENT_BYTES) return intern(whole, text);
  const { tolerations: _tolerations, ...placement } = whole;
  const cut: PodTemplate = { ...reducePlacement(placement), isCut: true };
  const cutText = JSON.stringify(cut);
  return Buffer.byteLength(cutText) <= MAX_PLACEMENT_BYTES ? intern(cut, cutText) : undefined;
};

const controllerOf = ({ ownerReferences }: Partial<ObjectMeta>): Owner['controller'] => {
  const owner = (Array.isArray(ownerReferences) ? ownerReferences : []).find(({ controller }) => controller === true);
  return owner && { kind: String(owner.kind), name: String(owner.name), uid: String(owner.uid) };
};

const ENDS = new Set(['Complete', 'Failed']);

/** Template of an object. Older revisions of a DaemonSet create no pods, so they have none. */
const templateIn = (kind: OwnerKind, { spec, data }: z.infer<typeof Fields>, controller: Owner['controller']): unknown => {
  if (kind === 'ControllerRevision') return controller?.kind === 'StatefulSet' ? data?.spec?.template : undefined;
  return kind === 'CronJob' ? spec?.jobTemplate?.spec?.template : spec?.template;
};

/** Number of ordinals of a StatefulSet that keep their current revision. */
const partitionOf = (spec: z.infer<typeof Fields>['spec']): number => {
  const strategy = spec?.updateStrategy;
  return strategy?.type === 'OnDelete' ? 0 : (strategy?.rollingUpdate?.partition ?? 0);
};

const revisionOf = ({ annotations }: Partial<ObjectMeta>): number | undefined => {
  const revision = isPlain(annotations) ? Number(annotations[REVISION]) : Number.NaN;
  return Number.isSafeInteger(revision) ? revision : undefined;
};

type State = Omit<Owner, keyof KubeObject | 'template' | 'controller'>;

/** Reads, by kind, the state that decides which template an object uses. */
const STATES: Readonly<Partial<Record<OwnerKind, (fields: z.infer<typeof Fields>, metadata: Partial<ObjectMeta>) => State>>> = {
  Deployment: ({ spec }) => (spec?.paused === true ? { isPaused: true } : {}),
  ReplicaSet: (_fields, metadata) => {
    const revision = revisionOf(metadata);
    return revision === undefined ? {} : { revision };
  },
  StatefulSet: ({ spec, status }) => {
    const partition = partitionOf(spec);
    const currentRevision = status?.currentRevision;
    return partition > 0 && currentRevision != null ? { partition, currentRevision } : {};
  },
  Job: ({ status }) =>
    (status?.conditions ?? []).some(({ type, status: value }) => ENDS.has(type) && value === 'True') ? { isFinished: true } : {},
};

const stateOf = (kind: OwnerKind, fields: z.infer<typeof Fields>, metadata: Partial<ObjectMeta>): State => {
  const replicas = fields.spec?.replicas;
  return { ...(replicas != null && { replicas }), ...STATES[kind]?.(fields, metadata) };
};

/** Reduces an object that creates pods. An unreadable one is kept without its template. */
export const reduceOwner =
  (kind: OwnerKind) =>
  (object: KubeObject): Owner => {
    const { name, namespace, uid, resourceVersion, generation } = object.metadata;
    const metadata = definedOnly({ name, namespace, uid, resourceVersion, generation }) as ObjectMeta;
    const fields = Fields.safeParse(object);
    if (!fields.success) return { metadata };
    const controller = controllerOf(object.metadata);
    const state = stateOf(kind, fields.data, object.metadata);
    const template = state.isFinished === true ? undefined : readTemplate(templateIn(kind, fields.data, controller));
    return { metadata, ...definedOnly({ controller, template }), ...state } as Owner;
  };

/** Reduces an object beyond the limit to its name. */
export const nameOnly = ({ metadata: { name, namespace, resourceVersion } }: KubeObject): Owner => ({
  metadata: definedOnly({ name, namespace, resourceVersion }) as ObjectMeta,
});

/** Reduces a kept object to its name, in place. */
export const reduceToName = (owner: Owner): void => {
  const rest = nameOnly(owner);
  for (const field of Object.keys(owner)) delete (owner as unknown as Record<string, unknown>)[field];
  Object.assign(owner, rest);
};
