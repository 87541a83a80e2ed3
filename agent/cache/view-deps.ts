import type { KubeObject } from '@fso/shared/api';
import type { InformerFactory } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import type { InjectionKinds } from '../enforce/index.ts';

/** Handlers of changes of the caches. */
export interface ViewHandlers {
  /** Called when an object that enforcement depends on changes. */
  readonly onChange: () => void;
  /** Called when pods or nodes change, and so maybe the violations. */
  readonly onWorkload: () => void;
}

/** Origin of the informers of ClusterView, and the bounds of their lists. */
export interface ClusterViewDeps {
  readonly factory: InformerFactory;
  readonly kinds: InjectionKinds;
  readonly clock: Clock;
  /** Pods are listed at most this often because of a silent watch, ms. */
  readonly podListMs?: number | undefined;
  /** Called with each pod before it is reduced. */
  readonly onPod?: (pod: KubeObject) => void;
}

/** A kind that a part of a round rests on has never been read. */
export class UnreadKindError extends Error {
  override readonly name = 'UnreadKindError';
}

/** A transform that shows each object to someone before. */
export const seenBy =
  <T, R>(see: ((object: T) => void) | undefined, transform: (object: T) => R): ((object: T) => R) =>
  (object) => {
    see?.(object);
    return transform(object);
  };
