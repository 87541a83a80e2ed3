import {
  CONDITIONS,
  type Condition,
  FIELD_MANAGERS,
  type KubeObject,
  type ObjectMeta,
  policyKeyOf,
  type SovereignPolicy,
} from '@fso/shared/api';
import { specFieldsOf } from '../cache/index.ts';
import { isPlain } from '../compare.ts';

/** Last change by another writer to an object that enforces a policy. */
export interface Tampering {
  /** RFC 3339, whole seconds. */
  readonly time: string;
  readonly message: string;
}

/** Time for which a condition shows tampering, in ms. */
const SHOWN_MS = 3_600_000;

type NewCondition = Omit<Condition, 'lastTransitionTime'>;

/** Recent tampering by policy. It survives restarts in the conditions of the policies. */
export class TamperLog {
  readonly #byPolicy = new Map<string, Tampering>();
  #latest: Tampering | undefined;

  /**
   * Adds a repair.
   *
   * @param policies whose conditions show it; the condition of the cluster always does
   */
  add(policies: Iterable<string>, tampering: Tampering): void {
    for (const policy of policies) this.#note(policy, tampering);
    if (isLater(tampering, this.#latest)) this.#latest = tampering;
  }

  /** Restores the tampering that the policies' conditions show. */
  restore(policies: readonly SovereignPolicy[]): void {
    for (const policy of policies) {
      const shown = readTampering(policy.status?.conditions);
      if (shown !== undefined) this.add([policyKeyOf(policy)], shown);
    }
  }

  /**
   * Returns the tampering with a policy within the last hour: the same object until there is more.
   */
  ofPolicy(policy: string, now: Date): Tampering | undefined {
    return withinTime(this.#byPolicy.get(policy), now);
  }

  ofCluster(now: Date): Tampering | undefined {
    return withinTime(this.#latest, now);
  }

  /** Removes policies that are gone, and tampering that is too old. */
  retain(policies: Pick<ReadonlySet<string>, 'has'>, now: Date): void {
    for (const [policy, tampering] of this.#byPolicy) {
      if (!policies.has(policy) || withinTime(tampering, now) === undefined) this.#byPolicy.delete(policy);
    }
  }

  /** Time in ms until the next condition changes; undefined if none shows tampering. */
  endsInMs(now: Date): number | undefined {
    const shown = [this.#latest, ...this.#byPolicy.values()].map((tampering) => withinTime(tampering, now));
    const ends = shown.flatMap((tampering) => (tampering === undefined ? [] : [Date.parse(tampering.time) + SHOWN_MS - now.getTime() + 1]));
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  #note(policy: string, tampering: Tampering): void {
    if (isLater(tampering, this.#byPolicy.get(policy))) this.#byPolicy.set(policy, tampering);
  }
}

/** Reads a condition that {@link tamperedCondition} built. */
const readTampering = (conditions: readonly Condition[] | undefined): Tampering | undefined => {
  const shown = conditions?.find(({ type, status }) => type === CONDITIONS.tampered && status === 'True');
  const [, time = '', message = ''] = /^(\S+Z): (.*)$/s.exec(shown?.message ?? '') ?? [];
  return Number.isNaN(Date.parse(time)) ? undefined : { time, message };
};

const isLater = (a: Tampering, b: Tampering | undefined): boolean => b === undefined || Date.parse(a.time) >= Date.parse(b.time);

const withinTime = (tampering: Tampering | undefined, now: Date): Tampering | undefined =>
  tampering !== undefined && now.getTime() - Date.parse(tampering.time) < SHOWN_MS ? tampering : undefined;

/**
 * Builds the condition: True for an hour, then False with the last message; undefined if there
 * never was any tampering.
 */
export const tamperedCondition = (
  tampering: Tampering | undefined,
  previous: readonly Condition[] | undefined,
): NewCondition | undefined => {
  const type = CONDITIONS.tampered;
  if (tampering !== undefined) return { type, status: 'True', reason: 'PutBack', message: `${tampering.time}: ${tampering.message}` };
  const shown = previous?.find((condition) => condition.type === type && condition.message !== '');
  return shown && { type, status: 'False', reason: 'NotLately', message: shown.message };
};

/** Condition of a cluster without tampering, shown from the start. */
export const NEVER_TAMPERED: NewCondition = { type: CONDITIONS.tampered, status: 'False', reason: 'Never', message: '' };

/** Change of an object by another writer than the agent. */
export interface ForeignChange {
  /** `forged`: the policy claimed to come from Git. */
  readonly what: 'changed' | 'deleted' | 'forged';
  /** Field manager of the change, if known. */
  readonly by?: string;
}

/** Formats a change as the end of a sentence: `was changed by someone else (…) and put back`. */
export const traceText = ({ what, by }: ForeignChange): string =>
  what === 'forged'
    ? 'claimed to come from Git, which does not have it, and was deleted'
    : `was ${what} by someone else${by === undefined ? '' : ` (field manager ${by})`} and put back`;

const OWN_MANAGERS: ReadonlySet<string> = new Set(['fso-agent', ...Object.values(FIELD_MANAGERS)]);

type FieldsEntry = NonNullable<ObjectMeta['managedFields']>[number];
/** Fields by name. A field without children is owned as a whole. */
interface FieldTree {
  readonly [field: string]: FieldTree;
}

/** Returns the owned fields of the spec. The status is not part of the desired object. */
const specOf = (entry: FieldsEntry): FieldTree | undefined => specFieldsOf(entry) as FieldTree | undefined;

/**
 * Whether a manager owns a field that none of the others owns. `.` stands for the item itself,
 * which an apply does not claim.
 */
const ownsMore = (fields: FieldTree, others: readonly FieldTree[]): boolean =>
  Object.entries(fields).some(([field, below]) => {
    if (field === '.') return false;
    const same = others.flatMap((other) => (Object.hasOwn(other, field) ? (other[field] ?? []) : [])).filter(isPlain);
    return same.length === 0 || (isPlain(below) && ownsMore(below, same as readonly FieldTree[]));
  });

const latestOf = (entries: readonly FieldsEntry[]): FieldsEntry | undefined =>
  entries.reduce<FieldsEntry | undefined>((last, entry) => ((entry.time ?? '') >= (last?.time ?? '') ? entry : last), undefined);

/**
 * Finds the field manager that changed the spec of an object since this system wrote it. A manager
 * that changes a value takes over its ownership, and one that adds a value is its only owner. A
 * manager that applies the same value becomes a co-owner and stays one. Removing a field leaves no
 * trace of the manager.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
export const foreignManager = ({ metadata }: KubeObject): string | undefined => {
  const entries = (metadata.managedFields ?? []).filter((entry) => specOf(entry) !== undefined);
  const [own, foreign] = [true, false].map((wanted) => entries.filter(({ manager = '' }) => OWN_MANAGERS.has(manager) === wanted));
  const ours = (own ?? []).flatMap((entry) => specOf(entry) ?? []);
  const writtenAt = latestOf(own ?? [])?.time ?? '';
  // Times have whole seconds. Within the same second the foreign write counts as later.
  const changed = (foreign ?? []).filter((entry) => (entry.time ?? '') >= writtenAt && ownsMore(specOf(entry) ?? {}, ours));
  return latestOf(changed)?.manager;
};

/**
 * Finds who changed or deleted an object.
 *
 * @param live current state of the object; undefined if it is gone
 */
export const traceOf = (live: KubeObject | undefined): ForeignChange => {
  if (live === undefined || live.metadata.deletionTimestamp !== undefined) return { what: 'deleted' };
  const by = foreignManager(live);
  return { what: 'changed', ...(by === undefined ? {} : { by }) };
};
