import type { Pod } from '../cache/index.ts';
import type { OwnerSet } from './owners/owner-cache.ts';
import { isOwnerKind } from './owners/owner-kinds.ts';
import { namePattern } from './shapes/name-pattern.ts';

/** Kinds of objects that controllers create, with the kind of the controller. */
const MADE_BY: Readonly<Record<string, string>> = { ReplicaSet: 'Deployment', Job: 'CronJob' };

/** Owner of a pod as its risks name it; for a shape, the pattern of its name. */
export const ownerOfPod = ({ metadata, controller }: Pod, owners: OwnerSet): { readonly kind: string; readonly name: string } => {
  if (controller === undefined) return { kind: 'Pod', name: namePattern(metadata.name) };
  const { kind, name } = controller;
  const object = isOwnerKind(kind) ? owners.get(kind)?.get(name) : undefined;
  if (object?.controller !== undefined && object.controller.kind === MADE_BY[kind]) return object.controller;
  return object !== undefined || (isOwnerKind(kind) && kind !== 'Job') ? controller : { kind, name: namePattern(name) };
};
