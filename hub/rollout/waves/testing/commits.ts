import type { RolloutStrategySpec } from '@fso/shared/api';
import type { JudgedTags } from '../clusters.ts';

/** Zones of clusters; strategies select by them, and commits have a content for each. */
export const ZONES = ['a', 'b', 'c'] as const;
export type Zone = (typeof ZONES)[number];

/** Commit of the model, with a content for each zone. */
export interface Commit {
  readonly revision: string;
  readonly strategy: RolloutStrategySpec | undefined;
  readonly contents: Readonly<Record<Zone, number>>;
  /** Labels of the clusters that it registers, by name. */
  readonly registered: ReadonlyMap<string, Zone>;
  /** Whether the stolen key signed it, and whether that key is among its signers. */
  readonly isStolen: boolean;
  readonly trustsStolen: boolean;
  /** Tags of one that asks to skip waves, which may come or go. */
  immediate?: JudgedTags | undefined;
}

/** Tags of a commit that asks to skip waves, before they are there. */
export const UNTAGGED: JudgedTags = { signer: 'ana', isGiven: false, missing: 1, approvers: [], problems: [] };
/** Tags that let a commit skip waves. */
export const TAGGED: JudgedTags = { ...UNTAGGED, isGiven: true, missing: 0, approvers: ['bob'] };
/** Tags that a signer has taken back. */
export const REVOKED: JudgedTags = { ...UNTAGGED, missing: 0, problems: ['revoked'] };

/** The commit before the first one. */
export const NO_COMMIT: Omit<Commit, 'revision'> = {
  strategy: undefined,
  contents: { a: 0, b: 0, c: 0 },
  registered: new Map(),
  isStolen: false,
  trustsStolen: true,
};

/** Content that agents refuse. */
export const REFUSED = 3;
/** Content by which workloads violate. */
export const VIOLATED = 4;
