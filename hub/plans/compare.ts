import { createHash } from 'node:crypto';
import type { RoleGrant } from '@fso/shared/api';
import { decodeOnto, type PolicySet, type SourceFile } from '@fso/shared/decode';
import { type ComparedFleets, compareFleets, type Effects, type Plan, unknownName } from '@fso/shared/effects';
import { planWaves } from '@fso/shared/rollout';
import { type ClusterQuestion, type NotAsked, questionsOf } from './cluster-questions.ts';
import { type PlanOptions, type PlanRefusal, readRequest, refusePlan } from './read-request.ts';
import { type VisibleSides, visibleBase, visibleSides } from './visible-sides.ts';

/** Request for a plan, and the commit in force that it is compared with. */
export interface ComparisonInput {
  /** JSON of a `PlanRequest`. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Files of the branch that the request names; undefined if it has files of its own. */
  readonly ofBranch?: readonly SourceFile[] | undefined;
  /** Policies of the commit in force. */
  readonly before: PolicySet;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Grants that bound what is compared; undefined if the caller sees everything. */
  readonly grants: readonly RoleGrant[] | undefined;
}

/** Effects of a change on possible pods, and the questions to agents about running workloads. */
export interface Comparison extends Omit<ComparedFleets, 'changed'> {
  readonly ok: true;
  readonly waves: Plan['waves'];
  readonly options: PlanOptions;
  /** Stored plan that the change names, not validated; undefined if it names none. */
  readonly accept: string | undefined;
  /** SHA-256 (hex) of the files of the change. */
  readonly change: string;
  readonly questions: readonly ClusterQuestion[];
  readonly notAsked: NotAsked;
}

/**
 * Comparison of a proposed change with the commit in force, or its refusal, with the SHA-256 (hex)
 * of the plan request.
 */
export type Compared = (Comparison | PlanRefusal) & { readonly digest: string };

/** Clusters whose workloads a change may affect. */
const concerned = ({ effects, notLookedAt }: Effects, { withoutClusters }: PlanOptions): readonly string[] => {
  const lost = new Set(withoutClusters);
  return [...new Set([...effects, ...notLookedAt].flatMap(({ clusters }) => clusters))].filter((cluster) => !lost.has(cluster));
};

/**
 * Sides from which the waves of a plan are made. For a caller who sees a part of the fleet, they
 * omit clusters that only the files register: the labels of such clusters could probe what the
 * waves select.
 */
const sidesOfWaves = ({ before, after }: VisibleSides, grants: ComparisonInput['grants']): Parameters<typeof planWaves>[0] => ({
  before: before.set,
  after: grants === undefined ? after.set : { ...after.set, clusters: [] },
});

const compareRequest = ({ body, ofBranch, before, nowMs, grants }: ComparisonInput): Comparison | PlanRefusal => {
  const read = readRequest(body, (files) => decodeOnto(before, visibleBase(before, grants), files), ofBranch);
  if (!read.ok) return read;
  const { options, set, accept, change } = read;
  const sides = visibleSides(before, set, grants);
  const unknown = unknownName(options, sides.before.set, sides.after.set);
  if (unknown !== undefined) return refusePlan(`${unknown.part}: there is no ${unknown.name}`);
  const { at, clusters, withoutClusters, withoutRegions } = options;
  const wanted = clusters.length === 0 ? undefined : clusters;
  const { changed, ...compared } = compareFleets(
    { ...sides.before, atMs: nowMs, withoutClusters: [], withoutRegions: [] },
    { ...sides.after, atMs: at === undefined ? nowMs : Date.parse(at), withoutClusters, withoutRegions },
    wanted,
  );
  const waves = planWaves(sidesOfWaves(sides, grants), changed, wanted);
  return { ok: true, ...compared, waves, options, accept, change, ...questionsOf(concerned(compared.effects, options), options, sides) };
};

/** Compares the files of a request with the commit in force, as far as the caller sees both. */
export const compare = (input: ComparisonInput): Compared => ({
  digest: createHash('sha256').update(input.body).digest('hex'),
  ...compareRequest(input),
});
