import { isDeepStrictEqual } from 'node:util';
import { type ClusterReport, CONDITIONS, type PolicyReport, policyKey } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import type { ReportDelta } from './reporter.ts';

/** Time between two reports of progress: most policies are proven before the second one. */
const PROGRESS_MS = 1_000;

/** What is no progress: what is to be enforced where, and what alerts people. */
const standingOf = ({ revision, enforcementAction, effectiveRegions, namespaces, expiryDate, violations, conditions }: PolicyReport) => {
  const alarms = conditions.filter(({ type }) => type === CONDITIONS.conflict || type === CONDITIONS.tampered);
  return { revision, enforcementAction, effectiveRegions, namespaces, expiryDate, violations, alarms };
};

/** What differs in the policies, all of the cluster, and the number of events. */
type News = ReportDelta & { readonly cluster: ClusterReport; readonly events: number };

interface Reported {
  readonly policies: ReadonlyMap<string, PolicyReport>;
  readonly cluster: ClusterReport | undefined;
}

/** Whether a policy waits for the same proofs as before: then only how far they are differs. */
const isProgress = (before: PolicyReport | undefined, now: PolicyReport): boolean =>
  before?.phase === 'Pending' && now.phase === 'Pending' && isDeepStrictEqual(standingOf(before), standingOf(now));

/** Whether a cluster says nothing new but which commit it has accepted: its ack has told that, too. */
const isAcceptance = (before: ClusterReport | undefined, now: ClusterReport): boolean =>
  before !== undefined && isDeepStrictEqual({ ...before, revision: now.revision }, now);

/**
 * Holds back how far policies are that the hub knows to be Pending, and for a second what an ack has told. That a policy is Pending, and
 * what it becomes, is reported at once; each step in between would be another report, half of all that a commit brings the hub.
 */
export class Progress {
  readonly #clock: Clock;
  #toldAt = Number.NEGATIVE_INFINITY;
  #isHeld: boolean = false;
  /** Since when nothing but the acceptance of a commit is to be told. */
  #acceptedAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds until what was held back is due; undefined: nothing was. */
  get dueInMs(): number | undefined {
    const since = Math.min(this.#isHeld ? this.#toldAt : Number.POSITIVE_INFINITY, this.#acceptedAt ?? Number.POSITIVE_INFINITY);
    return since === Number.POSITIVE_INFINITY ? undefined : Math.max(0, since + PROGRESS_MS - this.#clock.monotonicMs());
  }

  /** @returns the part of a delta that is due now, without the cluster where that is what the hub has or may wait */
  take({ policies, removed, cluster, events }: News, before: Reported): ReportDelta & { readonly cluster: ClusterReport | undefined } {
    const now = this.#clock.monotonicMs();
    const isDue = now - this.#toldAt >= PROGRESS_MS;
    if (isDue && policies.some(({ phase }) => phase === 'Pending')) this.#toldAt = now;
    const due = isDue ? policies : policies.filter((report) => !isProgress(before.policies.get(policyKey(report)), report));
    this.#isHeld = due.length < policies.length;
    const isAlone = due.length + removed.length + events === 0;
    return { policies: due, removed, cluster: this.#dueOf(cluster, before.cluster, isAlone) };
  }

  /** @param isAlone whether the report would say nothing else */
  #dueOf(cluster: ClusterReport, before: ClusterReport | undefined, isAlone: boolean): ClusterReport | undefined {
    const now = this.#clock.monotonicMs();
    const isNew = !isDeepStrictEqual(cluster, before);
    const acceptedAt = isNew && isAlone && isAcceptance(before, cluster) ? (this.#acceptedAt ?? now) : undefined;
    this.#acceptedAt = acceptedAt !== undefined && now - acceptedAt < PROGRESS_MS ? acceptedAt : undefined;
    return isNew && this.#acceptedAt === undefined ? cluster : undefined;
  }
}
