import type { KubeObject } from '@fso/shared/api';
import type { KindDescriptor } from '@fso/shared/kube';
import type { PodTemplate } from '@fso/shared/risk';

/** Kinds whose objects create pods, or hold the templates of those that do. */
export const OWNER_KINDS = [
  'Deployment',
  'ReplicaSet',
  'StatefulSet',
  'ControllerRevision',
  'DaemonSet',
  'Job',
  'CronJob',
  'ReplicationController',
] as const;
/** Kind of an object that creates pods and whose next pods are judged. */
export type OwnerKind = (typeof OWNER_KINDS)[number];

/** Whether a kind is one of {@link OWNER_KINDS}. */
export const isOwnerKind = (kind: string): kind is OwnerKind => (OWNER_KINDS as readonly string[]).includes(kind);

const PLACES: Readonly<Record<OwnerKind, readonly [apiVersion: string, plural: string]>> = {
  Deployment: ['apps/v1', 'deployments'],
  ReplicaSet: ['apps/v1', 'replicasets'],
  StatefulSet: ['apps/v1', 'statefulsets'],
  ControllerRevision: ['apps/v1', 'controllerrevisions'],
  DaemonSet: ['apps/v1', 'daemonsets'],
  Job: ['batch/v1', 'jobs'],
  CronJob: ['batch/v1', 'cronjobs'],
  ReplicationController: ['v1', 'replicationcontrollers'],
};

/** API version and path of a kind of owners. */
export const ownerDescriptor = (kind: OwnerKind): KindDescriptor<Owner> => {
  const [apiVersion, plural] = PLACES[kind];
  return { apiVersion, kind, plural, namespaced: true };
};

/** Path of the pod spec in an object of a kind. */
export const templatePath = (kind: string): string => PATHS[kind] ?? 'spec.template.spec';

/** Paths that differ from the default. Only its operator knows the template of a shape. */
const PATHS: Readonly<Record<string, string>> = { CronJob: 'spec.jobTemplate.spec.template.spec', Shape: 'spec' };

/** Object that creates pods, reduced to what decides where its next pods may run. */
export interface Owner extends KubeObject {
  /** Absent: the template is too large to be judged, unreadable, or no longer used. */
  readonly template?: PodTemplate;
  /** Controller of the object. */
  readonly controller?: { readonly kind: string; readonly name: string; readonly uid: string };
  /** Whether a Deployment is paused. */
  readonly isPaused?: true;
  readonly replicas?: number;
  /** Number of the revision of a ReplicaSet of a Deployment. */
  readonly revision?: number;
  /** Ordinal of a StatefulSet below which pods keep {@link currentRevision}. */
  readonly partition?: number;
  readonly currentRevision?: string;
  /** Whether a Job creates no more pods. */
  readonly isFinished?: true;
}
