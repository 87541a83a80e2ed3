import { weakMemo } from '@fso/shared/runtime';
import type { TemplateTarget } from '../probe/index.ts';
import type { DeniedNamespace } from './denied-namespace.ts';
import type { OwnerTemplates, TemplateSource } from './next-templates.ts';
import { type Owner, type OwnerKind, ownerDescriptor } from './owners/owner-kinds.ts';

/** Key of the dry runs of a template. */
export const targetKey = (namespace: string, { kind, object }: TemplateSource): string => `${kind}/${namespace}/${object.metadata.name}`;

/** Object whose pods can be probed by a dry run. */
type Asked = TemplateSource & { readonly kind: OwnerKind };

/**
 * Whether a template is probed by dry runs. The pods of a DaemonSet pass admission only if its
 * controller creates them, so a dry run by the agent shows nothing. A shape has no object to build
 * a pod from.
 */
export const hasDryRun = (source: TemplateSource): source is Asked => source.kind !== 'DaemonSet' && source.kind !== 'Shape';

const CONTROLLERS: Readonly<Record<string, { readonly apiVersion: string; readonly kind: string }>> = {
  Deployment: { apiVersion: 'apps/v1', kind: 'ReplicaSet' },
  ControllerRevision: { apiVersion: 'apps/v1', kind: 'StatefulSet' },
  CronJob: { apiVersion: 'batch/v1', kind: 'Job' },
};

/** Placement of an object's pods as text. */
const textOf = weakMemo(({ template }: Owner): string => (template === undefined ? '' : JSON.stringify(template)));

/** Facts that the answer to a dry run depends on, in addition to the template. */
export interface TargetFacts {
  /** Fingerprint of the webhooks that may change pods. */
  readonly webhooks: string;
  /** Whether the template is refused as written, so that only a webhook may fix it. */
  readonly isRefused: boolean;
  /** Earlier target of the same key, which is reused if it is equal. */
  readonly before: TemplateTarget | undefined;
}

/** Builds the target of one template, or returns `before` if it is equal. */
export const targetOf = (
  { namespace, deny, injected }: DeniedNamespace,
  { owner }: OwnerTemplates,
  { kind, object }: Asked,
  { webhooks, isRefused, before }: TargetFacts,
): TemplateTarget => {
  const { name, uid, generation: version = 0 } = object.metadata;
  const fingerprint = `${uid} ${deny.regions.join()} ${deny.policies.join()} ${injected.length} ${webhooks} ${textOf(object)}`;
  if (before?.fingerprint === fingerprint && before.version === version && before.isRefused === isRefused) return before;
  const descriptor = ownerDescriptor(kind);
  const controller = CONTROLLERS[kind] ?? { apiVersion: descriptor.apiVersion, kind };
  const set = kind === 'ControllerRevision' ? { kind: ownerDescriptor('StatefulSet'), name: owner.metadata.name } : undefined;
  return { kind: descriptor, namespace, name, controller, fingerprint, version, isRefused, ...(set && { set }) };
};
