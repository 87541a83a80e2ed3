import type { KubeObject } from '@fso/shared/api';
import type { InformerFactory } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import type { InjectionKinds } from '../enforce/index.ts';

/** Handlers for changes in the caches. */
export interface ViewHandlers {
  /** Called when an object that enforcement depends on changes. */
  readonly onChange: () => void;
  /** Called when pods or nodes change, which may change the violations. */
  readonly onWorkload: () => void;
}

/** Source of ClusterView's informers, and the bounds of their lists. */
export interface ClusterViewDeps {
  readonly factory: InformerFactory;
  readonly kinds: InjectionKinds;
  readonly clock: Clock;
  /** Shortest interval between pod lists that a silent watch causes, in ms. */
  readonly podListMs?: number | undefined;
  /** Called with each pod before it is reduced. */
  readonly onPod?: (pod: KubeObject) => void;
}

/** Error for a kind that was never read although a part of the plan depends on it. */
export class UnreadKindError extends Error {
  override readonly name = 'UnreadKindError';
}

/** Wraps a transform so that `see` gets each object before it. */
export const seenBy =
  <T, R>(see: ((object: T) => void) | undefined, transform: (object: T) => R): ((object: T) => R) =>
  (object) => {
    see?.(object);
    return transform(object);
  };
