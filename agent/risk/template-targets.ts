import { weakMemo } from '@fso/shared/runtime';
import type { TemplateTarget } from '../probe/index.ts';
import type { DeniedNamespace } from './denied-namespace.ts';
import type { OwnerTemplates, TemplateSource } from './next-templates.ts';
import { type Owner, type OwnerKind, ownerDescriptor } from './owners/owner-kinds.ts';

/** Key of the dry runs of a template. */
export const targetKey = (namespace: string, { kind, object }: TemplateSource): string => `${kind}/${namespace}/${object.metadata.name}`;

/** An object of which a dry run can be made. */
type Asked = TemplateSource & { readonly kind: OwnerKind };

/**
 * Whether dry runs are made of the pods of a template. Those of a DaemonSet pass at admission only
 * when its controller makes them, so that a dry run of the agent says nothing; of a shape there is
 * nothing to make a pod of.
 */
export const hasDryRun = (source: TemplateSource): source is Asked => source.kind !== 'DaemonSet' && source.kind !== 'Shape';

const CONTROLLERS: Readonly<Record<string, { readonly apiVersion: string; readonly kind: string }>> = {
  Deployment: { apiVersion: 'apps/v1', kind: 'ReplicaSet' },
  ControllerRevision: { apiVersion: 'apps/v1', kind: 'StatefulSet' },
  CronJob: { apiVersion: 'batch/v1', kind: 'Job' },
};

/** Text of the placement of an object's pods. */
const textOf = weakMemo(({ template }: Owner): string => (template === undefined ? '' : JSON.stringify(template)));

/** Facts on which the answer to a template's dry run depends, beside the template. */
export interface TargetFacts {
  /** Fingerprint of the webhooks that may change pods. */
  readonly webhooks: string;
  /** Whether the template is refused by itself, so that only a webhook may still mend it. */
  readonly isRefused: boolean;
  /** The target of the same key, which is returned where it asks the same. */
  readonly before: TemplateTarget | undefined;
}

/** Makes the target of one template; `before` itself if it would be the same. */
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
