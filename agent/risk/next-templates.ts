import type { PodTemplate } from '@fso/shared/risk';
import type { Owner, OwnerKind } from './owners/owner-kinds.ts';

/** Kinds under which owners at risk are shown, except for shapes. */
type TopKind = Exclude<OwnerKind, 'ControllerRevision'>;

/** Object whose template defines the next pods of an owner. */
export interface TemplateSource {
  readonly kind: OwnerKind | 'Shape';
  readonly object: Owner;
  /** undefined: too large to be judged, or unreadable. */
  readonly template: PodTemplate | undefined;
}

/** Owner of pods, with the templates that define its next pods. */
export interface OwnerTemplates {
  /** Kind of the owner: a {@link TopKind}, or the one that a shape was seen with. */
  readonly kind: string;
  readonly owner: Pick<Owner, 'metadata'>;
  readonly sources: readonly TemplateSource[];
  /** Time at which pods of a shape were last seen; absent if they exist, or it is not a shape. */
  readonly lastSeen?: string | undefined;
}

/** Owners of one namespace, by kind. */
export type OwnersByKind = ReadonlyMap<OwnerKind, readonly Owner[]>;

type ByName = ReadonlyMap<string, Owner>;

const sourceOf = (kind: OwnerKind, object: Owner): TemplateSource => ({ kind, object, template: object.template });

/** Whether an object is the controller itself, and not a later object of the same name. */
const isController = (owner: Owner, { controller }: Owner): boolean => controller?.uid === owner.metadata.uid;

const newest = (sets: readonly Owner[]): readonly Owner[] => {
  const [first] = sets.toSorted((a, b) => (b.revision ?? 0) - (a.revision ?? 0));
  return first === undefined ? [] : [first];
};

/** ReplicaSets that create pods from another template than the current one. */
const others = (template: PodTemplate | undefined, sets: readonly Owner[]): readonly TemplateSource[] =>
  sets.filter((each) => each.template !== template).map((each) => sourceOf('ReplicaSet', each));

/**
 * Templates of the next pods of a Deployment: its own, and those of ReplicaSets that still have
 * replicas. While paused, only the ReplicaSets create pods.
 */
const ofDeployment = (deployment: Owner, sets: readonly Owner[]): readonly TemplateSource[] => {
  const active = sets.filter(({ replicas = 1 }) => replicas > 0);
  if (deployment.isPaused !== true) return [sourceOf('Deployment', deployment), ...others(deployment.template, active)];
  const making = active.length > 0 ? active : newest(sets);
  return making.length > 0 ? making.map((each) => sourceOf('ReplicaSet', each)) : [sourceOf('Deployment', deployment)];
};

/**
 * Templates of the next pods of a StatefulSet. Below its partition, pods keep the template of their
 * revision.
 */
const ofStatefulSet = (set: Owner, revisions: ByName): readonly TemplateSource[] => {
  const { partition, currentRevision, replicas = 1 } = set;
  const own = sourceOf('StatefulSet', set);
  if (partition === undefined || currentRevision === undefined) return [own];
  const revision = revisions.get(currentRevision);
  const below = revision === undefined ? [] : [sourceOf('ControllerRevision', revision)];
  return replicas > partition || below.length === 0 ? [...below, own] : below;
};

const byName = (owners: readonly Owner[]): ByName => new Map(owners.map((owner) => [owner.metadata.name, owner]));

/**
 * Groups objects by their controller among the given ones. Objects without such a controller form
 * the rest.
 */
const byController = (controllers: ByName, kind: string, objects: readonly Owner[]) => {
  const owned = Map.groupBy(objects, (object) => {
    const owner = object.controller?.kind === kind ? controllers.get(object.controller.name) : undefined;
    return owner !== undefined && isController(owner, object) ? owner : undefined;
  });
  return { owned, rest: owned.get(undefined) ?? [] };
};

/**
 * Whether a ReplicaSet may create pods. One that its controller has scaled to zero is a past
 * revision, which creates no more pods; one without a controller may be scaled up again.
 */
const mayMakePods = ({ controller, replicas = 1 }: Owner): boolean => controller === undefined || replicas > 0;

/**
 * Lists the owners of a namespace with the templates of their next pods. An object that another of
 * these owners controls counts under its controller.
 */
export const nextTemplates = (owners: OwnersByKind): readonly OwnerTemplates[] => {
  const listOf = (kind: OwnerKind): readonly Owner[] => owners.get(kind) ?? [];
  const revisions = byName(listOf('ControllerRevision'));
  const sets = byController(byName(listOf('Deployment')), 'Deployment', listOf('ReplicaSet'));
  const jobs = byController(byName(listOf('CronJob')), 'CronJob', listOf('Job'));
  const alone = (kind: TopKind, objects: readonly Owner[]): readonly OwnerTemplates[] =>
    objects.map((owner) => ({ kind, owner, sources: [sourceOf(kind, owner)] }));
  const isRunning = ({ isFinished }: Owner): boolean => isFinished !== true;
  return [
    ...alone('DaemonSet', listOf('DaemonSet')),
    ...listOf('Deployment').map(
      (owner): OwnerTemplates => ({ kind: 'Deployment', owner, sources: ofDeployment(owner, sets.owned.get(owner) ?? []) }),
    ),
    ...alone('ReplicaSet', sets.rest.filter(mayMakePods)),
    ...listOf('StatefulSet').map((owner): OwnerTemplates => ({ kind: 'StatefulSet', owner, sources: ofStatefulSet(owner, revisions) })),
    ...listOf('CronJob').map((owner): OwnerTemplates => {
      const running = (jobs.owned.get(owner) ?? []).filter((job) => isRunning(job) && job.template !== owner.template);
      return { kind: 'CronJob', owner, sources: [sourceOf('CronJob', owner), ...running.map((job) => sourceOf('Job', job))] };
    }),
    ...alone('Job', jobs.rest.filter(isRunning)),
    ...alone('ReplicationController', listOf('ReplicationController')),
  ];
};
